"""Named configurations: functions that return a ``Config``; dotted options then change single values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from inspect import signature
from typing import Any

from hwan.config.config import Config
from hwan.config.data import DataConfig
from hwan.config.discriminators import DiscriminatorConfig
from hwan.config.generators import GeneratorConfig
from hwan.config.methods import METHOD_RECORDS, LossConfig
from hwan.config.train import TrainConfig
from hwan.errors import nearest, require


def cyclegan(size: int = 256) -> Config:
    """CycleGAN as in the paper (Zhu et al. 2017): 9 residual blocks from 256 pixels on, 6 below."""
    generator = GeneratorConfig(blocks=9 if size >= 256 else 6)
    return Config(data=DataConfig(size=size), generator=generator)


def small() -> Config:
    """A CycleGAN of 0.27 M parameters a generator at 64 pixels, for a laptop without a GPU."""
    return Config(
        data=DataConfig(size=64),
        generator=GeneratorConfig(filters=16, blocks=3, stem=5, up="nearest"),
        discriminator=DiscriminatorConfig(filters=16),
        train=TrainConfig(epochs=20, lr=4e-4),
    )


def quick() -> Config:
    """A small CycleGAN that sees by a classifier of photographs: pictures in minutes, without a GPU."""
    # Chosen by trials on a held-out part of horse2zebra's training images (docs/log.md).
    return Config(
        data=DataConfig(size=96),
        generator=GeneratorConfig(filters=24, blocks=4, up="nearest", input_skip=True),
        discriminator=DiscriminatorConfig(name="features"),
        loss=LossConfig(
            gan="hinge", diffaugment=("colour", "translation", "cutout"),
            cycle_a=5.0, cycle_b=5.0, identity=1.0,
        ),
        train=TrainConfig(epochs=4, ema=500),
    )  # fmt: skip


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
    loss = LossConfig(identity=0.0, nce=10.0, nce_identity=False, flip_equivariance=True)
    return replace(cut(), loss=loss, train=TrainConfig(epochs=200, decay=0.75, pool=0))


def dcl() -> Config:
    """DCLGAN (Han et al. 2021): both ways, by matching patches as CUT in place of a cycle."""
    loss, train = LossConfig(identity=1.0, nce=2.0), TrainConfig(epochs=400, pool=0, lr=1e-4)
    return replace(cut(), method="dcl", loss=loss, train=train)


def demo_daynight() -> Config:
    """The other demo: procedural landscapes by day to the same by night."""
    data, train = DataConfig(size=64, resize=64), TrainConfig(epochs=4.0, lr=4e-4)
    return replace(small(), data=data, train=train)


def demo_webtoon() -> Config:
    """The demo: photographs to drawings, embedded."""
    # No norm: a drawing keeps the colour of its photograph, and instance norm removes just that
    # from a crop (docs/log.md has both).
    config = demo_daynight()
    generator = replace(config.generator, norm="none", init="kaiming", gain=0.7)
    return replace(config, generator=generator, loss=LossConfig(identity=1.0))


def _default(method: Any) -> Callable[[], Config]:
    def recipe() -> Config:
        """A method with the default options."""
        return Config(method=method, data=DataConfig(pairs=METHOD_RECORDS[method].pairings[0]))

    return recipe


_TWO_WAY = cyclegan, quick, small, cyclegan_keras, dcl
_ONE_WAY = gan, pix2pix, colourise, cut, fastcut
_EVERY: tuple[Callable[[], Config], ...] = (*_TWO_WAY, *_ONE_WAY, demo_webtoon, demo_daynight)
RECIPES = {make.__name__.replace("_", "-"): make for make in _EVERY}
"""Every recipe by its name; a method without a recipe has one of its own name, with the default options."""
RECIPES |= {name: _default(name) for name, record in METHOD_RECORDS.items() if not record.recipes}
SIZED = tuple(name for name, make in RECIPES.items() if "size" in signature(make).parameters)
"""The recipes whose networks follow the size of the images."""


def recipe(name: str, size: int | None = None) -> Config:
    """The recipe ``name``, for crops of ``size`` pixels where that is given.

    Those in ``SIZED`` make networks that suit the size; of the others only data.size changes (and
    data.resize by the same factor). Raises ``UsageError`` for an unknown name, with the nearest one, and
    for a size that the networks cannot take.
    """
    require(name in RECIPES, "the name of a recipe", name, nearest(name, RECIPES))
    if size is None:
        return RECIPES[name]()
    if name in SIZED:
        return RECIPES[name](size=size)  # type: ignore[call-arg]  # which SIZED is of
    config = RECIPES[name]()
    resize = round(config.data.resize * size / config.data.size)
    return replace(config, data=replace(config.data, size=size, resize=resize))
