"""DiffAugment: the paper's strengths, gradients through, and draws that the generator decides."""

from typing import Any

import pytest
import torch
from torch import Tensor

from hwan.methods.diffaugment import AUGMENTATIONS, colour, cutout, diffaugment, translation

POLICIES: list[Any] = [(name,) for name in AUGMENTATIONS] + [tuple(AUGMENTATIONS)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("channels", [1, 3, 6])
def test_shape_type_and_the_generators_state_decide(policy: Any, channels: int) -> None:
    images = torch.rand(3, channels, 16, 24) * 2 - 1
    random = seeded(1)
    state = random.get_state()
    first, second = diffaugment(images, policy, random), diffaugment(images, policy, random)
    assert first.shape == images.shape
    assert not first.equal(second)
    random.set_state(state)
    assert diffaugment(images, policy, random).equal(first)
    assert diffaugment(images.half(), policy, random).dtype == torch.float16


@pytest.mark.parametrize("policy", POLICIES)
def test_gradients_run_through(policy: Any) -> None:
    images = (torch.rand(2, 3, 8, 8, dtype=torch.float64) * 2 - 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: diffaugment(x, policy, seeded()), images)


def test_no_policy_leaves_images_and_draws_alone() -> None:
    images, random = torch.rand(1, 3, 8, 8), seeded()
    before = random.get_state()
    assert diffaugment(images, (), random) is images
    assert random.get_state().equal(before)


def test_each_image_has_its_own_draw() -> None:
    images = torch.rand(1, 3, 32, 32).expand(8, -1, -1, -1)
    for augment in AUGMENTATIONS.values():
        out = augment(images, seeded())
        assert len({tuple(x.flatten().tolist()) for x in out}) > 1


def test_translation_moves_by_an_eighth_at_most_and_fills_with_grey() -> None:
    height, width = 32, 48
    place = torch.arange(1.0, height * width + 1).reshape(1, 1, height, width)
    found: set[tuple[int, int]] = set()
    for out in translation(place.expand(600, -1, -1, -1), seeded()):
        row, column = divmod(int(out[0, 16, 24]) - 1, width)
        down, right = 16 - row, 24 - column
        found.add((down, right))
        expected = torch.zeros(height, width)
        to = slice(max(0, down), height + min(0, down)), slice(max(0, right), width + min(0, right))
        of = (
            slice(max(0, -down), height + min(0, -down)),
            slice(max(0, -right), width + min(0, -right)),
        )
        expected[to] = place[0, 0][of]
        assert out[0].equal(expected)
    assert {d for d, _ in found} == set(range(-4, 5))
    assert {r for _, r in found} == set(range(-6, 7))


def test_cutout_clears_half_of_each_side_around_a_random_centre() -> None:
    height, width = 16, 24
    holes = cutout(torch.ones(2000, 2, height, width), seeded()) == 0
    assert holes[:, 0].equal(holes[:, 1])
    sizes = [(int(h.any(1).sum()), int(h.any(0).sum())) for h in holes[:, 0]]
    assert all(int(h.sum()) == a * b for h, (a, b) in zip(holes[:, 0], sizes, strict=True))
    assert {a for a, _ in sizes} == set(range(4, 9))  # up to half of it is outside
    assert {b for _, b in sizes} == set(range(6, 13))
    assert float(holes.float().mean((0, 1)).min()) > 0.05  # no pixel is spared


def test_colour_is_what_the_paper_lists() -> None:
    images = torch.rand(400, 3, 8, 8) * 2 - 1
    out = colour(images, seeded())

    def spread(x: Tensor) -> Tensor:  # of the grey picture: contrast alone scales it
        return x.mean(1).flatten(1).std(1)

    def tint(x: Tensor) -> Tensor:  # distance from grey: saturation and contrast
        return (x - x.mean(1, keepdim=True)).flatten(1).std(1)

    contrast = spread(out) / spread(images)
    saturation = tint(out) / tint(images) / contrast
    brightness = out.mean((1, 2, 3)) - images.mean((1, 2, 3))
    for values, low, high in ((contrast, 0.5, 1.5), (saturation, 0, 2), (brightness, -0.5, 0.5)):
        margin = (high - low) / 20
        assert low - 1e-4 <= float(values.min()) < low + margin
        assert high - margin < float(values.max()) <= high + 1e-4


def test_what_only_moves_or_cuts_keeps_the_range() -> None:
    images = torch.rand(4, 3, 16, 16) * 2 - 1
    out = diffaugment(images, ("translation", "cutout"), seeded())
    assert float(out.abs().max()) <= 1
