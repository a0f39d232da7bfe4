"""Networks by name: generators, discriminators, norms, and the saved generator folder.

Every room above may import it; it imports config, imaging and runtime, and no data or methods.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from hwan.config import DiscriminatorConfig, GeneratorConfig
from hwan.nets.discriminators import ensemble
from hwan.nets.resnet import resnet
from hwan.nets.unet import unet

GENERATORS: dict[str, Callable[[GeneratorConfig, int, int], nn.Module]] = {
    "resnet": resnet,
    "unet": unet,
    "bottleneck": unet,
    "plain": resnet,
}


def build_generator(config: GeneratorConfig, channels_in: int, channels_out: int) -> nn.Module:
    """(B, channels_in, H, W) to (B, channels_out, H, W), both in [-1, 1]; see ``sizes``."""
    return GENERATORS[config.name](config, channels_in, channels_out)


def build_discriminator(config: DiscriminatorConfig, channels: int) -> nn.Module:
    """(B, channels, H, W) in [-1, 1] to logits (B, 1, h, w).

    One discriminator gives one tensor. "multiscale", and any with ``members`` above 1, give a tuple
    of tensors of different h and w: a loss is the mean of its values on each of them.
    """
    return ensemble(config, channels)


def sizes(config: GeneratorConfig) -> tuple[int, int]:
    """(multiple, least): a generator takes sides that are a multiple of the one, from the other up."""
    return config.sizes
