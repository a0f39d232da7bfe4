"""Normalisation by name: layers after a convolution, or a change of its weights."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.functional import group_norm, instance_norm
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from hwan.config import DiscriminatorConfig, GeneratorConfig
from hwan.config.networks import NORM_RECORDS, Norm
from hwan.nets.whitening import Whitening2d

NetConfig = GeneratorConfig | DiscriminatorConfig


def divisor(channels: int, most: int) -> int:
    """The largest divisor of ``channels`` that is at most ``most``."""
    return next(n for n in range(min(channels, most), 0, -1) if channels % n == 0)


def running(config: NetConfig) -> bool:
    """Whether batch statistics are averaged for translating (else a batch's own are used there too)."""
    return not (isinstance(config, GeneratorConfig) and config.test_batch_statistics)


class InstanceNorm2d(nn.InstanceNorm2d):
    """Each channel of each image to mean 0 and variance 1. With ``fast``, by a group norm whose groups are
    single channels, which torch computes in half the time on a CPU."""

    fast = False

    def forward(self, input: Tensor) -> Tensor:
        if self.fast:
            return group_norm(input, self.num_features, self.weight, self.bias, self.eps)
        if self.training:
            # The same, with the pixels in a row: for a single image in channels last, torch 2.13 computes
            # a wrong second derivative of this norm, by which r1 and wgan-gp train.
            flat = instance_norm(input.flatten(2), weight=self.weight, bias=self.bias, eps=self.eps)
            return flat.view_as(input)
        return super().forward(input)


# The layer after a convolution. "instance" has no learned scale and shift, as the papers' code; the
# CycleGAN paper does not say, and Keras' example learns both ("instance-affine"). "layer" is over (C, H, W)
# of one image, with a scale and shift for each channel; a transformer's layer norm is over the channels of
# one token (here: one pixel), with a scale for each element. Where there is no layer, an identity keeps a
# Sequential's indices the same for every norm.
NORMS: dict[Norm, Callable[[NetConfig, int, float], nn.Module]] = {
    "instance": lambda config, channels, eps: InstanceNorm2d(channels, eps),
    "instance-affine": lambda config, channels, eps: InstanceNorm2d(channels, eps, affine=True),
    "batch": lambda config, channels, eps: nn.BatchNorm2d(
        channels, eps, track_running_stats=running(config)
    ),
    "layer": lambda config, channels, eps: nn.GroupNorm(1, channels, eps),
    "group": lambda config, channels, eps: nn.GroupNorm(
        divisor(channels, config.groups), channels, eps
    ),
    "whitening": lambda config, channels, eps: Whitening2d(
        channels, divisor(channels, config.whitening_channels), eps, running(config)
    ),
    "weight": lambda config, channels, eps: nn.Identity(),
    "spectral": lambda config, channels, eps: nn.Identity(),
    "none": lambda config, channels, eps: nn.Identity(),
}


def norm_layer(config: NetConfig, channels: int) -> nn.Module:
    """(B, channels, H, W) to the same, normalised as ``config.norm`` says."""
    return NORMS[config.norm](config, channels, config.norm_eps)


def needs_bias(norm: Norm) -> bool:
    """Whether a convolution before this norm keeps its bias.

    Norms that subtract each channel's mean and then add a learned shift make it idle. Instance norm
    without the shift subtracts any bias too, but the reference code keeps it there and its
    checkpoints hold it. Layer and group norm subtract one mean from several channels, between which
    biases still tell.
    """
    return not NORM_RECORDS[norm].absorbs_bias


def constrain(conv: nn.Conv2d | nn.ConvTranspose2d, norm: Norm) -> nn.Module:
    """The convolution itself, under norms weight and spectral with its weights renormalised.

    weight: each output channel's kernel is g v / |v| (Salimans and Kingma 2016, equation 2), without
    their start from data. spectral: the weights as a matrix (out, in * k * k) divided by the
    largest singular value, followed by one power iteration a forward pass while training (Miyato et
    al. 2018, equation 8 and algorithm 1); of that matrix, not of the convolution as an operator.
    """
    if norm == "weight":
        # A transposed convolution keeps its output channels second.
        normed: nn.Module = weight_norm(conv, dim=1 if isinstance(conv, nn.ConvTranspose2d) else 0)
        return normed
    if norm == "spectral":
        return spectral_norm(conv)
    return conv
