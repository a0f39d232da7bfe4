"""Discriminators: what each one sees and returns."""

from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from hwan.config import DiscriminatorConfig
from hwan.config.networks import Norm
from hwan.errors import UsageError
from hwan.nets import build_discriminator
from hwan.nets.discriminators import FeatureDiscriminator
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


def features(**options: Any) -> DiscriminatorConfig:
    return DiscriminatorConfig(name="features", feature_filters=4, **options)


@pytest.mark.parametrize(
    ("channels", "condition"), [(1, 0), (3, 0), (13, 0), (3, 1), (3, 3), (2, 4)]
)
def test_a_features_discriminator_takes_any_channels(channels: int, condition: int) -> None:
    config = features(feature_strides=(4, 32))
    net = build_discriminator(config, channels, condition)
    initialise(net, config, torch.Generator().manual_seed(0))
    image = torch.rand(2, condition + channels, 40, 64, requires_grad=True)
    assert logits(net, image) == [(2, 1, 10, 16), (2, 1, 2, 2)]
    sum(x.sum() for x in net(image)).backward()
    assert image.grad is not None
    assert bool((image.grad.abs().sum((0, 2, 3)) > 0).all())  # every channel is looked at


def test_condition_and_image_are_looked_at_each_by_itself() -> None:
    config = features(feature_strides=(8,))
    net = build_discriminator(config, 3, 3)
    assert isinstance(net, FeatureDiscriminator)
    a, b = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    seen = torch.cat([net.network(a, (8,))[0], net.network(b, (8,))[0]], 1)
    net.eval()  # spectral norm moves while training
    assert torch.allclose(net(torch.cat([a, b], 1))[0], net.heads[0](seen), atol=1e-5)


def test_unlike_discriminators_side_by_side() -> None:
    config = features(also=("patchgan", "pixel"), filters=2, layers=2)
    net = build_discriminator(config, 3)
    shapes = [
        (1, 1, 16, 16),
        (1, 1, 8, 8),
        (1, 1, 4, 4),
        (1, 1, 2, 2),
        (1, 1, 14, 14),
        (1, 1, 64, 64),
    ]
    assert logits(net, torch.zeros(1, 3, 64, 64)) == shapes
    assert config.least == 32
    assert not config.per_sample
    twice = build_discriminator(features(feature_strides=(4,), members=2), 3)
    assert len(logits(twice, torch.zeros(1, 3, 32, 32))) == 2
    trained = {name for name, _ in twice.named_parameters()}
    assert set(twice.state_dict()) >= trained
    assert all(".heads." in name for name in twice.state_dict())  # nothing of the frozen network


@pytest.mark.parametrize("strides", [(), (8, 4), (4, 4)])
def test_strides_are_rising(strides: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="in rising order"):
        features(feature_strides=strides)
