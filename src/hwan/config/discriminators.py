"""The discriminators: their options, and one record for each family. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from hwan.config.networks import Activation, NetworkConfig
from hwan.errors import Count, check_options, require

DiscriminatorName = Literal["patchgan", "pixel", "image", "multiscale", "features"]
Stride = Literal[2, 4, 8, 16, 32]


@dataclass(frozen=True)
class DiscriminatorConfig(NetworkConfig):
    """The network that tells real images from generated ones."""

    name: DiscriminatorName = "patchgan"
    """patchgan: a judgement for every overlapping patch; pixel: for every pixel alone; image: one
    for the whole image; multiscale: patchgans on the image and its halved copies; features: small
    networks on what a frozen classifier of photographs sees."""
    also: tuple[DiscriminatorName, ...] = ()
    """More discriminators beside it, such as patchgan beside features; their losses are averaged."""
    layers: Count = 3
    """Strided layers; 3 gives the papers' 70x70 patch. (pixel has none.)"""
    scales: Count = 3
    """Copies of the image that a multiscale discriminator sees, each half the size of the one before."""
    members: Count = 1
    """Discriminators of each name in an ensemble; their losses are averaged."""
    feature_network: str = "lite0"
    """What a features discriminator sees by: EfficientNet lite0, lite1 or lite2, or a file of weights."""
    feature_strides: tuple[Stride, ...] = (4, 8, 16, 32)
    """The places in it that are looked at, by the pixels to a value there; each has its own small network."""
    feature_filters: Count = 64
    """Width of those small networks; their convolutions are spectrally normalised whatever the norm."""
    padding: Literal["zero", "same"] = "zero"
    """zero: one pixel all around, as the papers' code; same: TensorFlow's, one at the top and left
    and two at the bottom and right where nothing is halved, so that nothing shrinks there."""
    activation: Activation = "leaky"
    """After each norm; leaky is the papers'."""

    def __post_init__(self) -> None:
        check_options("discriminator", self)
        rising = sorted(set(self.feature_strides))
        given, fix = list(self.feature_strides), "give --discriminator.feature_strides 4 8 16 32"
        expected = "some strides, each once and in rising order, for discriminator.feature_strides"
        require(bool(given) and given == rising, expected, given, fix)

    @property
    def names(self) -> tuple[DiscriminatorName, ...]:
        """Every kind of discriminator that it is made of."""
        return (self.name, *self.also)

    @property
    def families(self) -> tuple[DiscriminatorFamily, ...]:
        """The records of those kinds."""
        return tuple(DISCRIMINATOR_FAMILIES[name] for name in self.names)

    @property
    def per_sample(self) -> bool:
        """Whether each image is treated by itself and nothing is counted in a call, so that one call on
        two batches equals two calls."""
        return not (self.norm_record.updates_in_forward or any(f.spectral for f in self.families))

    @property
    def least(self) -> int:
        """The smallest side that it takes, pixels."""
        return max(family.least(self) for family in self.families)

    def normed_side(self, size: int) -> int:
        """Side of the smallest normalised layer at images of side ``size``, pixels."""
        return min(family.normed_side(self, size) for family in self.families)


@dataclass(frozen=True)
class DiscriminatorFamily:
    """All that rules ask about a discriminator's name; ``hwan.nets.discriminators`` builds it."""

    least: Callable[[DiscriminatorConfig], int]
    """The smallest side that it takes, pixels: every norm keeps two each way, every output one."""
    normed_side: Callable[[DiscriminatorConfig, int], int]
    """Side of the smallest normalised layer at images of a side, pixels."""
    options: tuple[str, ...] = ()
    """The options that it reads and some other family does not."""
    first_results: int = 20_000
    """Images of unpaired training at 256 pixels before which outputs are not worth judging: a tenth of the
    CycleGAN paper's schedule, or by what docs/log.md has measured at 96."""
    spectral: bool = False
    """It is normalised spectrally whatever ``norm`` says, so each forward pass moves an estimate."""


def _patch_least(config: DiscriminatorConfig) -> int:
    # The two last convolutions take a pixel each, unless their padding is "same".
    return (3 if config.padding == "zero" else 2) << config.layers


def _patch_side(config: DiscriminatorConfig, size: int) -> int:
    return (size >> config.layers) - (config.padding == "zero")


_OWN = ("filters", "norm")  # of networks that see by nothing but what they learn
DISCRIMINATOR_FAMILIES: dict[DiscriminatorName, DiscriminatorFamily] = {
    "patchgan": DiscriminatorFamily(_patch_least, _patch_side, (*_OWN, "layers", "padding")),
    "pixel": DiscriminatorFamily(lambda c: 2, lambda c, size: size, _OWN),
    "image": DiscriminatorFamily(
        lambda c: 2 * 2**c.layers, lambda c, size: size // 2**c.layers, (*_OWN, "layers", "padding")
    ),
    "multiscale": DiscriminatorFamily(
        lambda c: _patch_least(c) * 2 ** (c.scales - 1),
        lambda c, size: _patch_side(c, size // 2 ** (c.scales - 1)),
        (*_OWN, "layers", "padding", "scales"),
    ),
    "features": DiscriminatorFamily(
        lambda c: max(c.feature_strides),
        lambda c, size: size,
        ("feature_network", "feature_strides", "feature_filters"),
        first_results=5_000,
        spectral=True,
    ),
}
