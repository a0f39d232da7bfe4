"""PatchGAN (Isola et al. 2017, section 3.2.2): real or fake, patch by patch."""

from __future__ import annotations

from torch import nn

from hwan.config import DiscriminatorConfig
from hwan.nets.blocks import NORMS, needs_bias


def patchgan(config: DiscriminatorConfig, channels: int) -> nn.Sequential:
    """(B, channels, H, W) to one logit a patch, (B, 1, H/2**layers - 2, W/2**layers - 2).

    Three layers see 70x70 patches. No norm on the first layer; widths double up to 8 x filters.
    Equal to the reference code's NLayerDiscriminator.
    """
    norm, bias = NORMS[config.norm], needs_bias(config.norm)
    width = config.filters
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    for i in range(1, config.layers + 1):
        wider = config.filters * min(2**i, 8)
        stride = 2 if i < config.layers else 1
        layers += [
            nn.Conv2d(width, wider, 4, stride, 1, bias=bias),
            norm(wider),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        width = wider
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 4, 1, 1))
