"""Named configurations: functions that return a ``Config``; dotted options then change single values."""

from __future__ import annotations

from collections.abc import Callable

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
    "demo-webtoon": demo_webtoon,
    "demo-daynight": demo_daynight,
}
