"""How every layer of the generators runs over strips of an image: one declaration a layer.

``hwan.inference.tiles`` translates large images by this table alone. A layer that is not declared here is
refused there, since a wrong declaration, or a guessed one, would give a wrong picture. A generator that
is built of declared layers needs nothing here, but for its own class where that has a ``forward``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn
from torch.nn.utils.parametrize import type_before_parametrizations

from hwan.nets import blocks
from hwan.nets.fast.convs import PaddedConv2d
from hwan.nets.hints import HintInputs, WithHints
from hwan.nets.norms import InstanceNorm2d
from hwan.nets.resnet import BesideInput, ResidualBlock, Resnet
from hwan.nets.unet import Level, UNet
from hwan.nets.whitening import Whitening2d


@dataclass(frozen=True)
class Local:
    """An output row r is made of the input rows r * ``down`` / ``up``, and of ``reach`` more each way."""

    reach: int = 0
    up: int = 1
    down: int = 1
    channels: int = 0
    """The channels that a convolution makes. Other layers keep the channels, or make fewer (0 here)."""
    pads: bool = False
    """It surrounds the image by what the convolution after it reaches."""
    wraps: bool = False
    """It pads by the opposite end of the image."""


@dataclass(frozen=True)
class OwnStatistics:
    """A norm by the statistics of the image that it is given, channel by channel or in groups."""


@dataclass(frozen=True)
class Chain:
    """Layers, one after the other. What they make is added to their input, or stacked after it, or is
    the output as it is."""

    layers: tuple[nn.Module, ...]
    join: Literal["", "add", "stack"] = ""


Strips = Local | OwnStatistics | Chain | None
"""None: not in strips, as this layer is set."""


def _padding(layer: Any) -> Strips:
    alike = len(set(layer.padding)) == 1  # the same at all four sides
    return Local(pads=True, wraps=isinstance(layer, nn.CircularPad2d)) if alike else None


def _conv(layer: nn.Conv2d) -> Strips:
    if layer.padding_mode != "zeros":  # such as circular, which would wrap around the strip
        return None
    reach = -(-layer.dilation[0] * (layer.kernel_size[0] - 1) // 2)
    return Local(reach, 1, layer.stride[0], layer.out_channels)


def _transposed(layer: nn.ConvTranspose2d) -> Strips:
    reach = -(-(layer.dilation[0] * (layer.kernel_size[0] - 1) + 1) // layer.stride[0])
    return Local(reach, layer.stride[0], 1, layer.out_channels)


def _upsample(layer: nn.Upsample) -> Strips:
    known = {"nearest": 0, "bilinear": 1}
    if layer.mode not in known or layer.scale_factor != 2 or layer.align_corners:
        return None
    return Local(known[layer.mode], up=2)


def _norm(layer: nn.BatchNorm2d | nn.InstanceNorm2d) -> Strips:
    averaged = layer.track_running_stats and layer.running_mean is not None
    return Local() if averaged and not layer.training else OwnStatistics()


POINTWISE = (
    nn.Identity,
    nn.ReLU,
    nn.LeakyReLU,
    nn.ELU,
    nn.GELU,
    nn.SiLU,
    nn.Tanh,
    nn.Sigmoid,
    nn.Dropout,
    blocks.AlwaysDropout,
)
PADS = (blocks.ReflectionPad2d, nn.ReplicationPad2d, nn.ZeroPad2d, nn.CircularPad2d)
STRIPS: dict[type[nn.Module], Callable[[Any], Strips]] = {
    **dict.fromkeys(POINTWISE, lambda layer: Local()),
    **dict.fromkeys(PADS, _padding),
    **dict.fromkeys((nn.Conv2d, PaddedConv2d, blocks.SameConv2d, blocks.ShuffleConv2d), _conv),
    **dict.fromkeys((nn.ConvTranspose2d, blocks.SameTransposed2d), _transposed),
    **dict.fromkeys((nn.Sequential, Resnet), lambda chain: Chain(tuple(chain))),
    nn.Upsample: _upsample,
    nn.PixelShuffle: lambda layer: Local(up=layer.upscale_factor),
    blocks.Blur: lambda layer: Local(1, down=2),
    nn.BatchNorm2d: _norm,
    InstanceNorm2d: _norm,
    nn.GroupNorm: lambda layer: OwnStatistics(),
    Whitening2d: lambda layer: Local() if layer.running and not layer.training else None,
    ResidualBlock: lambda block: Chain((block.body,), "add" if block.skip else ""),
    BesideInput: lambda chain: Chain(tuple(chain), "stack"),
    Level: lambda level: Chain((level.down, level.inner, level.up), "stack" if level.skip else ""),
    UNet: lambda net: Chain((net.levels, nn.Tanh())),
    HintInputs: lambda layer: Local(),
    WithHints: lambda hinted: Chain((hinted.inputs, hinted.net)),  # of a picture that has them
}
"""By the exact class: what a subclass does in its own ``forward`` is not known."""


def in_strips(layer: nn.Module) -> Strips:
    """How ``layer`` runs in strips; None for a layer that is not declared, and for one that cannot: a hook or
    a ``forward`` of its own may do anything."""
    changed = layer._forward_hooks or layer._forward_pre_hooks or "forward" in vars(layer)
    declared = STRIPS.get(type_before_parametrizations(layer))
    return declared(layer) if declared and not changed else None


def has_own_statistics(layer: nn.Module) -> bool:
    """Whether a layer is a norm by the statistics of the image that it is given."""
    return isinstance(in_strips(layer), OwnStatistics)
