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
    """The Keras example (keras.io, generative/cyclegan): its network, objective and schedule."""
    # Each generator learns only from the half of the cycle it closes, no image is shown again, the
    # learning rate stays; images are 286x286 squashed, cropped to 256.
    return replace(
        cyclegan(),
        data=DataConfig(fit="stretch"),
        generator=keras_generator(),
        discriminator=keras_discriminator(),
        loss=LossConfig(partial_cycle=True),
        train=TrainConfig(epochs=90, pool=0, decay=1.0),
    )


def gan() -> Config:
    """One way, no cycle: what keeps a translation to its input is missing. A control."""
    return replace(cyclegan(), method="gan", loss=LossConfig(identity=0.0))


def pix2pix(size: int = 256) -> Config:
    """pix2pix as in the paper (Isola et al. 2017), on pairs side by side: U-Net, L1 and GAN."""
    downs = (size & -size).bit_length() - 1  # as often as the size can be halved: to 1x1
    return Config(
        method="pix2pix",
        data=DataConfig(size=size, pairs="sides", fit="stretch"),
        generator=unet_generator(downs),
        discriminator=DiscriminatorConfig(norm="batch"),
        loss=LossConfig(gan="nonsaturating", identity=0.0),
        train=TrainConfig(pool=0),
    )


def colourise(size: int = 256) -> Config:
    """Grey to colour: pix2pix that makes its own grey inputs from one folder of colour images."""
    config = pix2pix(size)
    return replace(config, data=replace(config.data, pairs="self", channels_a=1, fit="cover"))


def cut() -> Config:
    """CUT (Park et al. 2020): one way, contrastive patches instead of a cycle; half the memory."""
    return replace(cyclegan(), method="cut", loss=LossConfig(identity=0.0), train=TrainConfig(pool=0))


def fastcut() -> Config:
    """FastCUT: CUT with ten times the contrastive weight and no identity term; faster, plainer."""
    return replace(cut(), loss=LossConfig(identity=0.0, nce=10.0, nce_identity=False))


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
