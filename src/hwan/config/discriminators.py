"""The discriminators: their options, and one record for each family. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from hwan.config.networks import Activation, NetworkConfig
from hwan.errors import Count, check_options

DiscriminatorName = Literal["patchgan", "pixel", "image", "multiscale"]


@dataclass(frozen=True)
class DiscriminatorConfig(NetworkConfig):
    """The network that tells real images from generated ones."""

    name: DiscriminatorName = "patchgan"
    """patchgan: a judgement for every overlapping patch; pixel: for every pixel alone; image: one
    for the whole image; multiscale: patchgans on the image and its halved copies."""
    layers: Count = 3
    """Strided layers; 3 gives the papers' 70x70 patch. (pixel has none.)"""
    scales: Count = 3
    """Copies of the image that a multiscale discriminator sees, each half the size of the one before."""
    members: Count = 1
    """Discriminators in an ensemble; their losses are averaged."""
    padding: Literal["zero", "same"] = "zero"
    """zero: one pixel all around, as the papers' code; same: TensorFlow's, one at the top and left
    and two at the bottom and right where nothing is halved, so that nothing shrinks there."""
    activation: Activation = "leaky"
    """After each norm; leaky is the papers'."""

    def __post_init__(self) -> None:
        check_options("discriminator", self)

    @property
    def family(self) -> DiscriminatorFamily:
        """The record of its family."""
        return DISCRIMINATOR_FAMILIES[self.name]

    @property
    def per_sample(self) -> bool:
        """Whether each image is treated by itself and nothing is counted in a call, so that one call on
        two batches equals two calls."""
        return not self.norm_record.updates_in_forward

    def normed_side(self, size: int) -> int:
        """Side of the smallest normalised layer at images of side ``size``, pixels."""
        return self.family.normed_side(self, size)


@dataclass(frozen=True)
class DiscriminatorFamily:
    """All that rules ask about a discriminator's name; ``hwan.nets.discriminators`` builds it."""

    least: Callable[[DiscriminatorConfig], int]
    """The smallest side that it takes, pixels: every norm keeps two each way, every output one."""
    normed_side: Callable[[DiscriminatorConfig, int], int]
    """Side of the smallest normalised layer at images of a side, pixels."""
    options: tuple[str, ...] = ()
    """The options that it reads and some other family does not."""


def _patch_least(config: DiscriminatorConfig) -> int:
    # The two last convolutions take a pixel each, unless their padding is "same".
    return (3 if config.padding == "zero" else 2) << config.layers


def _patch_side(config: DiscriminatorConfig, size: int) -> int:
    return (size >> config.layers) - (config.padding == "zero")


DISCRIMINATOR_FAMILIES: dict[DiscriminatorName, DiscriminatorFamily] = {
    "patchgan": DiscriminatorFamily(_patch_least, _patch_side, ("layers", "padding")),
    "pixel": DiscriminatorFamily(lambda c: 2, lambda c, size: size),
    "image": DiscriminatorFamily(
        lambda c: 2 * 2**c.layers, lambda c, size: size // 2**c.layers, ("layers", "padding")
    ),
    "multiscale": DiscriminatorFamily(
        lambda c: _patch_least(c) * 2 ** (c.scales - 1),
        lambda c, size: _patch_side(c, size // 2 ** (c.scales - 1)),
        ("layers", "padding", "scales"),
    ),
}
