"""The study's measurements on networks and batches against closed forms and independent ways."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hwan.data.augment import augment
from hwan.data.folders import locate
from hwan.data.loader import batch
from hwan.data.samples import TASKS
from hwan.data.sets import TrainingSet, open_set
from hwan.study.batches import gradient_noise, held
from hwan.study.claim import SMALL, Cell, Variant, base, vary
from hwan.study.claims import activation, augmentation, shape
from hwan.study.claims import batch as batch_claim
from hwan.study.depth import bare_stack, first_gradient, flat_share, signal
from hwan.study.measure import by_frequency, chroma, phases, untrained
from hwan.study.probe import in_memory, steps
from hwan.training.state import Training
from hwan.training.steps.eager import forward

CONFIG = base(SMALL)
TOY = dataclasses.replace(SMALL, images=10, train=6, test=3)


@pytest.fixture(scope="module")
def hills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study") / "hills"
    TASKS["hills"](out, size=32, train=6, test=3)
    return out


def cell(variant: Variant, data: Path | None = None) -> Cell:
    return Cell(variant, variant.config, SMALL, 0, None, (data,) if data else None)


def chain(*factors: float) -> nn.Sequential:
    """1x1 convolutions of one channel: y is x times all ``factors``."""
    net = nn.Sequential(*(nn.Conv2d(1, 1, 1, bias=False) for _ in factors))
    for layer, factor in zip(net.children(), factors, strict=True):
        assert isinstance(layer, nn.Conv2d)
        nn.init.constant_(layer.weight, factor)
    return net


def test_the_gradient_of_a_product_is_the_product_of_the_others() -> None:
    """With one pixel u is 1 or -1, and d(w₁w₂w₃x)/dw₁ = w₂w₃x."""
    net = chain(0.3, 0.5, 0.02)
    x = torch.full((1, 1, 1, 1), 2.0)
    assert first_gradient(net, x, 0) == pytest.approx(0.5 * 0.02 * 2, rel=1e-5)
    deeper = chain(0.3, *[0.5] * 11)
    assert first_gradient(deeper, x, 0) == pytest.approx(0.5**11 * 2, rel=1e-5)


def test_the_gradient_is_of_a_direction_of_length_one() -> None:
    """Of the identity in n pixels: d<u, wx>/dw = <u, x>, at most |x|, whatever n."""
    x = torch.ones(5, 1, 8, 8)
    found = first_gradient(chain(1.0), x, 3)
    assert 0 < found <= 8


def test_signal_is_the_size_before_each_convolution_and_after_the_last() -> None:
    x = torch.full((2, 1, 4, 4), -3.0)
    assert signal(chain(0.5, 2.0, 0.1), x) == pytest.approx([3, 1.5, 3, 0.3])


def test_skips_and_plain_blocks_start_with_the_same_weights() -> None:
    """So the claim's variants differ in the sums alone."""
    plain, skips = (untrained(vary(CONFIG, generator={"name": n}), 1) for n in ("plain", "resnet"))
    for a, b in zip(plain.parameters(), skips.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_plain_network_loses_the_gradient_that_skips_keep() -> None:
    x = torch.rand(1, 3, 32, 32) * 2 - 1

    def kept(name: str) -> float:
        options = {"name": name, "norm": "none"}
        few, many = (vary(CONFIG, generator={**options, "blocks": n}) for n in (1, 8))
        return first_gradient(untrained(many, 0), x, 0) / first_gradient(untrained(few, 0), x, 0)

    assert kept("plain") < 1e-4
    assert kept("resnet") > 0.1


@pytest.mark.parametrize(
    ("layer", "flat"),
    [
        (nn.Sigmoid(), 0.5),  # σ(1 − σ) < 0.1 at 3, not at 0
        (nn.Tanh(), 0.5),
        (nn.ReLU(inplace=True), 0.5),  # 0 at 0
        (nn.LeakyReLU(0.2), 0.0),
    ],
)
def test_flat_is_where_the_slope_is_small(layer: nn.Module, flat: float) -> None:
    x = torch.tensor([3.0, 0.0] * 8).reshape(1, 1, 4, 4)
    before = x.clone()
    assert flat_share(nn.Sequential(nn.Identity(), layer), x.clone(), 0.1) == flat
    assert torch.equal(layer(x.clone()), layer(before))


def test_the_bare_stack_is_convolution_and_activation_alone() -> None:
    for variant in activation.variants(SMALL):
        kinds = [
            type(layer).__name__
            for layer in bare_stack(activation.bare(variant.config), 3, 0).children()
        ]
        assert len(kinds) == 9
        assert kinds[0::3] == ["ReflectionPad2d"] * 3
        assert kinds[1::3] == ["PaddedConv2d"] * 3
        assert len(set(kinds[2::3])) == 1


def test_sigmoid_passes_on_at_most_a_quarter_a_layer() -> None:
    """Behind the first of ``n`` layers come n − 1 matrices of singular values around 1 and n slopes ≤ ¼."""
    variant = next(v for v in activation.variants(SMALL) if v.name == "sigmoid")
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    four, eight = (
        first_gradient(bare_stack(activation.bare(variant.config), n, 0), x, 0) for n in (4, 8)
    )
    assert eight / four < (1 / 4) ** 4 * 2**4


def test_phases_see_a_checkerboard_and_nothing_else() -> None:
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(1, 3, 4, 4)
    assert phases(0.2 * board, 2) == pytest.approx(0.1)
    assert phases(torch.full((2, 3, 8, 8), 0.7), 2) == 0
    coarse = torch.ones(1, 1, 8, 8)
    coarse[:, :, :, 4:] = -1  # a picture's own edge
    assert phases(coarse, 2) == 0
    assert phases(board.repeat_interleave(2, 2).repeat_interleave(2, 3), 4) == pytest.approx(0.5)


def test_a_checkerboard_is_at_half_a_cycle() -> None:
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(1, 3, 4, 4)
    spectrum = dict(by_frequency(0.5 * board))
    assert spectrum.pop(0.5) == pytest.approx(0.5)
    assert max(spectrum.values()) < 1e-6
    assert 0.0 not in spectrum


def test_chroma_is_the_spread_of_the_channels() -> None:
    assert chroma(torch.rand(2, 1, 4, 4).expand(2, 3, 4, 4)) == 0
    red = torch.full((1, 3, 4, 4), -1.0)
    red[:, 0] = 1
    assert chroma(red) == 1


def test_a_blur_of_both_has_not_changed() -> None:
    before = torch.tensor([1.0, 1.0, 1.0, 0.1])
    after = torch.tensor([0.5, 0.2, 1.0, 0.4])  # half-way, changed, as it was; and one that stays
    made, elsewhere = shape.progress(before, after)
    assert made == pytest.approx(1 / 3)
    assert elsewhere == pytest.approx(0.2)


def gradients(data: Path, count: int) -> tuple[Tensor, int]:
    """One image's gradient of the generators' objective a row, by the loop's own parts."""
    training = Training(CONFIG, torch.device("cpu"))
    images = open_set(locate([data]), CONFIG)
    group = next(p for p in training.method.groups if p.name == "generators")
    rows = []
    for n in range(count):
        losses = group.losses(forward(training, batch(images, CONFIG.data, 0, n, 1)))
        training.method.zero_grad()
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        rows.append(torch.cat([p.grad.flatten() for p in group.parameters if p.grad is not None]))
    return torch.stack(rows).double(), images.epoch


def test_the_noise_scale_is_the_variance_over_the_squared_mean(hills: Path) -> None:
    variant = Variant("one", "", CONFIG)
    found, count = gradient_noise(cell(variant, hills), 5)
    rows, epoch = gradients(hills, 5)
    variance = float(rows.var(0).sum())
    length = float(rows.mean(0).square().sum()) - variance / 5  # unbiased
    expected = variance / length if length > 0 else math.inf
    assert found == pytest.approx(expected, rel=1e-3)
    assert count == epoch == 6


def test_a_batchs_gradient_is_the_mean_of_its_images(hills: Path) -> None:
    """What the noise scale rests on: instance norm keeps images apart, and losses are means."""
    rows, _ = gradients(hills, 3)
    training = Training(CONFIG, torch.device("cpu"))
    group = next(p for p in training.method.groups if p.name == "generators")
    images = open_set(locate([hills]), CONFIG)
    losses = group.losses(forward(training, batch(images, CONFIG.data, 0, 0, 3)))
    found = torch.autograd.grad(torch.stack(list(losses.values())).sum(), group.parameters)
    together = torch.cat([g.flatten() for g in found]).double()
    assert torch.linalg.norm(together - rows.mean(0)) < 1e-4 * torch.linalg.norm(together)


def test_memory_grows_with_the_images() -> None:
    one, two, ten = (held(CONFIG, n) for n in (1, 2, 10))
    assert 0.1 < one < 50
    assert ten == pytest.approx(one + 9 * (two - one), rel=1e-3)


def test_the_full_batch_is_the_whole_training_set() -> None:
    full = next(v for v in batch_claim.variants(SMALL) if v.name == "full batch")
    assert full.config.train.batch * full.config.train.accumulate == SMALL.train


def test_in_memory_keeps_the_first_pictures(hills: Path) -> None:
    images = open_set(locate([hills]), CONFIG)
    few = in_memory(images, 4)
    assert len(few.a) == len(few.b) == few.epoch == 4
    assert all(np.array_equal(few.a[n], images.a[n]) for n in range(4))
    data = vary(CONFIG, data={"flip": True}).data
    once = in_memory(few, 4, lambda pictures: [p[:, ::-1] for p in pictures])
    assert np.array_equal(once.b[2], images.b[2][:, ::-1])
    crop = augment(once.b[2], data, data.format_b, np.random.default_rng(0))
    assert crop.shape == (32, 32, 3)


def test_frozen_pictures_do_not_change_and_fresh_ones_do(
    hills: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the discriminators are shown of each picture, by how often another view of it comes."""
    shown: dict[str, list[bytes]] = {}

    def record(one: Cell, images: TrainingSet) -> object:
        name = one.variant.name
        draws = [batch(images, one.config.data, 0, n, 1).b for n in range(6 * len(images.b))]
        shown[name] = [d.numpy().tobytes() for d in draws]
        return steps(one, images)

    monkeypatch.setattr("hwan.study.probe.steps", record)
    short = vary(CONFIG, generator={"blocks": 0, "filters": 2}, discriminator={"filters": 2})
    for variant in augmentation.variants(SMALL):
        config = vary(
            short, data={"flip": variant.config.data.flip, "resize": variant.config.data.resize}
        )
        small = Variant(variant.name, "", config, probed=True)
        one = cell(small, hills)
        augmentation.measure(
            Cell(small, config, TOY, 0, None, one.data),
        )
    views = {name: len(set(draws)) for name, draws in shown.items()}
    assert views["none"] == views["frozen"] == 6
    assert views["fresh"] > 24
    assert set(shown["none"]) != set(shown["frozen"])
