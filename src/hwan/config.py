"""Every section's frozen dataclass, its rules, and load / save. Imports no torch: help stays light.

A value that breaks a rule raises ``UsageError`` when the dataclass is made, so the command line,
a config file and Python code all meet the same check.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from hwan.errors import UsageError, nearest
from hwan.errors import at_least as _at_least
from hwan.errors import rule as _rule
from hwan.netconfig import DiscriminatorConfig as DiscriminatorConfig
from hwan.netconfig import GeneratorConfig as GeneratorConfig

C = TypeVar("C")
Precision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class DataConfig:
    """How images become training crops."""

    size: int = 256
    """Side of the square training crop, pixels."""
    resize: int = 0
    """Side images are resized to, once, before the random crop, pixels; 0: 286/256 of the size, the
    papers' ratio."""
    fit: Literal["cover", "stretch"] = "cover"
    """cover: the shorter side is resized and the shape kept; stretch: squashed to a square, as the
    reference code does. The same for square images."""
    flip: bool = True
    """Mirror left and right at random, drawn anew each time an image is seen."""
    channels_a: int = 3
    """Channels of domain A: 1 (grey) or 3 (colour)."""
    channels_b: int = 3
    """Channels of domain B: 1 (grey) or 3 (colour)."""
    strict: bool = False
    """Fail on the first broken image file, instead of skipping and counting it."""

    def __post_init__(self) -> None:
        _at_least("data", self, size=8, resize=0)
        _rule(
            self.resize == 0 or self.resize >= self.size,
            "data.resize is at least data.size",
            f"resize {self.resize}, size {self.size}",
            f"give --data.resize {self.size} or more, or 0 for the papers' ratio",
        )
        for name in ("channels_a", "channels_b"):
            value = vars(self)[name]
            _rule(value in (1, 3), f"data.{name} is 1 (grey) or 3 (colour)", value, "give 1 or 3")

    @property
    def resized(self) -> int:
        """The side images are resized to, pixels."""
        return self.resize or round(self.size * 286 / 256)


@dataclass(frozen=True)
class LossConfig:
    """Weights of the objective. Defaults: the CycleGAN paper's (section 4, 5.2)."""

    gan: Literal["lsgan"] = "lsgan"
    """The adversarial objective: least squares."""
    cycle_a: float = 10.0
    """Weight of the forward cycle, A to B and back to A."""
    cycle_b: float = 10.0
    """Weight of the backward cycle, B to A and back to B."""
    identity: float = 0.5
    """Weight of the identity loss, as a share of that domain's cycle weight; 0 leaves it out."""

    def __post_init__(self) -> None:
        _at_least("loss", self, cycle_a=0, cycle_b=0, identity=0)


@dataclass(frozen=True)
class TrainConfig:
    """The optimisation. Progress is counted in images seen: pairs of one image of A and one of B."""

    epochs: float = 200.0
    """Length of the training; an epoch is the larger domain once. Fractions are fine."""
    batch: int = 1
    """Images of each domain in one forward pass."""
    accumulate: int = 1
    """Batches whose gradients are summed before a step: the memory of one, the step of many."""
    lr: float = 2e-4
    """Learning rate of Adam."""
    beta1: float = 0.5
    """Adam's decay of the mean gradient."""
    beta2: float = 0.999
    """Adam's decay of the squared gradient."""
    decay: float = 0.5
    """Share of the training after which the learning rate falls linearly to 0 (1: never)."""
    pool: int = 50
    """Generated images kept to show the discriminators again; 0 shows only fresh ones."""
    ema: float = 0.0
    """Half-life, in images seen, of the averaged generators that are saved; 0 turns averaging off."""
    precision: Precision = "auto"
    """auto: bf16 on a GPU that has it, fp16 with loss scaling on one that has not, fp32 on a CPU."""
    seed: int = 0
    """Of everything random: weights, order, crops, pool."""
    ticks: int = 20
    """How many times in a training samples are drawn and the state is saved."""

    def __post_init__(self) -> None:
        _at_least("train", self, batch=1, accumulate=1, pool=0, ema=0, ticks=1, seed=0)
        _rule(
            0 < self.epochs < float("inf"), "train.epochs is above 0", self.epochs, "give 0.5, say"
        )
        _rule(0 < self.lr < 1, "train.lr is between 0 and 1", self.lr, "give 2e-4, say")
        for name in ("beta1", "beta2"):
            value = vars(self)[name]
            _rule(0 <= value < 1, f"train.{name} is at least 0 and below 1", value, "give 0.5, say")
        _rule(
            0 <= self.decay <= 1,
            "train.decay is a share from 0 to 1",
            self.decay,
            "give 0.5, the papers' schedule, or 1 for no decay",
        )


@dataclass(frozen=True)
class Config:
    """All of one training: what a recipe returns and a run folder keeps as config.json."""

    method: Literal["cyclegan"] = "cyclegan"
    """Networks and objective."""
    data: DataConfig = field(default_factory=DataConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        self._sizes()
        a, b = self.data.channels_a, self.data.channels_b
        _rule(
            a == b or self.loss.identity == 0,
            "the identity loss needs as many channels in A as in B",
            f"A {a}, B {b}",
            "give --loss.identity 0",
        )

    def _sizes(self) -> None:
        """The networks can take crops of this size."""
        size, multiple = self.data.size, self.generator.sizes[0]
        _rule(
            size % multiple == 0,
            f"data.size is a multiple of {multiple} (generator.downs {self.generator.downs})",
            size,
            f"give {max(8, self.generator.sizes[1], round(size / multiple) * multiple)}",
        )
        least = self.generator.sizes[1]
        _rule(
            size >= least,
            f"a {self.generator.name} with generator.downs {self.generator.downs} and generator.stem "
            f"{self.generator.stem} needs data.size of at least {least}",
            size,
            f"give --data.size {least}",
        )
        least = self.discriminator.least
        _rule(
            size >= least,
            f"a {self.discriminator.name} discriminator of {self.discriminator.layers} layers needs "
            f"data.size of at least {least}",
            size,
            f"give a larger size or --discriminator.layers {self.discriminator.layers - 1}",
        )
        for section, net in (("generator", self.generator), ("discriminator", self.discriminator)):
            samples = self.train.batch * net.normed_side(size) ** 2
            _rule(
                net.norm != "whitening" or samples > net.whitened,
                f"whitening {net.whitened} channels needs more than {net.whitened} pixels in a "
                f"batch, and the {section}'s smallest normalised layer has {samples}",
                f"data.size {size}, train.batch {self.train.batch}",
                f"give a larger size or batch, or --{section}.whitened {max(1, samples - 1)}",
            )


def to_dict(config: Any) -> dict[str, Any]:
    """A dataclass as plain JSON values."""
    return dataclasses.asdict(config)


def from_dict(cls: type[C], values: Any, where: str) -> C:
    """A dataclass from plain JSON values, every name and type checked.

    ``where`` names the source in errors. Raises ``UsageError`` with the nearest right name for a
    wrong key, and the rule for a wrong value.
    """
    from pydantic import TypeAdapter, ValidationError

    _check_keys(cls, values, where, "")
    try:
        return TypeAdapter(cls).validate_python(values, strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"{where}: {key}: {first['msg']}", first["input"], "correct the value"
        ) from error


def _check_keys(cls: Any, values: Any, where: str, prefix: str) -> None:
    known = {f.name: f for f in dataclasses.fields(cls)}
    if not isinstance(values, dict):
        raise UsageError(f"{where}: {prefix or 'the file'} is a JSON object", values, "see docs")
    for key, value in values.items():
        if key not in known:
            raise UsageError(
                f"{where}: every key is an option's name",
                prefix + str(key),
                nearest(str(key), known),
            )
        default = known[key].default_factory
        if dataclasses.is_dataclass(default):
            _check_keys(default, value, where, f"{prefix}{key}.")


def save(config: Config, path: Path) -> None:
    """Write ``config`` as JSON."""
    path.write_text(json.dumps(to_dict(config), indent=2) + "\n", encoding="utf-8")


def load(path: Path) -> Config:
    """Read what ``save`` wrote. Raises ``UsageError`` if it is missing, not JSON, or breaks a rule."""
    return from_dict(Config, read_json(path), str(path))


def read_json(path: Path) -> Any:
    """The JSON in ``path``. Raises ``UsageError`` if it is missing or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path} is there", "no such file", "check the folder's name") from None
    except OSError as error:  # a folder of that name, a file in place of a folder, no permission
        raise UsageError(f"{path} is a readable file", error.strerror, "check the path") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is JSON", error, "restore the file") from error
