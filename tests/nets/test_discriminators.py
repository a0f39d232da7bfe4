"""Discriminators: what each one sees and returns."""

from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from hwan.config import DiscriminatorConfig
from hwan.config.networks import Norm
from hwan.nets import build_discriminator
from hwan.nets.initial import initialise


def logits(net: nn.Module, image: Tensor) -> list[tuple[int, ...]]:
    out = net(image)
    return [tuple(x.shape) for x in (out if isinstance(out, tuple) else (out,))]


@pytest.mark.parametrize("norm", get_args(Norm))
@pytest.mark.parametrize("name", ["patchgan", "pixel", "image", "multiscale"])
def test_discriminators_judge_from_their_least_size_on(name: str, norm: str) -> None:
    for padding in ("zero", "same"):
        config = DiscriminatorConfig(
            name=name, norm=norm, padding=padding, filters=4, layers=2, scales=2  # type: ignore[arg-type]
        )  # fmt: skip
        net = build_discriminator(config, 3)
        initialise(net, config, torch.Generator().manual_seed(0))
        least = config.least
        shapes = logits(net, torch.randn(2, 3, least, least))
        assert len(shapes) == (2 if name == "multiscale" else 1)
        assert all(shape[:2] == (2, 1) and min(shape) >= 1 for shape in shapes)


def test_what_each_discriminator_returns() -> None:
    def build(**options: Any) -> nn.Module:
        return build_discriminator(DiscriminatorConfig(filters=2, **options), 3)

    image = torch.randn(2, 3, 96, 64)
    assert logits(build(), image) == [(2, 1, 10, 6)]
    assert logits(build(name="pixel"), image) == [(2, 1, 96, 64)]
    assert logits(build(name="image"), image) == [(2, 1, 1, 1)]
    scales = [(2, 1, 10, 6), (2, 1, 4, 2)]
    assert logits(build(name="multiscale", scales=2), image) == scales
    assert logits(build(members=3), image) == scales[:1] * 3
    assert logits(build(name="multiscale", scales=2, members=2), image) == scales * 2
    config = DiscriminatorConfig(filters=2, members=2)
    several = build_discriminator(config, 3)
    initialise(several, config, torch.Generator().manual_seed(0))
    first, second = several(image)
    assert not torch.allclose(first, second)


def test_the_patch_of_three_layers_is_70_pixels() -> None:
    """The receptive field by its gradient: how wide a window moves one logit."""
    net = build_discriminator(DiscriminatorConfig(filters=2, norm="none"), 1)
    image = torch.zeros(1, 1, 128, 128, requires_grad=True)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.ones_(module.weight)
    net(image)[0, 0, 7, 7].backward()
    assert image.grad is not None
    rows = image.grad[0, 0].abs().sum(1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == 70


def test_a_pixel_judge_sees_one_pixel_and_an_image_judge_all() -> None:
    for name, seen in (("pixel", 1), ("image", 1024)):
        config = DiscriminatorConfig(name=name, filters=2, norm="none", init="kaiming", gain=1.0)  # type: ignore[arg-type]
        net = build_discriminator(config, 3)
        initialise(net, config, torch.Generator().manual_seed(0))
        image = torch.randn(1, 3, 32, 32, requires_grad=True)
        net(image)[0, 0, 0, 0].backward()
        assert image.grad is not None
        assert int((image.grad.abs().sum(1) > 0).sum()) == seen


def test_keras_example_pads_so_that_nothing_shrinks() -> None:
    """Its 256x256 pixels become 32x32 logits, where the papers' code has 30x30."""
    config = DiscriminatorConfig(norm="instance-affine", padding="same")
    judge = build_discriminator(config, 3)
    assert logits(judge, torch.zeros(1, 3, 64, 64)) == [(1, 1, 8, 8)]
    widths = [tuple(p.shape)[:2] for p in judge.parameters() if p.ndim == 4]
    assert widths == [(64, 3), (128, 64), (256, 128), (512, 256), (1, 512)]
    assert sum(p.ndim == 1 for p in judge.parameters()) == 2 + 3 * 2
