"""``Config``, all of one training, and the rules between its sections."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from hwan.config.data import DataConfig
from hwan.config.discriminators import DiscriminatorConfig
from hwan.config.generators import GeneratorConfig
from hwan.config.methods import (
    METHOD_LOSS_OPTIONS,
    METHOD_RECORDS,
    LossConfig,
    MethodName,
    MethodRecord,
)
from hwan.config.speed import SpeedConfig
from hwan.config.train import TrainConfig
from hwan.errors import check_options, require


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
    def record(self) -> MethodRecord:
        """The method's record."""
        return METHOD_RECORDS[self.method]

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions the method trains generators for."""
        return self.record.directions

    def __post_init__(self) -> None:
        check_options("", self)
        _check_method(self)
        _check_networks(self)
        _check_sizes(self)
        best = self.train.best
        require(
            self.data.val == 0 or best != "",
            "train.best, which data.val sets images aside for",
            f"data.val {self.data.val:g} without it",
            "give --train.best swd, or leave data.val out",
        )
        require(
            best not in ("ssim", "psnr", "l1") or self.data.pairs != "none",
            f"pairs, whose truth train.best {best} compares with",
            "data.pairs none",
            "give --train.best swd, or --data.pairs names",
        )


def _check_method(config: Config) -> None:
    """The method can train with these data, losses and generators."""
    record, a, b = config.record, config.data.channels_a, config.data.channels_b
    require(
        config.data.pairs in record.pairings,
        f"data.pairs {', '.join(record.pairings)} for method {config.method}",
        f"data.pairs {config.data.pairs}",
        f"give --data.pairs {record.pairings[0]}, say (names: trainA and trainB by their files' names; "
        "sides: A left and B right in one file; self: each image is both)",
    )
    for option in fields(config.loss):
        # What is off unless somebody turns it on was meant to teach something.
        unread = option.name in METHOD_LOSS_OPTIONS and option.name not in record.loss_options
        readers = [name for name, r in METHOD_RECORDS.items() if option.name in r.loss_options]
        value = vars(config.loss)[option.name]
        require(
            not unread or bool(option.default) or not value,
            f"method {' or '.join(readers)} for loss.{option.name}",
            f"method {config.method}, loss.{option.name} {value}, which it does not read",
            f"leave loss.{option.name} out",
        )
    require(
        not record.same_channels or a == b,
        f"as many channels in A as in B for method {config.method}",
        f"A {a}, B {b}",
        "take another method",
    )
    require(
        not record.needs_features or config.generator.family.features,
        f"a generator built in sequence, whose features method {config.method} reads",
        f"generator.name {config.generator.name}",
        "give --generator.name resnet",
    )
    require(
        a == b or config.loss.identity == 0 or "identity" not in record.loss_options,
        "as many channels in A as in B for the identity loss",
        f"A {a}, B {b}",
        "give --loss.identity 0",
    )


def _check_networks(config: Config) -> None:
    """The norms and families of networks can do what losses and techniques ask for."""
    # Gulrajani et al. 2017, section 4; R1 is taken of each image's own gradient too.
    penalty = config.loss.gan == "wgan-gp" or config.loss.r1 > 0
    require(
        not penalty or not config.discriminator.norm_record.mixes_batch,
        "a discriminator.norm that treats each image by itself, for wgan-gp and r1",
        f"discriminator.norm {config.discriminator.norm}",
        "give --discriminator.norm instance",
    )
    generator = config.generator
    can_forget = (
        generator.family.gradient_checkpointing and not generator.norm_record.updates_in_forward
    )
    require(
        not config.speed.gradient_checkpointing or can_forget,
        "generator.name resnet or plain, and a generator.norm without running estimates, which computing "
        "blocks twice would move twice, for speed.gradient_checkpointing",
        f"generator.name {generator.name}, generator.norm {generator.norm}",
        "leave speed.gradient_checkpointing out, or give a smaller train.batch with train.accumulate",
    )


def _check_sizes(config: Config) -> None:
    """The networks can take crops of this size."""
    size, (multiple, least) = config.data.size, config.generator.sizes
    numbers = {name: vars(config.generator)[name] for name in config.generator.family.options}
    shape = ", ".join(f"{k} {value}" for k, value in numbers.items() if isinstance(value, int))
    require(
        size % multiple == 0 and size >= least,
        f"a multiple of {multiple} for data.size, of at least {least}, with this "
        f"{config.generator.name} ({shape})",
        size,
        f"give --data.size {max(8, least, round(size / multiple) * multiple)}",
    )
    least, layers = config.discriminator.least, config.discriminator.layers
    require(
        size >= least,
        f"data.size of at least {least} for a {config.discriminator.name} discriminator of {layers} layers",
        size,
        f"give a larger size or --discriminator.layers {layers - 1}",
    )
    for section, net in (("generator", config.generator), ("discriminator", config.discriminator)):
        samples, channels = config.train.batch * net.normed_side(size) ** 2, net.whitening_channels
        require(
            not net.norm_record.whitens or samples > channels,
            f"more than {channels} pixels in a batch at the {section}'s smallest normalised layer, to "
            f"whiten {channels} channels",
            f"{samples} (data.size {size}, train.batch {config.train.batch})",
            f"give a larger size or batch, or --{section}.whitening_channels {max(1, samples - 1)}",
        )
