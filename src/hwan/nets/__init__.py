"""Networks by name."""

from __future__ import annotations

from torch import nn

from hwan.config import DiscriminatorConfig, GeneratorConfig
from hwan.nets.discriminators import patchgan
from hwan.nets.resnet import resnet

GENERATORS = {"resnet": resnet}
DISCRIMINATORS = {"patchgan": patchgan}


def build_generator(config: GeneratorConfig, channels_in: int, channels_out: int) -> nn.Module:
    """(B, channels_in, H, W) to (B, channels_out, H, W), both in [-1, 1]."""
    return GENERATORS[config.name](config, channels_in, channels_out)


def build_discriminator(config: DiscriminatorConfig, channels: int) -> nn.Module:
    """(B, channels, H, W) in [-1, 1] to logits (B, 1, h, w)."""
    return DISCRIMINATORS[config.name](config, channels)


def sizes(config: GeneratorConfig) -> tuple[int, int]:
    """(multiple, least): a generator takes sides that are a multiple of the one, from the other up.

    The least side leaves two pixels at the deepest level, which reflection padding by one and
    instance norm both need, and covers the stem's reflection.
    """
    multiple = 2**config.downs
    least = max(2 * multiple, config.stem // 2 + 1)
    return multiple, -(-least // multiple) * multiple
