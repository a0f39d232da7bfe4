"""The networks' options: ``GeneratorConfig`` and ``DiscriminatorConfig``. Imports no torch.

docs/guide/networks.md says when each is of use.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from hwan.errors import at_least, require

Norm = Literal[
    "instance",
    "instance-affine",
    "batch",
    "layer",
    "group",
    "whitening",
    "weight",
    "spectral",
    "none",
]
BATCH_DEPENDENT_NORMS = ("batch", "whitening", "spectral")
"""Norms that tie images of a batch, or whose estimate moves with every call."""
Padding = Literal["reflect", "replicate", "zero", "circular"]
Upsampling = Literal["transposed", "nearest", "bilinear", "shuffle"]
Activation = Literal["relu", "leaky", "elu", "gelu", "silu", "tanh", "sigmoid"]
Init = Literal["normal", "truncated", "xavier", "kaiming", "orthogonal"]


def _check_common(section: str, config: GeneratorConfig | DiscriminatorConfig) -> None:
    at_least(section, config, filters=1, gain=0, groups=1, whitening_channels=1, gamma_std=0)
    require(
        math.isfinite(config.gamma_mean),
        f"{section}.gamma_mean is finite",
        config.gamma_mean,
        "give 1, say",
    )
    require(
        config.norm_eps > 0, f"{section}.norm_eps is above 0", config.norm_eps, "give 1e-5, say"
    )


@dataclass(frozen=True)
class GeneratorConfig:
    """The network that translates. Defaults: the CycleGAN paper's for 256x256 (appendix 7.2)."""

    name: Literal["resnet", "unet", "bottleneck", "plain"] = "resnet"
    """resnet: residual blocks between the halvings and the doublings; unet: pix2pix's, with a skip
    from each halving to its doubling; bottleneck: the same without the skips; plain: the resnet
    without its residual sums."""
    filters: int = 64
    """Width of the first layer."""
    blocks: int = 9
    """Residual blocks of a resnet: 9 at 256x256, 6 at 128x128 in the paper."""
    downs: int = 2
    """Halvings, and doublings after. A U-Net takes many: 8 bring 256 pixels to one."""
    stem: int = 7
    """Kernel of a resnet's first and last convolution, odd."""
    norm: Norm = "instance"
    """Normalisation after each convolution but the last; weight and spectral normalise every
    convolution's weights instead."""
    groups: int = 32
    """Groups of channels under norm group: this many, or the next fewer that divide the channels."""
    whitening_channels: int = 16
    """Channels whitened together under norm whitening: this many, or the next fewer that divide."""
    norm_eps: float = 1e-5
    """What norms add to a variance (Keras' example: 1e-3)."""
    padding: Padding = "reflect"
    """What surrounds an image at a convolution's border, everywhere but at the halvings (zero)."""
    strided_padding: Literal["symmetric", "same"] = "symmetric"
    """The zeros at halvings and transposed doublings: symmetric as in PyTorch, or TensorFlow's
    "same", which puts the odd one at the bottom and right."""
    down: Literal["strided", "blur"] = "strided"
    """A resnet's halvings. strided: convolve by steps of two; blur: convolve, then blur and halve,
    as CUT's code."""
    up: Upsampling = "transposed"
    """transposed: the papers' fractionally-strided convolution; nearest, bilinear: resize, then
    convolve, which makes no checkerboard; shuffle: four times the channels become twice the size."""
    activation: Activation = "relu"
    """After each norm. relu is the papers' (with leaky in a U-Net's halvings); any other is used
    everywhere but at the output."""
    dropout: float = 0.0
    """Probability of dropping a value while training: inside residual blocks, or in a U-Net's
    deepest doublings."""
    test_dropout: bool = False
    """Go on dropping when translating, as pix2pix: its only source of variety."""
    test_batch_statistics: bool = False
    """Norms batch and whitening always use the batch's own statistics, also when translating, as
    pix2pix; no running statistics are kept."""
    init: Init = "normal"
    """normal: weights of N(0, gain), as the papers; truncated: the same, none beyond two gains;
    xavier, kaiming, orthogonal: scaled by each layer's width, times gain."""
    gain: float = 0.02
    """Scale of the initial weights; 1 suits all but normal and truncated."""
    last_init: Literal["same", "glorot"] = "same"
    """The last convolution's weights. same: as all others; glorot: uniform after Glorot, which
    Keras' example leaves there."""
    gamma_mean: float = 1.0
    """Mean of the initial scales of norms that learn one (Keras' example: 0)."""
    gamma_std: float = 0.02
    """Standard deviation of those scales."""

    def __post_init__(self) -> None:
        at_least("generator", self, blocks=0, downs=2 * self.is_unet, dropout=0)
        _check_common("generator", self)
        require(
            self.stem % 2 == 1 and self.stem > 0,
            "generator.stem is an odd kernel size",
            self.stem,
            "give 3, 5 or 7",
        )
        require(
            self.dropout < 1,
            "generator.dropout is a probability below 1",
            self.dropout,
            "give 0 (off) to 0.9",
        )
        require(
            not (self.is_unet and self.dropout) or self.downs > 5,
            "a U-Net drops out where it doubles without narrowing: from 6 generator.downs on",
            f"downs {self.downs}, dropout {self.dropout}",
            "give --generator.downs 6 or more, or --generator.dropout 0",
        )
        require(
            not self.test_dropout or self.dropout > 0,
            "generator.test_dropout needs generator.dropout",
            self.dropout,
            "give --generator.dropout 0.5",
        )
        require(
            not self.test_batch_statistics or self.norm in ("batch", "whitening"),
            "generator.test_batch_statistics is for norm batch or whitening",
            self.norm,
            "give --generator.no-test-batch-statistics: other norms translate as they train",
        )

    @property
    def per_sample(self) -> bool:
        """Whether each image is treated by itself and nothing is drawn or counted in a call, so that
        one call on two batches equals two calls."""
        return self.norm not in BATCH_DEPENDENT_NORMS and not self.dropout

    @property
    def is_unet(self) -> bool:
        """Whether this is a U-Net, with skips or without."""
        return self.name in ("unet", "bottleneck")

    @property
    def sizes(self) -> tuple[int, int]:
        """(multiple, least): images have sides that are a multiple of the one, from the other up.

        A U-Net goes down to one pixel, where it has no norm; only pixel shuffle pads there, and
        reflection needs a second pixel. A resnet's least side leaves two pixels at the deepest
        level, which reflection padding by one and instance norm both need, and covers the stem's
        reflection.
        """
        multiple: int = 2**self.downs
        if self.is_unet:
            reflects = self.up == "shuffle" and self.padding == "reflect"
            return multiple, 2 * multiple if reflects else multiple
        least = max(2 * multiple, self.stem // 2 + 1)
        return multiple, -(-least // multiple) * multiple

    def normed_side(self, size: int) -> int:
        """Side of the smallest normalised layer at images of side ``size``, pixels."""
        side: int = size // 2 ** (self.downs - self.is_unet)
        return side


@dataclass(frozen=True)
class DiscriminatorConfig:
    """The network that judges real or fake."""

    name: Literal["patchgan", "pixel", "image", "multiscale"] = "patchgan"
    """patchgan: a judgement for every overlapping patch; pixel: for every pixel alone; image: one
    for the whole image; multiscale: patchgans on the image and its halved copies."""
    filters: int = 64
    """Width of the first layer."""
    layers: int = 3
    """Strided layers; 3 gives the papers' 70x70 patch. (pixel has none.)"""
    scales: int = 3
    """Copies a multiscale discriminator judges, each half the size of the one before."""
    members: int = 1
    """Discriminators that judge side by side, their losses averaged: an ensemble."""
    norm: Norm = "instance"
    """Normalisation after each convolution but the first and the last; weight and spectral
    normalise every convolution's weights instead."""
    groups: int = 32
    """Groups of channels under norm group: this many, or the next fewer that divide the channels."""
    whitening_channels: int = 16
    """Channels whitened together under norm whitening: this many, or the next fewer that divide."""
    norm_eps: float = 1e-5
    """What norms add to a variance (Keras' example: 1e-3)."""
    padding: Literal["zero", "same"] = "zero"
    """zero: one pixel all around, as the papers' code; same: TensorFlow's, one at the top and left
    and two at the bottom and right where nothing is halved, so that nothing shrinks there."""
    activation: Activation = "leaky"
    """After each norm; leaky is the papers'."""
    init: Init = "normal"
    """normal: weights of N(0, gain), as the papers; truncated: the same, none beyond two gains;
    xavier, kaiming, orthogonal: scaled by each layer's width, times gain."""
    gain: float = 0.02
    """Scale of the initial weights; 1 suits all but normal and truncated."""
    gamma_mean: float = 1.0
    """Mean of the initial scales of norms that learn one (Keras' example: 0)."""
    gamma_std: float = 0.02
    """Standard deviation of those scales."""

    def __post_init__(self) -> None:
        at_least("discriminator", self, layers=1, scales=1, members=1)
        _check_common("discriminator", self)

    @property
    def per_sample(self) -> bool:
        """Whether each image is judged by itself and nothing is counted in a call, so that one call on
        two batches equals two calls."""
        return self.norm not in BATCH_DEPENDENT_NORMS

    @property
    def least(self) -> int:
        """The smallest side it judges: every norm keeps two pixels each way, every output one.

        A PatchGAN's two last convolutions take a pixel each, unless their padding is "same".
        """
        if self.name == "pixel":
            return 2
        shrinks = self.padding == "zero" and self.name != "image"
        patch: int = (3 if shrinks else 2) * 2**self.layers
        return patch * 2 ** (self.scales - 1) if self.name == "multiscale" else patch

    def normed_side(self, size: int) -> int:
        """Side of the smallest normalised layer at images of side ``size``, pixels."""
        if self.name == "pixel":
            return size
        if self.name == "multiscale":
            size //= 2 ** (self.scales - 1)
        shrinks = self.padding == "zero" and self.name != "image"
        side: int = size // 2**self.layers - shrinks
        return side
