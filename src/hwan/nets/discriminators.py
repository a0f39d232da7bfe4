"""Discriminators: of patches, pixels, whole images, several scales, features, and several at once."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hwan.config import DiscriminatorConfig
from hwan.config.networks import Activation
from hwan.nets.blocks import ACTIVATIONS, norm_and_activation, zero_conv
from hwan.nets.efficientnet_lite import STAGE_OF_STRIDE, load_efficientnet
from hwan.nets.norms import NetConfig, constrain, needs_bias


def patchgan(config: DiscriminatorConfig, channels: int) -> nn.Sequential:
    """(B, channels, H, W) to one logit a patch, (B, 1, H/2**layers - 2, W/2**layers - 2).

    PatchGAN (Isola et al. 2017, section 3.2.2). Three layers see 70x70 patches. No norm on the first
    layer; widths double up to 8 x filters. Equal to the reference code's NLayerDiscriminator. Keras'
    example is the same with padding "same", whose output is (B, 1, H/2**layers, W/2**layers).
    """
    layers, width = _strided(config, channels)
    wider = config.filters * min(2**config.layers, 8)
    last = zero_conv(config, wider, 1, 4, 1, True)
    return nn.Sequential(*layers, *_normed(config, width, wider, 1), last)


def _normed(config: NetConfig, channels_in: int, channels_out: int, stride: int) -> list[nn.Module]:
    """A convolution, its norm and activation."""
    conv = zero_conv(config, channels_in, channels_out, 4, stride, needs_bias(config.norm))
    return [conv, *norm_and_activation(config, channels_out)]


def _strided(config: DiscriminatorConfig, channels: int) -> tuple[list[nn.Module], int]:
    """``config.layers`` halvings, and the width they end in."""
    widths = [config.filters * min(2**i, 8) for i in range(config.layers)]
    first = zero_conv(config, channels, config.filters, 4, 2, True)
    layers = [first, ACTIVATIONS[config.activation]()]
    for width, wider in pairwise(widths):
        layers += _normed(config, width, wider, 2)
    return layers, widths[-1]


def _point(config: NetConfig, channels_in: int, channels_out: int, bias: bool) -> nn.Module:
    return constrain(nn.Conv2d(channels_in, channels_out, 1, bias=bias), config.norm)


def pixel(config: DiscriminatorConfig, channels: int) -> nn.Sequential:
    """(B, channels, H, W) to one logit a pixel, (B, 1, H, W), from that pixel's colour alone.

    Isola et al. 2017, section 4.4; equal to the reference code's PixelDiscriminator, whose last
    convolution has a bias only where the norm needs one.
    """
    width, bias = config.filters, needs_bias(config.norm)
    return nn.Sequential(
        _point(config, channels, width, True),
        ACTIVATIONS[config.activation](),
        _point(config, width, 2 * width, bias),
        *norm_and_activation(config, 2 * width),
        _point(config, 2 * width, 1, bias),
    )


def image(config: DiscriminatorConfig, channels: int) -> nn.Sequential:
    """(B, channels, H, W) to one logit, (B, 1, 1, 1), for any size.

    The halvings of a PatchGAN, the mean over the image, and two 1x1 convolutions: with one, the
    logit would be no more than the mean of patches' logits.
    """
    layers, width = _strided(config, channels)
    return nn.Sequential(
        *layers,
        nn.AdaptiveAvgPool2d(1),
        _point(config, width, width, True),
        ACTIVATIONS[config.activation](),
        _point(config, width, 1, True),
    )


class MultiScale(nn.Module):
    """PatchGANs on the image and its halved copies (Wang et al. 2018, pix2pixHD, section 3.2).

    (B, channels, H, W) to a tuple of ``scales`` logits, the full size first.
    """

    def __init__(self, config: DiscriminatorConfig, channels: int) -> None:
        super().__init__()
        self.networks = nn.ModuleList(patchgan(config, channels) for _ in range(config.scales))
        # Means of 3x3 pixels at every second one, the border's of those there are: as their code.
        self.halve = nn.AvgPool2d(3, 2, 1, count_include_pad=False)

    def forward(self, image: Float[Tensor, "b c h w"]) -> tuple[Tensor, ...]:
        logits = []
        for i, network in enumerate(self.networks):
            image = self.halve(image) if i else image
            logits.append(network(image))
        return tuple(logits)


class Ensemble(nn.Module):
    """Discriminators side by side: (B, channels, H, W) to a tuple of every member's logits.

    Their initial weights differ, so they forget at different times: an alternative to the pool.
    """

    def __init__(self, members: list[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, image: Float[Tensor, "b c h w"]) -> tuple[Tensor, ...]:
        members = [member(image) for member in self.members]
        return tuple(t for own in members for t in (own if isinstance(own, tuple) else [own]))


class FeatureDiscriminator(nn.Module):
    """Small networks on the features of a frozen classifier (Sauer et al. 2021, "Projected GANs").

    (B, condition + channels, H, W) to a tuple of logits (B, 1, ceil(H / s), ceil(W / s)), one for
    each stride s of ``feature_strides``. A judgement by what is seen there (stripes, legs, grass) tells a
    generator more than one by pixels, long before a network from nothing has learned to see. The paper
    mixes features across channels and scales by random convolutions; here each scale is looked at as it is.

    A condition and the image stacked after it are looked at each by itself. Grey is repeated to three
    channels; more than three are shown in threes.
    """

    def __init__(self, config: DiscriminatorConfig, channels: int, condition: int = 0) -> None:
        super().__init__()
        self.channels, self.strides = [condition, channels], config.feature_strides
        # In channels last its depthwise convolutions are faster, by a third on a CPU.
        self.network = load_efficientnet(config.feature_network).to(
            memory_format=torch.channels_last  # type: ignore[call-overload]
        )
        seen = sum(-(-count // 3) for count in self.channels)
        widths = [self.network.channels[STAGE_OF_STRIDE[stride]] for stride in self.strides]
        self.heads = nn.ModuleList(
            _head(seen * width, config.feature_filters, config.activation) for width in widths
        )

    def forward(self, pictures: Float[Tensor, "b c h w"]) -> tuple[Tensor, ...]:
        both = torch.split(pictures, self.channels, 1)
        parts = [part for one in both if one.shape[1] for part in torch.split(one, 3, 1)]
        # The last channel of a picture fills a part up by being shown again.
        shown = [
            torch.cat([part, part[:, -1:].expand(-1, 3 - part.shape[1], -1, -1)], 1)
            for part in parts
        ]
        pixels = torch.cat(shown).contiguous(memory_format=torch.channels_last)
        found = self.network(pixels, self.strides)
        sides = [torch.cat(maps.contiguous().chunk(len(shown)), 1) for maps in found]
        return tuple(head(maps) for head, maps in zip(self.heads, sides, strict=True))


def _head(channels: int, width: int, activation: Activation) -> nn.Sequential:
    """(B, channels, H, W) to logits (B, 1, H, W)."""
    layers: list[nn.Module] = []
    for channels_in, channels_out in ((channels, width), (width, width), (width, 1)):
        layers += [
            constrain(nn.Conv2d(channels_in, channels_out, 3, 1, 1), "spectral"),
            ACTIVATIONS[activation](),
        ]
    return nn.Sequential(*layers[:-1])


DISCRIMINATORS: dict[str, Callable[[DiscriminatorConfig, int, int], nn.Module]] = {
    "patchgan": lambda config, channels, condition: patchgan(config, channels + condition),
    "pixel": lambda config, channels, condition: pixel(config, channels + condition),
    "image": lambda config, channels, condition: image(config, channels + condition),
    "multiscale": lambda config, channels, condition: MultiScale(config, channels + condition),
    "features": FeatureDiscriminator,
}


def build_discriminator(
    config: DiscriminatorConfig, channels: int, condition: int = 0
) -> nn.Module:
    """(B, condition + channels, H, W) in [-1, 1] to logits (B, 1, h, w).

    ``condition``: the channels of an input that is stacked before the image, 0 for none. One discriminator
    of patches, pixels or whole images gives one tensor. "multiscale", "features", and several at once
    give a tuple of tensors of different h and w: a loss is the mean of its values on each of them.
    """
    every = [DISCRIMINATORS[name] for name in config.names for _ in range(config.members)]
    networks = [build(config, channels, condition) for build in every]
    return networks[0] if len(networks) == 1 else Ensemble(networks)
