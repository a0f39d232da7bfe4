"""Generators, discriminators and their parts, initial weights, and the saved generator folder; fast/ has
CPU kernels. Every room above may import it; it imports config, imaging and runtime alone."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from hwan.config import GeneratorConfig
from hwan.config.data import HINT_CHANNELS
from hwan.nets.discriminators import build_discriminator as build_discriminator
from hwan.nets.hints import WithHints
from hwan.nets.resnet import resnet
from hwan.nets.unet import unet

GENERATORS: dict[str, Callable[[GeneratorConfig, int, int], nn.Module]] = {
    "resnet": resnet,
    "unet": unet,
    "bottleneck": unet,
    "plain": resnet,
}


def build_generator(
    config: GeneratorConfig, channels_in: int, channels_out: int, hints: bool = False
) -> nn.Module:
    """(B, channels_in, H, W) to (B, channels_out, H, W), both in [-1, 1]; ``config.sizes`` says H and W.
    With ``hints`` the input may have the channels of colour hints too (``WithHints``)."""
    if not hints:
        return GENERATORS[config.name](config, channels_in, channels_out)
    net = GENERATORS[config.name](config, channels_in + HINT_CHANNELS, channels_out)
    return WithHints(net, channels_in)
