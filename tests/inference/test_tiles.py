"""Strips of an image, layer by layer: the whole image's translation, whatever the network."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hwan.config import GeneratorConfig
from hwan.config.networks import Activation, Norm, Padding, Upsampling
from hwan.errors import UsageError
from hwan.inference.tiles import FeatureMap, _check, strips
from hwan.inference.translate import Translator
from hwan.nets import GENERATORS, build_generator
from hwan.nets.blocks import Blur, ReflectionPad2d, SameConv2d, SameTransposed2d
from hwan.nets.fast.convs import PaddedConv2d
from hwan.nets.folder import GeneratorSpec
from hwan.nets.initial import initialise
from hwan.nets.norms import InstanceNorm2d
from hwan.nets.strips import STRIPS, Local
from hwan.nets.unet import Level
from hwan.nets.whitening import Whitening2d


def network(**options: Any) -> tuple[nn.Module, GeneratorConfig]:
    """A generator with weights large enough to show, whose running statistics have seen images."""
    torch.manual_seed(0)
    config = GeneratorConfig(**{"filters": 4, "blocks": 2, "stem": 5, **options})
    net = build_generator(config, 3, 3)
    for weight in net.parameters():
        nn.init.normal_(weight, 0.0, 0.3)
    with torch.no_grad():
        net.train()(torch.randn(2, 3, 32, 32))
    return net.eval().requires_grad_(False), config


def image(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1


def in_strips(net: nn.Module, x: Tensor, tile: int, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    monkeypatch.setattr("hwan.inference.tiles.CHANNELS", 4)
    rows = FeatureMap(3, x.shape[2], x.shape[3], lambda first, end: x[:, :, first:end].clone())
    found = list(strips(net, rows, tile))
    assert len(found) > 3
    return torch.cat(found, 2)


NORMS = ["instance", "instance-affine", "batch", "layer", "group", "whitening", "weight",
         "spectral", "none"]  # fmt: skip
OTHERS: list[dict[str, Any]] = [
    {"padding": "replicate", "up": "nearest"},
    {"padding": "zero", "up": "bilinear"},
    {"padding": "circular", "up": "bilinear"},
    {"padding": "circular", "up": "transposed", "down": "blur"},
    {"up": "shuffle", "down": "blur", "activation": "gelu"},
    {"strided_padding": "same", "stem": 7},
    {"name": "plain", "downs": 3, "blocks": 1},
    {"input_skip": True, "up": "nearest"},
    {"input_skip": True, "name": "plain", "norm": "batch", "padding": "circular"},
    {"name": "unet", "downs": 4, "norm": "group", "groups": 2},
    {"name": "unet", "downs": 5, "norm": "batch", "strided_padding": "same"},
    {"name": "unet", "downs": 3, "norm": "instance", "up": "nearest", "padding": "circular"},
    {"name": "bottleneck", "downs": 3, "norm": "layer", "up": "shuffle"},
    {"norm": "batch", "test_batch_statistics": True},
]


@pytest.mark.parametrize("options", [*({"norm": n} for n in NORMS), *OTHERS], ids=str)
def test_strips_equal_the_whole_image(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    net, _ = network(**options)
    x = image(96, 64)
    expected = net.double()(x.double())
    assert expected.std() > 0.05
    got = in_strips(net, x.double(), 20, monkeypatch)
    torch.testing.assert_close(got, expected, atol=1e-10, rtol=0)  # no difference but rounding


@pytest.mark.parametrize("norm", ["instance", "batch", "group"])
def test_in_single_precision_too(norm: Norm, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    config = GeneratorConfig(filters=8, blocks=9, norm=norm)
    net = build_generator(config, 3, 3).eval().requires_grad_(False)
    initialise(net, config, torch.Generator().manual_seed(0))
    x = image(128, 96)
    got = in_strips(net, x, 20, monkeypatch)
    torch.testing.assert_close(got, net(x), atol=1e-5, rtol=0)


@settings(max_examples=15, deadline=None)
@given(
    tile=st.integers(2, 40),
    height=st.integers(2, 9),
    width=st.integers(2, 5),
    name=st.sampled_from(["resnet", "unet"]),
)
def test_any_strip_of_any_size(tile: int, height: int, width: int, name: str) -> None:
    net, config = network(name=name, downs=3)
    multiple, _ = config.sizes
    net, x = net.double(), image(multiple * height, multiple * width).double()
    rows = FeatureMap(3, x.shape[2], x.shape[3], lambda first, end: x[:, :, first:end].clone())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hwan.inference.tiles.CHANNELS", 4)
        got = torch.cat(list(strips(net, rows, tile)), 2)
    torch.testing.assert_close(got, net(x), atol=1e-10, rtol=0)


@pytest.mark.parametrize(
    ("options", "layer", "wrong"),
    [
        ({}, InstanceNorm2d, Local()),  # statistics of each strip alone
        ({"norm": "none"}, PaddedConv2d, Local(1, channels=4)),  # a reach too short
    ],
)
def test_a_wrong_declaration_would_show(
    options: dict[str, Any], layer: Any, wrong: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests above can fail."""
    net, _ = network(**options)
    x = image(96, 64)
    monkeypatch.setitem(STRIPS, layer, lambda layer: wrong)
    assert (in_strips(net, x, 20, monkeypatch) - net(x)).abs().max() > 0.01


class Attention(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        weights = torch.softmax(x.flatten(2).mT @ x.flatten(2) / 100, 2)
        return x.flatten(2).matmul(weights.mT).view_as(x)


class OtherReLU(nn.ReLU):
    """A subclass of a declared layer, with a forward of its own."""

    def forward(self, input: Tensor) -> Tensor:
        return torch.relu(input - input.mean())


class OtherChain(nn.Sequential):
    def forward(self, input: Tensor) -> Tensor:
        return input.flip(2)


UNKNOWN = [
    nn.AdaptiveAvgPool2d(32), nn.AvgPool2d(3, 1, 1), nn.MaxPool2d(3, 1, 1), nn.Softmax2d(), nn.PReLU(),
    nn.Dropout2d(0.5), nn.LocalResponseNorm(3), nn.Flatten(), nn.LayerNorm([3, 64, 48]), Attention(),
    nn.UpsamplingBilinear2d(scale_factor=2), nn.InstanceNorm2d(3), OtherReLU(), OtherChain(nn.Tanh()),
    nn.Upsample(scale_factor=3), nn.Upsample(scale_factor=2, mode="bicubic"), nn.Upsample(size=(64, 48)),
    nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), ReflectionPad2d((1, 1, 2, 0)),
    nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular"),
]  # fmt: skip


@pytest.mark.parametrize("layer", UNKNOWN, ids=lambda layer: str(layer).splitlines()[0])
@pytest.mark.parametrize("nested", [False, True])
def test_a_layer_that_is_not_declared_is_refused(layer: nn.Module, nested: bool) -> None:
    """By its name, before anything is computed."""
    inner = nn.Sequential(nn.ReLU(), layer) if nested else layer
    net = nn.Sequential(ReflectionPad2d(1), nn.Conv2d(3, 3, 3), inner)
    rows = FeatureMap(3, 64, 48, lambda first, end: pytest.fail("computed"))
    with pytest.raises(UsageError, match=r"hwan/nets/strips.py") as caught:
        next(strips(net.eval(), rows, 8))
    assert type(layer).__name__ in str(caught.value)


KNOWN = [
    nn.Identity(), nn.ReLU(), nn.LeakyReLU(0.2), nn.ELU(), nn.GELU(), nn.SiLU(), nn.Tanh(), nn.Sigmoid(),
    nn.Dropout(0.5), nn.BatchNorm2d(3), nn.BatchNorm2d(3, track_running_stats=False), InstanceNorm2d(3),
    nn.GroupNorm(3, 3), nn.GroupNorm(1, 3), Blur(3), nn.Upsample(scale_factor=2), SameConv2d(3, 2, 4, 2),
    nn.Upsample(scale_factor=2, mode="bilinear"), SameTransposed2d(3, 2, 3, 2), nn.Conv2d(3, 4, 3, padding=1),
    nn.ConvTranspose2d(3, 2, 4, 2, 1), nn.ConvTranspose2d(3, 2, 3, 2, 1, 1), nn.Conv2d(3, 4, 3, 2, 1),
    nn.Conv2d(3, 4, 5, padding=4, dilation=2), nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 3, padding="same"),
    nn.ConvTranspose2d(3, 2, 3, 2, 2, 1, dilation=2), nn.Sequential(nn.Conv2d(3, 12, 1), nn.PixelShuffle(2)),
    nn.Sequential(nn.ZeroPad2d(2), PaddedConv2d(3, 3, 5)),
    nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 3, 1)),
    nn.Sequential(nn.CircularPad2d(2), PaddedConv2d(3, 3, 5)), Whitening2d(3, 3, 1e-5), nn.Conv2d(4, 4, 4, 4),
]  # fmt: skip


@pytest.mark.parametrize("layer", KNOWN, ids=lambda layer: str(layer).splitlines()[0])
def test_every_declared_layer_alone(layer: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    """In strips between two convolutions as on the whole image."""
    torch.manual_seed(0)
    channels = getattr(layer, "in_channels", 3)
    net = nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1), layer, nn.Tanh(), nn.LazyConv2d(3, 3, padding=1)
    )
    x = image(96, 64)
    net(x)
    net, x = net.double().eval().requires_grad_(False), x.double()
    got = in_strips(net, x, 6, monkeypatch)
    torch.testing.assert_close(got, net(x), atol=1e-10, rtol=0)


def test_a_norm_of_the_image_and_of_a_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what was in no file before: a generator of known layers, in an order that the zoo has not."""
    torch.manual_seed(0)
    level = Level([nn.Conv2d(3, 4, 4, 2, 1)], nn.Tanh(), [nn.ConvTranspose2d(4, 2, 4, 2, 1)], True)
    net = nn.Sequential(InstanceNorm2d(3), level, nn.GroupNorm(1, 5), nn.Conv2d(5, 3, 1))
    net, x = net.double().eval().requires_grad_(False), image(96, 64).double()
    got = in_strips(net, x, 12, monkeypatch)
    torch.testing.assert_close(got, net(x), atol=1e-10, rtol=0)


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize(
    ("option", "choices"),
    [
        ("norm", get_args(Norm)), ("padding", get_args(Padding)), ("up", get_args(Upsampling)),
        ("activation", get_args(Activation)), ("down", ("strided", "blur")),
        ("strided_padding", ("symmetric", "same")), ("dropout", (0.5,)), ("test_dropout", (True,)),
    ],
)  # fmt: skip
def test_every_layer_of_every_generator_is_declared(
    name: Any, option: str, choices: tuple[Any, ...]
) -> None:
    dropout = {"dropout": 0.5} if "dropout" in option else {}
    for choice in choices:
        options = {**dropout, option: choice}
        config = GeneratorConfig(
            name=name, filters=2, blocks=1, downs=6 if dropout else 2, **options
        )
        _check(build_generator(config, 3, 3).eval())


@pytest.mark.parametrize(
    "layers", [[nn.Conv2d(3, 3, 3)], [ReflectionPad2d(2), nn.Conv2d(3, 3, 3)], [ReflectionPad2d(1)]]
)
def test_a_size_that_is_not_as_declared_is_refused(layers: list[nn.Module]) -> None:
    x = image(64, 48)
    rows = FeatureMap(3, 64, 48, lambda first, end: x[:, :, first:end])
    net = nn.Sequential(nn.Conv2d(3, 3, 1), *layers).eval().requires_grad_(False)
    with pytest.raises(UsageError, match=r"as hwan\.nets\.strips declares"):
        list(strips(net, rows, 4))


@pytest.mark.parametrize("size", [(37, 50), (5, 90), (64, 64)])
def test_a_translator_in_tiles_gives_the_same_picture(size: tuple[int, int]) -> None:
    net, config = network()
    spec = GeneratorSpec(config, 3, 3, "ab", (32, 32), 7, "cyclegan")
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    whole, tiled = (
        Translator(net, spec).pixels(pixels),
        Translator(net, spec, tile=4).pixels(pixels),
    )
    assert tiled.shape == whole.shape
    assert np.abs(tiled.astype(int) - whole).max() <= 1  # a rounding
    assert (tiled != whole).mean() < 0.001


def test_whitening_by_the_images_own_statistics_is_refused() -> None:
    net, _ = network(norm="whitening", test_batch_statistics=True)
    x = image(32, 32)
    rows = FeatureMap(3, 32, 32, lambda first, end: x[:, :, first:end])
    with pytest.raises(UsageError, match=r"Whitening2d.*\n.*test_batch_statistics"):
        list(strips(net, rows, 8))


def test_a_full_disk_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hwan.inference.tiles.TemporaryFile", full)
    net, _ = network()
    x = image(32, 32)
    rows = FeatureMap(3, 32, 32, lambda first, end: x[:, :, first:end])
    with pytest.raises(UsageError, match="TMPDIR"):
        list(strips(net, rows, 8))


@pytest.mark.parametrize("how", ["hook", "forward"])
def test_a_layer_that_was_changed_is_refused(how: str) -> None:
    """What a hook or a forward of its own does is not known."""
    layer = nn.Conv2d(3, 3, 3)
    if how == "hook":
        layer.register_forward_hook(lambda net, inputs, out: out - out.mean())
    else:
        layer.forward = lambda input: input - input.mean()  # type: ignore[method-assign]
    rows = FeatureMap(3, 64, 48, lambda first, end: pytest.fail("computed"))
    with pytest.raises(UsageError, match=r"hwan/nets/strips.py"):
        next(strips(nn.Sequential(ReflectionPad2d(1), layer).eval(), rows, 8))


def test_circular_padding_that_is_enlarged_before_its_convolution_is_right_or_refused() -> None:
    torch.manual_seed(0)
    resized = nn.Upsample(scale_factor=2, mode="bilinear")
    net = nn.Sequential(nn.CircularPad2d(2), resized, nn.Conv2d(3, 4, 9)).eval()
    image = torch.rand(1, 3, 128, 16)
    rows = FeatureMap(3, 128, 16, lambda first, end: image[:, :, first:end])
    try:
        made = torch.cat([strip.clone() for strip in strips(net, rows, 2)], 2)
    except UsageError:
        return
    torch.testing.assert_close(made, net(image).detach(), atol=1e-5, rtol=0)
