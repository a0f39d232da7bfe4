"""The parts networks are made of: normalisation, padding, upsampling, initialisation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hwan.config import Init, Norm, Padding, Upsampling

# Instance norm without learned scale and shift, as the papers' code; a batch norm's running
# statistics are used when translating.
NORMS: dict[Norm, Callable[[int], nn.Module]] = {
    "instance": nn.InstanceNorm2d,
    "batch": nn.BatchNorm2d,
    "none": lambda channels: nn.Identity(),
}
PADDINGS: dict[Padding, Callable[[int], nn.Module]] = {
    "reflect": nn.ReflectionPad2d,
    "replicate": nn.ReplicationPad2d,
    "zero": nn.ZeroPad2d,
}


def needs_bias(norm: Norm) -> bool:
    """Whether a convolution before this norm keeps its bias.

    Batch norm has one of its own. Instance norm subtracts any bias, so it is idle there too, but
    the reference code keeps it and its checkpoints hold it.
    """
    return norm != "batch"


def padded_conv(
    channels_in: int, channels_out: int, kernel: int, padding: Padding, bias: bool = True
) -> list[nn.Module]:
    """Pad by half the kernel, then convolve: the size stays."""
    conv = nn.Conv2d(channels_in, channels_out, kernel, bias=bias)
    return [PADDINGS[padding](kernel // 2), conv]


def _transposed(
    channels_in: int, channels_out: int, padding: Padding, bias: bool
) -> list[nn.Module]:
    return [nn.ConvTranspose2d(channels_in, channels_out, 3, 2, 1, output_padding=1, bias=bias)]


def _nearest(channels_in: int, channels_out: int, padding: Padding, bias: bool) -> list[nn.Module]:
    return [nn.Upsample(scale_factor=2), *padded_conv(channels_in, channels_out, 3, padding, bias)]


# (channels in, channels out, padding, bias) -> layers that double the size. "transposed" is the
# papers' fractionally-strided convolution; resize-convolution is of Odena et al. 2016, "Deconvolution
# and Checkerboard Artifacts".
UPSAMPLINGS: dict[Upsampling, Callable[[int, int, Padding, bool], list[nn.Module]]] = {
    "transposed": _transposed,
    "nearest": _nearest,
}


def _normal(weight: Tensor, gain: float, seed: torch.Generator) -> None:
    nn.init.normal_(weight, 0.0, gain, generator=seed)


def _kaiming(weight: Tensor, gain: float, seed: torch.Generator) -> None:
    nn.init.kaiming_normal_(weight, generator=seed)
    with torch.no_grad():
        weight.mul_(gain)


# (weight, gain, seed) in place. "normal" is the papers' N(0, gain), which leans on a norm to restore
# the scale; "kaiming" keeps the scale by itself (He et al. 2015, equation 10), times gain.
INITS: dict[Init, Callable[[Tensor, float, torch.Generator], None]] = {
    "normal": _normal,
    "kaiming": _kaiming,
}


def initialise(net: nn.Module, init: Init, gain: float, seed: torch.Generator) -> None:
    """Draw every convolution's weights, in place; biases are 0, batch-norm scales ~ N(1, 0.02) as in
    the reference code (the paper says N(0, 0.02) of all weights, CycleGAN, appendix 7.1)."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            INITS[init](module.weight, gain, seed)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02, generator=seed)
            nn.init.zeros_(module.bias)
