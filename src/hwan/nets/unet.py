"""The U-Net generator of pix2pix (Isola et al. 2017, section 3.2.1 and appendix 6.1.1).

Halvings down to a pixel or a few, and a skip from each to its doubling: edges pass around the
bottleneck. Without the skips it is the encoder-decoder that the paper compares it with.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hwan.config import GeneratorConfig
from hwan.errors import UsageError
from hwan.nets.blocks import ACTIVATIONS, doubling, dropout_layers, zero_conv
from hwan.nets.norms import needs_bias, norm_layer


class Level(nn.Module):
    """One halving, what is inside, one doubling: (B, C, H, W) to (B, C', H, W).

    With ``skip`` the input is stacked before the output: (B, C + C', H, W).
    """

    def __init__(
        self, down: list[nn.Module], inner: nn.Module, up: list[nn.Module], skip: bool
    ) -> None:
        super().__init__()
        self.down, self.inner, self.up = nn.Sequential(*down), inner, nn.Sequential(*up)
        self.skip = skip

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        out: Tensor = self.up(self.inner(self.down(x)))
        return torch.cat([x, out], 1) if self.skip else out


class UNet(nn.Module):
    """The levels, from the outermost, and tanh: (B, ci, H, W) in [-1, 1] to (B, co, H, W) in (-1, 1)."""

    def __init__(self, levels: Level, multiple: int) -> None:
        super().__init__()
        self.levels, self.multiple = levels, multiple

    def forward(self, image: Float[Tensor, "b ci h w"]) -> Float[Tensor, "b co h w"]:
        sides = image.shape[2:]
        # While exporting, sides are symbols, which a comparison would fix to one value.
        if not torch.compiler.is_compiling() and any(side % self.multiple for side in sides):
            wanted = f"sides that are multiples of {self.multiple}, for this U-Net"
            raise UsageError(wanted, tuple(sides), "use a Translator, which pads and crops back")
        return torch.tanh(self.levels(image))


def unet(config: GeneratorConfig, channels_in: int, channels_out: int) -> UNet:
    """``downs`` levels one inside the other, with widths that double up to 8 x filters.

    No norm at the outermost halving, nor at the innermost, where there may be one pixel; the output
    has none either. Equal to the reference code's UnetGenerator. Convolutions are padded with zeros
    at the halvings and transposed doublings; ``padding`` serves the other doublings.
    """
    bias, skip = needs_bias(config.norm), config.family.skips
    widths = [config.filters * min(2**i, 8) for i in range(config.downs)]
    inner: nn.Module = nn.Identity()
    for i in range(config.downs - 1, -1, -1):
        outermost, innermost = i == 0, i == config.downs - 1
        outer = channels_in if outermost else widths[i - 1]
        down = [
            # Not in place: the skip shows the input as it is. (The reference code's does work in
            # place, which changes nothing there: the ReLU after the skip cuts the rest off.)
            *([] if outermost else [_leaky(config)]),
            zero_conv(config, outer, widths[i], 4, 2, bias),
            *([] if outermost or innermost else [norm_layer(config, widths[i])]),
        ]
        width = widths[i] if innermost or not skip else 2 * widths[i]
        out = channels_out if outermost else outer
        up = [
            ACTIVATIONS[config.activation](),
            *doubling(config, width, out, 4, bias or outermost),
            *([] if outermost else [norm_layer(config, out)]),
            # The paper's decoder drops out in its first three blocks (CD512, appendix 6.1.1); the
            # reference code in the ones that keep 8 x filters, but the innermost: three of 8 downs.
            *(dropout_layers(config) if not innermost and i >= 4 else []),
        ]
        inner = Level(down, inner, up, skip and not outermost)
    assert isinstance(inner, Level)
    return UNet(inner, 2**config.downs)


def _leaky(config: GeneratorConfig) -> nn.Module:
    """The halvings' activation: the papers' leaky ReLU beside ReLU, else the one everywhere."""
    if config.activation in ("relu", "leaky"):
        return nn.LeakyReLU(0.2)
    return ACTIVATIONS[config.activation]()
