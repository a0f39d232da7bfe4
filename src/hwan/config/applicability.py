"""Options by their dotted names, and which of them nothing reads: giving one is refused, not ignored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from hwan.config import Config
from hwan.errors import UsageError

SCALED = ("instance-affine", "batch", "layer", "group", "whitening")
"""Norms that learn a scale."""
READ: dict[str, tuple[str, Callable[[Config], bool]]] = {
    "loss.cycle_a loss.partial_cycle": ("method cyclegan", lambda c: c.method == "cyclegan"),
    "loss.cycle_b loss.identity": (
        "methods cyclegan and gan", lambda c: c.method in ("cyclegan", "gan"),
    ),
    "loss.adversarial loss.l1": ("method pix2pix", lambda c: c.method == "pix2pix"),
    "loss.nce loss.nce_identity loss.nce_patches loss.flip_equivariance": (
        "method cut", lambda c: c.method == "cut",
    ),
    "loss.gp": ("loss.gan wgan-gp", lambda c: c.loss.gan == "wgan-gp"),
    "generator.blocks generator.stem generator.down": (
        "generator.name resnet and plain", lambda c: not c.generator.is_unet,
    ),
    "generator.padding": (
        "generator.name resnet and plain, and of generator.up nearest, bilinear and shuffle",
        lambda c: not c.generator.is_unet or c.generator.up != "transposed",
    ),
    "generator.groups": ("generator.norm group", lambda c: c.generator.norm == "group"),
    "generator.whitening_channels": ("generator.norm whitening", lambda c: c.generator.norm == "whitening"),
    "generator.norm_eps": (
        "norms of activations", lambda c: c.generator.norm not in ("weight", "spectral", "none"),
    ),
    "generator.gamma_mean generator.gamma_std": (
        "norms that learn a scale", lambda c: c.generator.norm in SCALED,
    ),
    "discriminator.layers": (
        "discriminator.name patchgan, image and multiscale", lambda c: c.discriminator.name != "pixel",
    ),
    "discriminator.scales": (
        "discriminator.name multiscale", lambda c: c.discriminator.name == "multiscale",
    ),
    "discriminator.groups": ("discriminator.norm group", lambda c: c.discriminator.norm == "group"),
    "discriminator.whitening_channels": (
        "discriminator.norm whitening", lambda c: c.discriminator.norm == "whitening",
    ),
    "discriminator.norm_eps": (
        "norms of activations", lambda c: c.discriminator.norm not in ("weight", "spectral", "none"),
    ),
    "discriminator.gamma_mean discriminator.gamma_std": (
        "norms that learn a scale", lambda c: c.discriminator.norm in SCALED,
    ),
}  # fmt: skip
"""By the names of options: what they are of, and whether a configuration reads them."""


def options(config: Config) -> dict[str, str]:
    """Every option by its dotted name."""
    return {
        f"{section}.{key}" if key else section: str(inner)
        for section, value in asdict(config).items()
        for key, inner in (value.items() if isinstance(value, dict) else [("", value)])
    }


def unread(config: Config, base: Config) -> dict[str, str]:
    """The options in which ``config`` differs from ``base`` and which nothing in it reads, with what they
    are of. One that is turned off (0, False) says nothing and is left out."""
    own, before = options(config), options(base)
    return {
        name: of
        for names, (of, reads) in READ.items()
        for name in names.split()
        if not reads(config) and own[name] not in (before[name], "0", "0.0", "False")
    }


def refuse_unread(config: Config, base: Config) -> None:
    """Raise ``UsageError`` for the first option that was given over ``base`` and is read by nothing."""
    for name, of in unread(config, base).items():
        raise UsageError(
            f"{name} is of {of}",
            f"{name} {options(config)[name]}, which nothing here would read",
            "leave it out",
        )
