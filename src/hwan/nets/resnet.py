"""The ResNet generator of Johnson et al. 2016, as CycleGAN uses it (Zhu et al. 2017, appendix 7.2).

No bottleneck in space beyond a quarter of the size, and skips around every block: detail stays, at
the cost of memory. docs/guide/two-forms.md writes the same network with an explicit forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hwan.config import GeneratorConfig
from hwan.config.generators import families
from hwan.errors import require
from hwan.nets.blocks import (
    Blur,
    doubling,
    dropout_layers,
    norm_and_activation,
    padded_conv,
    zero_conv,
)
from hwan.nets.norms import needs_bias, norm_layer


class ResidualBlock(nn.Module):
    """H(x) = x + F(x) (He et al. 2016, equation 1), without a ReLU after the sum, as Johnson et al.

    Keras' example has the same block, under affine instance norm and so without biases. A "plain"
    generator leaves the sum out: H(x) = F(x).
    """

    def __init__(self, channels: int, config: GeneratorConfig) -> None:
        super().__init__()
        self.skip = config.family.skips
        bias = needs_bias(config.norm)
        self.body = nn.Sequential(
            *padded_conv(config, channels, channels, 3, bias),
            *norm_and_activation(config, channels),
            *dropout_layers(config),
            *padded_conv(config, channels, channels, 3, bias),
            norm_layer(config, channels),
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        out: Tensor = self.body(x)
        return x + out if self.skip else out


class Resnet(nn.Sequential):
    """A chain of layers. With ``checkpointing`` the backward pass computes again what is inside a residual
    block, before the first and after the last, instead of keeping it (gradient checkpointing; Chen et al.
    2016, "Training Deep Nets with Sublinear Memory Cost"): less memory, a third more arithmetic."""

    checkpointing = False
    """Whether gradient checkpointing is on."""

    def forward(self, image: Float[Tensor, "b ci h w"]) -> Float[Tensor, "b co h w"]:
        if not (self.checkpointing and torch.is_grad_enabled()):
            for layer in self:
                image = layer(image)
            return image
        for is_block, group in groupby(self, lambda layer: isinstance(layer, ResidualBlock)):
            for part in group if is_block else [nn.Sequential(*group)]:
                # A part that draws nothing needs no random state, which a CUDA graph may not read.
                draws = any(isinstance(layer, nn.Dropout) for layer in part.modules())
                image = checkpoint(part, image, use_reentrant=False, preserve_rng_state=draws)
        return image


class BesideInput(Resnet):
    """A chain of layers whose output is stacked after its input: (B, ci, H, W) to (B, ci + c, H, W)."""

    def forward(self, image: Float[Tensor, "b ci h w"]) -> Float[Tensor, "b co h w"]:
        return torch.cat([image, super().forward(image)], 1)


def resnet(config: GeneratorConfig, channels_in: int, channels_out: int) -> nn.Sequential:
    """stem -> ``downs`` halvings -> ``blocks`` residual blocks -> ``downs`` doublings -> tanh.

    (B, channels_in, H, W) in [-1, 1] to (B, channels_out, H, W) in (-1, 1); H and W are multiples
    of 2**downs. Equal to the reference code's ResnetGenerator, layer by layer; with down "blur", its
    layers up to the last block are those of CUT's code. ``input_skip`` is hwan's own.
    """
    bias, width = needs_bias(config.norm), config.filters
    layers: list[nn.Module] = [
        *padded_conv(config, channels_in, width, config.stem, bias),
        *norm_and_activation(config, width),
    ]
    for _ in range(config.downs):
        # Zeros here whatever config.padding says, as in the reference code: one pixel all around, of
        # which the last row is not reached; Keras' "same" has them at the bottom and right instead.
        blur = config.down == "blur"
        layers += [
            zero_conv(config, width, 2 * width, 3, 1 if blur else 2, bias),
            *norm_and_activation(config, 2 * width),
            *([Blur(2 * width)] if blur else []),
        ]
        width *= 2
    layers += [ResidualBlock(width, config) for _ in range(config.blocks)]
    for _ in range(config.downs):
        layers += doubling(config, width, width // 2, 3, bias)
        width //= 2
        layers += norm_and_activation(config, width)
    if config.input_skip:
        layers, width = [BesideInput(*layers)], channels_in + width
    # The last convolution has a bias in the paper's code and in Keras' example alike.
    layers += [*padded_conv(config, width, channels_out, config.stem), nn.Tanh()]
    return nn.Sequential(*layers) if config.input_skip else Resnet(*layers)


def features(
    net: nn.Module, image: Float[Tensor, "b c h w"], layers: Sequence[int]
) -> list[Tensor]:
    """Outputs (B, C_i, H_i, W_i) of the numbered ``layers`` of a ``resnet``, in the network's order.

    The network runs no further than the last of them. ``contrastive_layers`` has the numbers that
    CUT uses. Raises ``UsageError`` for a network that is no Sequential, and a number it has not.
    """
    fix = f"give generator.name {families(lambda family: family.features)}"
    require(isinstance(net, nn.Sequential), "a generator of type nn.Sequential", type(net), fix)
    first = next(iter(net.children()))
    chain, found = list((first if isinstance(first, BesideInput) else net).children()), []
    known = bool(layers) and all(0 <= i < len(chain) for i in layers)
    wanted = f"numbers of layers from 0 to {len(chain) - 1}"
    require(known, wanted, list(layers), "correct the numbers")
    for i, layer in enumerate(chain[: max(layers) + 1]):
        image = layer(image)
        if i in layers:
            found.append(image.clone())  # the activation after it may work in place
    return found


def contrastive_layers(config: GeneratorConfig) -> tuple[int, ...]:
    """The layers of ``resnet(config)`` whose features CUT compares (Park et al. 2020, appendix C).

    The padded image, each halving's convolution before its norm, the first residual block and the
    middle one (the fifth of nine). In CUT's code, whose halvings blur, these are 0, 4, 8, 12, 16, and
    here too with down "blur"; the strided ResNet-9 has no blur layers, so 0, 4, 7, 10, 14.
    """
    each = 4 if config.down == "blur" else 3
    halvings = [4 + each * i for i in range(config.downs)]
    first = 4 + each * config.downs
    blocks = sorted({first, first + (config.blocks - 1) // 2}) if config.blocks else []
    return (0, *halvings, *blocks)
