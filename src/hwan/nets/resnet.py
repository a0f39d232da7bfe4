"""The ResNet generator of Johnson et al. 2016, as CycleGAN uses it (Zhu et al. 2017, appendix 7.2).

No bottleneck in space beyond a quarter of the size, and skips around every block: detail stays, at
the cost of memory.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from hwan.config import GeneratorConfig
from hwan.nets.blocks import NORMS, UPSAMPLINGS, needs_bias, padded_conv


class ResidualBlock(nn.Module):
    """H(x) = x + F(x) (He et al. 2016, equation 1), without a ReLU after the sum, as Johnson et al."""

    def __init__(self, channels: int, config: GeneratorConfig) -> None:
        super().__init__()
        bias = needs_bias(config.norm)
        self.body = nn.Sequential(
            *padded_conv(channels, channels, 3, config.padding, bias),
            NORMS[config.norm](channels),
            nn.ReLU(inplace=True),
            *([nn.Dropout(config.dropout)] if config.dropout else []),
            *padded_conv(channels, channels, 3, config.padding, bias),
            NORMS[config.norm](channels),
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return x + self.body(x)  # type: ignore[no-any-return]


def resnet(config: GeneratorConfig, channels_in: int, channels_out: int) -> nn.Sequential:
    """stem -> ``downs`` halvings -> ``blocks`` residual blocks -> ``downs`` doublings -> tanh.

    (B, channels_in, H, W) in [-1, 1] to (B, channels_out, H, W) in (-1, 1); H and W are multiples
    of 2**downs. Equal to the reference code's ResnetGenerator, layer by layer.
    """
    norm, bias = NORMS[config.norm], needs_bias(config.norm)
    width = config.filters
    layers = [
        *padded_conv(channels_in, width, config.stem, config.padding, bias),
        norm(width),
        nn.ReLU(inplace=True),
    ]
    for _ in range(config.downs):
        # Zero padding here whatever config.padding says, as in the reference code.
        layers += [
            nn.Conv2d(width, 2 * width, 3, 2, 1, bias=bias),
            norm(2 * width),
            nn.ReLU(inplace=True),
        ]
        width *= 2
    layers += [ResidualBlock(width, config) for _ in range(config.blocks)]
    for _ in range(config.downs):
        layers += UPSAMPLINGS[config.up](width, width // 2, config.padding, bias)
        width //= 2
        layers += [norm(width), nn.ReLU(inplace=True)]
    layers += [*padded_conv(width, channels_out, config.stem, config.padding), nn.Tanh()]
    return nn.Sequential(*layers)
