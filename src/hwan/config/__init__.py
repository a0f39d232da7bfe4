"""Every section's frozen dataclass, its rules, and load / save. Imports no torch: help stays light.

A value that breaks a rule raises ``UsageError`` when the dataclass is made, so the command line,
a config file and Python code all meet the same check.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from hwan.config.data import UNIT as UNIT
from hwan.config.data import DataConfig as DataConfig
from hwan.config.data import Depth as Depth
from hwan.config.data import Pairing as Pairing
from hwan.config.data import PixelFormat as PixelFormat
from hwan.config.data import ValueRange as ValueRange
from hwan.config.networks import DiscriminatorConfig as DiscriminatorConfig
from hwan.config.networks import GeneratorConfig as GeneratorConfig
from hwan.config.renamed import with_new_names
from hwan.config.speed import SpeedConfig as SpeedConfig
from hwan.errors import UsageError, known_names, nearest
from hwan.errors import at_least as _at_least
from hwan.errors import require as _require
from hwan.files import read_json, write_json

C = TypeVar("C")
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Gan = Literal["lsgan", "nonsaturating", "minimax", "hinge", "wgan-gp"]
MethodName = Literal["cyclegan", "gan", "pix2pix", "cut"]
Best = Literal["", "swd", "kid", "fid", "ssim", "psnr", "l1"]
Augmentation = Literal["colour", "translation", "cutout"]


@dataclass(frozen=True)
class LossConfig:
    """Weights of the objective. Defaults: the CycleGAN paper's (section 4, 5.2)."""

    gan: Gan = "lsgan"
    """The adversarial objective: least squares; cross entropy with the generator's -log D
    (nonsaturating, what other code calls vanilla) or log(1 - D) (minimax); hinge; Wasserstein."""
    gp: float = 10.0
    """Weight of the gradient penalty of wgan-gp; the others have none."""
    r1: float = 0.0
    """Weight (gamma) of the R1 penalty on the discriminators' gradient at real images; 0: off."""
    diffaugment: tuple[Augmentation, ...] = ()
    """Random changes of all that the discriminators see (DiffAugment), for small data sets."""
    cycle_a: float = 10.0
    """Weight of the forward cycle, A to B and back to A."""
    cycle_b: float = 10.0
    """Weight of the backward cycle, B to A and back to B."""
    identity: float = 0.5
    """Weight of the identity loss, as a share of that domain's cycle weight; 0 leaves it out."""
    adversarial: float = 1.0
    """Weight of the adversarial loss in pix2pix; 0 leaves the L1 distance alone."""
    l1: float = 100.0
    """Weight of the L1 distance to the true picture, where pairs teach (pix2pix)."""
    paired: float = 0.0
    """Weight of the L1 distance on pairs beside the unpaired images (pairedA, pairedB); 0: none."""
    nce: float = 1.0
    """Weight of the contrastive loss between patches of input and output (cut)."""
    nce_identity: bool = True
    """Also on an image of B given back as itself (CUT; FastCUT leaves it out)."""
    flip_equivariance: bool = False
    """Half of the time give cut a mirrored input and compare the patches mirrored back (FastCUT)."""
    nce_patches: int = 256
    """Patches drawn from each layer for the contrastive loss."""
    partial_cycle: bool = False
    """Each generator learns only from the cycle it closes, not from the one it begins, as in the
    Keras example; the paper's learns from both."""

    def __post_init__(self) -> None:
        _at_least("loss", self, cycle_a=0, cycle_b=0, identity=0, gp=0, r1=0)
        _at_least("loss", self, adversarial=0, l1=0, paired=0, nce=0, nce_patches=2)
        names = get_args(Augmentation)
        _require(
            isinstance(self.diffaugment, tuple) and set(self.diffaugment) <= set(names),
            "loss.diffaugment is some of " + ", ".join(names),
            self.diffaugment,
            "give --loss.diffaugment colour translation cutout, or leave it out",
        )
        _require(
            self.gan != "wgan-gp" or self.gp > 0,
            "the Wasserstein objective needs its gradient penalty",
            f"loss.gp {self.gp}",
            "give --loss.gp 10, the paper's",
        )


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
    best: Best = ""
    """Also keep, in RUN/best, the generators that are best by this figure on the validation images, taken
    at every tick: swd, kid or fid of the outputs as a set; ssim, psnr or l1 where A and B are pairs."""
    seed: int = 0
    """Of everything random: weights, order, crops, pool."""
    ticks: int = 20
    """How many times in a training samples are drawn and the state is saved."""

    def __post_init__(self) -> None:
        _at_least("train", self, batch=1, accumulate=1, pool=0, ema=0, ticks=1, seed=0)
        _require(
            0 < self.epochs < float("inf"), "train.epochs is above 0", self.epochs, "give 0.5, say"
        )
        _require(0 < self.lr < 1, "train.lr is between 0 and 1", self.lr, "give 2e-4, say")
        for name in ("beta1", "beta2"):
            value = vars(self)[name]
            _require(
                0 <= value < 1, f"train.{name} is at least 0 and below 1", value, "give 0.5, say"
            )
        _require(
            0 <= self.decay <= 1,
            "train.decay is a share from 0 to 1",
            self.decay,
            "give 0.5, the papers' schedule, or 1 for no decay",
        )


@dataclass(frozen=True)
class Config:
    """All of one training: what a recipe returns and a run folder keeps as config.json."""

    method: MethodName = "cyclegan"
    """Networks and objective."""
    data: DataConfig = field(default_factory=DataConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    speed: SpeedConfig = field(default_factory=SpeedConfig)

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions the method trains generators for."""
        return ("ab", "ba") if self.method == "cyclegan" else ("ab",)

    def __post_init__(self) -> None:
        known_names("", self)
        self._sizes()
        a, b = self.data.channels_a, self.data.channels_b
        _require(
            self.method != "pix2pix" or self.data.pairs != "none",
            "pix2pix learns from pairs",
            "data.pairs none",
            "give --data.pairs names (trainA, trainB), sides (A left, B right) or self",
        )
        _require(
            self.loss.paired == 0 or self.method == "cyclegan",
            "loss.paired is of cyclegan, the one method that learns from both",
            f"method {self.method}",
            "leave it out",
        )
        contrasts = self.method == "cut"
        _require(
            not contrasts or a == b,
            "cut reads features of its own output, so A and B have as many channels",
            f"A {a}, B {b}",
            "take another method",
        )
        _require(
            not contrasts or self.generator.name in ("resnet", "plain"),
            "cut reads features inside a generator built in sequence",
            f"generator.name {self.generator.name}",
            "give --generator.name resnet",
        )
        uses_identity = self.method in ("cyclegan", "gan")
        _require(
            a == b or self.loss.identity == 0 or not uses_identity,
            "the identity loss needs as many channels in A as in B",
            f"A {a}, B {b}",
            "give --loss.identity 0",
        )
        # Gulrajani et al. 2017, section 4; R1 is of each image's own gradient just as well.
        penalty = self.loss.gan == "wgan-gp" or self.loss.r1 > 0
        _require(
            not penalty or self.discriminator.norm not in ("batch", "whitening"),
            "wgan-gp and r1 need a discriminator that judges each image by itself",
            f"discriminator.norm {self.discriminator.norm}",
            "give --discriminator.norm instance",
        )

        best = self.train.best
        _require(
            self.data.val == 0 or best != "",
            "data.val sets images aside for train.best",
            f"data.val {self.data.val:g} without it",
            "give --train.best swd, or leave data.val out",
        )
        _require(
            best not in ("ssim", "psnr", "l1") or self.data.pairs != "none",
            f"train.best {best} compares with the truth, which pairs have",
            "data.pairs none",
            "give --train.best swd, or --data.pairs names",
        )

    def _sizes(self) -> None:
        """The networks can take crops of this size."""
        size, multiple = self.data.size, self.generator.sizes[0]
        _require(
            size % multiple == 0,
            f"data.size is a multiple of {multiple} (generator.downs {self.generator.downs})",
            size,
            f"give {max(8, self.generator.sizes[1], round(size / multiple) * multiple)}",
        )
        least = self.generator.sizes[1]
        _require(
            size >= least,
            f"a {self.generator.name} with generator.downs {self.generator.downs} and generator.stem "
            f"{self.generator.stem} needs data.size of at least {least}",
            size,
            f"give --data.size {least}",
        )
        least = self.discriminator.least
        _require(
            size >= least,
            f"a {self.discriminator.name} discriminator of {self.discriminator.layers} layers needs "
            f"data.size of at least {least}",
            size,
            f"give a larger size or --discriminator.layers {self.discriminator.layers - 1}",
        )
        for section, net in (("generator", self.generator), ("discriminator", self.discriminator)):
            samples = self.train.batch * net.normed_side(size) ** 2
            _require(
                net.norm != "whitening" or samples > net.whitening_channels,
                f"whitening {net.whitening_channels} channels needs more than {net.whitening_channels} pixels in a "
                f"batch, and the {section}'s smallest normalised layer has {samples}",
                f"data.size {size}, train.batch {self.train.batch}",
                f"give a larger size or batch, or --{section}.whitening_channels {max(1, samples - 1)}",
            )


def to_dict(config: Any) -> dict[str, Any]:
    """A dataclass as plain JSON values: lists, not tuples."""
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return values


def from_dict(cls: type[C], values: Any, where: str) -> C:
    """A dataclass from plain JSON values, every name and type checked.

    ``where`` names the source in errors. Raises ``UsageError`` with the nearest right name for a
    wrong key, and the rule for a wrong value.
    """
    from pydantic import TypeAdapter, ValidationError

    values = with_new_names(values, where)
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
    known, kinds = [f.name for f in dataclasses.fields(cls)], get_type_hints(cls)
    if not isinstance(values, dict):
        raise UsageError(f"{where}: {prefix or 'the file'} is a JSON object", values, "see docs")
    for key, value in values.items():
        if key not in known:
            raise UsageError(
                f"{where}: every key is an option's name",
                prefix + str(key),
                nearest(str(key), known),
            )
        if dataclasses.is_dataclass(kinds[key]):
            _check_keys(kinds[key], value, where, f"{prefix}{key}.")


def save(config: Config, path: Path) -> None:
    """Write ``config`` as JSON."""
    write_json(path, to_dict(config))


def load(path: Path) -> Config:
    """Read what ``save`` wrote. Raises ``UsageError`` if it is missing, not JSON, or breaks a rule."""
    values = read_json(path)
    _require(
        not (isinstance(values, dict) and "format" in values),
        "a training's config.json says how to train",
        f"{path}, a generator's, which says what it translates",
        "name the run folder that it came from: the --out of its training",
    )
    return from_dict(Config, values, str(path))
