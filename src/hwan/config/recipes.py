"""Named configurations: functions that return a ``Config``; dotted options then change single values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hwan.config import (
    Config,
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    LossConfig,
    TrainConfig,
)
from hwan.errors import UsageError, nearest


def cyclegan(size: int = 256) -> Config:
    """CycleGAN as in the paper (Zhu et al. 2017): 9 residual blocks from 256 pixels on, 6 below."""
    return Config(
        method="cyclegan",
        data=DataConfig(size=size),
        generator=GeneratorConfig(blocks=9 if size >= 256 else 6),
    )


def small() -> Config:
    """A CycleGAN of 0.27 M parameters a generator at 64 pixels, for a laptop without a GPU."""
    return Config(
        method="cyclegan",
        data=DataConfig(size=64),
        generator=GeneratorConfig(filters=16, blocks=3, stem=5, up="nearest"),
        discriminator=DiscriminatorConfig(filters=16),
        train=TrainConfig(epochs=20, lr=4e-4),
    )


def cyclegan_keras() -> Config:
    """The Keras example (keras.io, generative/cyclegan): its networks, objective and schedule."""
    # Each generator learns only from the half of the cycle it closes, no image is shown again, and
    # the learning rate stays. The convolutions pad as TensorFlow does and the norms learn scales.
    return Config(
        data=DataConfig(fit="stretch"),
        generator=GeneratorConfig(
            norm="instance-affine", norm_eps=1e-3, gamma_mean=0.0, strided_padding="same",
            last_init="glorot",
        ),
        discriminator=DiscriminatorConfig(
            norm="instance-affine", norm_eps=1e-3, gamma_mean=0.0, padding="same"
        ),
        loss=LossConfig(partial_cycle=True),
        train=TrainConfig(epochs=90, pool=0, decay=1.0),
    )  # fmt: skip


def gan() -> Config:
    """One way, no cycle: what keeps a translation to its input is missing. A control."""
    return Config(method="gan", loss=LossConfig(identity=0.0))


def pix2pix(size: int = 256) -> Config:
    """pix2pix as in the paper (Isola et al. 2017), on pairs side by side: U-Net, L1 and GAN."""
    # To one pixel, as the paper. Batch norm with batches of one is instance norm, so translating has
    # to take the statistics of the image too. The paper also drops out when translating.
    downs = (size & -size).bit_length() - 1
    return Config(
        method="pix2pix",
        data=DataConfig(size=size, pairs="sides", fit="stretch"),
        generator=GeneratorConfig(
            name="unet", downs=downs, norm="batch", dropout=0.5 if downs > 5 else 0.0,
            test_batch_statistics=True,
        ),
        discriminator=DiscriminatorConfig(norm="batch"),
        loss=LossConfig(gan="nonsaturating", identity=0.0),
        train=TrainConfig(pool=0),
    )  # fmt: skip


def colourise(size: int = 256) -> Config:
    """Grey to colour: pix2pix that makes its own grey inputs from one folder of colour images."""
    config = pix2pix(size)
    return replace(config, data=replace(config.data, pairs="self", channels_a=1, fit="cover"))


def cut() -> Config:
    """CUT (Park et al. 2020): one way; patches of input and output are matched instead of a cycle."""
    return Config(
        method="cut",
        generator=GeneratorConfig(down="blur", init="xavier"),
        discriminator=DiscriminatorConfig(init="xavier"),
        loss=LossConfig(identity=0.0),
        train=TrainConfig(epochs=400, pool=0),
    )


def fastcut() -> Config:
    """FastCUT: ten times the weight on the patches, mirrored inputs, no identity term."""
    return replace(
        cut(),
        loss=LossConfig(identity=0.0, nce=10.0, nce_identity=False, flip_equivariance=True),
        train=TrainConfig(epochs=200, decay=0.75, pool=0),
    )


def demo_webtoon() -> Config:
    """The demo: photographs to drawings, embedded."""
    # No norm: a drawing keeps the colour of its photograph, and instance norm removes just that
    # from a crop (docs/log.md has both).
    generator = GeneratorConfig(
        filters=16, blocks=3, stem=5, up="nearest", norm="none", init="kaiming", gain=0.7
    )
    return _demo(generator, identity=1.0, epochs=4.0)


def demo_daynight() -> Config:
    """The other demo: procedural landscapes by day to the same by night."""
    return _demo(
        GeneratorConfig(filters=16, blocks=3, stem=5, up="nearest"), identity=0.5, epochs=4.0
    )


def _demo(generator: GeneratorConfig, identity: float, epochs: float) -> Config:
    return Config(
        method="cyclegan",
        data=DataConfig(size=64, resize=64),
        generator=generator,
        discriminator=DiscriminatorConfig(filters=16),
        loss=LossConfig(identity=identity),
        train=TrainConfig(epochs=epochs, lr=4e-4),
    )


SIZED: dict[str, Callable[[int], Config]] = {
    "cyclegan": cyclegan,
    "pix2pix": pix2pix,
    "colourise": colourise,
}
"""Recipes whose networks follow the size of the images."""
RECIPES: dict[str, Callable[[], Config]] = {
    "cyclegan": cyclegan,
    "small": small,
    "cyclegan-keras": cyclegan_keras,
    "gan": gan,
    "pix2pix": pix2pix,
    "colourise": colourise,
    "cut": cut,
    "fastcut": fastcut,
    "demo-webtoon": demo_webtoon,
    "demo-daynight": demo_daynight,
}


def recipe(name: str, size: int | None = None) -> Config:
    """The recipe of this name; ``size`` is for those whose networks follow the size of the images.

    Raises ``UsageError`` with the nearest name for an unknown one.
    """
    if name not in RECIPES:
        raise UsageError("a recipe of hwan's, or a config.json", name, nearest(name, RECIPES))
    if size is None or name not in SIZED:
        return RECIPES[name]()
    DataConfig(size=size)  # its own rule before the networks' rules
    return SIZED[name](size)
