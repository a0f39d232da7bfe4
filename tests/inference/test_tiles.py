"""Strips of an image, layer by layer: the whole image's translation, whatever the network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hwan.config import GeneratorConfig
from hwan.config.networks import Norm
from hwan.errors import UsageError
from hwan.inference.tiles import Rows, strips, window
from hwan.inference.translate import Translator
from hwan.nets import build_generator, sizes
from hwan.nets.folder import GeneratorSpec
from hwan.nets.initial import initialise


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
    rows = Rows(3, x.shape[2], x.shape[3], lambda first, end: x[:, :, first:end].clone())
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
    multiple, _ = sizes(config)
    net, x = net.double(), image(multiple * height, multiple * width).double()
    rows = Rows(3, x.shape[2], x.shape[3], lambda first, end: x[:, :, first:end].clone())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hwan.inference.tiles.CHANNELS", 4)
        got = torch.cat(list(strips(net, rows, tile)), 2)
    torch.testing.assert_close(got, net(x), atol=1e-10, rtol=0)


def test_statistics_of_each_strip_alone_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: a norm that sees a strip only gives another picture."""
    net, _ = network()
    x = image(96, 64)
    monkeypatch.setattr("hwan.inference.tiles.whole_image_norm", lambda module: False)
    got = in_strips(net, x, 20, monkeypatch)
    assert (got - net(x)).abs().max() > 0.01


def test_a_reach_too_short_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    net, _ = network(norm="none")
    x = image(96, 64)
    monkeypatch.setattr(
        "hwan.inference.tiles.window", lambda layer: (min(1, window(layer)[0]), *window(layer)[1:])
    )
    assert (in_strips(net, x, 20, monkeypatch) - net(x)).abs().max() > 0.01


@pytest.mark.parametrize("size", [(37, 50), (5, 90), (64, 64)])
def test_a_translator_in_tiles_gives_the_same_picture(size: tuple[int, int]) -> None:
    net, config = network()
    spec = GeneratorSpec(config, 3, 3, "ab", 32, 7, "cyclegan")
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
    rows = Rows(3, 32, 32, lambda first, end: x[:, :, first:end])
    with pytest.raises(UsageError, match="needs the whole image"):
        list(strips(net, rows, 8))


def test_a_full_disk_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hwan.inference.tiles.TemporaryFile", full)
    net, _ = network()
    x = image(32, 32)
    rows = Rows(3, 32, 32, lambda first, end: x[:, :, first:end])
    with pytest.raises(UsageError, match="TMPDIR"):
        list(strips(net, rows, 8))
