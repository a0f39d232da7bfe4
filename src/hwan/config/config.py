"""``Config``, all of one training, and the rules between its sections."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from hwan.config.data import DataConfig
from hwan.config.discriminators import DiscriminatorConfig
from hwan.config.generators import GeneratorConfig, families
from hwan.config.methods import METHOD_RECORDS, LossConfig, MethodName, MethodRecord
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

    @property
    def first_results(self) -> int:
        """Images seen before which outputs are not worth judging: fewer of smaller ones, and of pairs,
        which have a truth, about a quarter. A rule of thumb."""
        least = min(family.first_results for family in self.discriminator.families)
        needed = least * self.data.size // 256
        return needed // 4 if self.record.draws_pairs else needed

    def __post_init__(self) -> None:
        check_options("", self)
        _check_method(self)
        _check_networks(self)
        _check_sizes(self)
        val, pairs, best = self.data.val, self.data.pairs, self.train.best
        fix = "give --train.best swd, or leave data.val out"
        expected = "a figure for train.best, which the images of data.val are set aside for"
        require(val == 0 or best != "", expected, f"data.val {val:g}, no train.best", fix)
        expected, fix = "train.best for train.patience", "give --train.best swd"
        require(best != "" or not self.train.patience, expected, "none", fix)
        paired = best not in ("ssim", "psnr", "l1") or pairs != "none"
        fix = "give --train.best swd, or --data.pairs names"
        expected = f"images in pairs for train.best {best}, which compares with the truth"
        require(paired, expected, f"data.pairs {pairs}", fix)


def _check_method(config: Config) -> None:
    """The method can train with these data, losses and generators."""
    record, a, b = config.record, config.data.channels_a, config.data.channels_b
    pairs, expected = config.data.pairs, f"data.pairs {' or '.join(record.pairings)}"
    words = "names: trainA and trainB by file names; sides: A left, B right in one file; self: both"
    fix = f"give --data.pairs {record.pairings[0]}, say ({words})"
    require(pairs in record.pairings, f"{expected} for method {config.method}", pairs, fix)
    for option in fields(config.loss):
        # What is off unless somebody turns it on was meant to teach something.
        readers = [name for name, r in METHOD_RECORDS.items() if option.name in r.loss_options]
        name, value = f"loss.{option.name}", vars(config.loss)[option.name]
        harmless = not readers or config.method in readers or bool(option.default) or not value
        expected = f"method {' or '.join(readers)} for {name}"
        received = f"method {config.method}, {name} {value}, which it does not read"
        require(harmless, expected, received, f"leave {name} out")
    expected = (
        "a method that learns from pairs (pix2pix), whose truth gives the hints, for data.hints"
    )
    hinted = record.draws_pairs or not config.data.hints
    require(hinted, expected, f"method {config.method}", "leave data.hints out")
    identity = config.loss.identity > 0 and "identity" in record.loss_options
    outside = config.loss.outside > 0 and "outside" in record.loss_options
    for needed, reader, fix in (
        (record.same_channels, f"method {config.method}", "take another method"),
        (identity, "the identity loss", "give --loss.identity 0"),
        (outside, "the loss outside masks", "give --loss.outside 0"),
    ):
        expected = f"as many channels in A as in B for {reader}"
        require(not needed or a == b, expected, f"A {a}, B {b}", fix)
    generator = config.generator
    expected = f"a generator built in sequence, whose features method {config.method} reads"
    received = f"generator.name {generator.name}"
    fix = f"give --generator.name {families(lambda family: family.features)}"
    require(not record.needs_features or generator.family.features, expected, received, fix)


def _check_networks(config: Config) -> None:
    """The norms and families of networks can do what losses and techniques ask for."""
    # Gulrajani et al. 2017, section 4; R1 is taken of each image's own gradient too.
    penalty = config.loss.gan == "wgan-gp" or config.loss.r1 > 0
    mixing = penalty and config.discriminator.norm_record.mixes_batch
    expected = "a discriminator.norm that treats each image by itself, for wgan-gp and r1"
    fix = "give --discriminator.norm instance"
    require(not mixing, expected, config.discriminator.norm, fix)
    generator = config.generator
    wanted = f"generator.name {families(lambda family: family.gradient_checkpointing)}"
    expected = f"{wanted}, and a norm without running estimates, for speed.gradient_checkpointing"
    received = f"generator.name {generator.name}, generator.norm {generator.norm}"
    fix = "leave it out, or give a smaller train.batch with train.accumulate"
    require(
        generator.can_checkpoint or not config.speed.gradient_checkpointing, expected, received, fix
    )


def _check_sizes(config: Config) -> None:
    """The networks can take crops of this size."""
    generator, discriminator = config.generator, config.discriminator
    size, (multiple, least) = config.data.size, generator.sizes
    numbers = ((name, vars(generator)[name]) for name in generator.family.options)
    shape = ", ".join(f"{name} {value}" for name, value in numbers if type(value) is int)
    network = f"with this {generator.name} ({shape})"
    expected = f"a data.size of at least {least}, a multiple of {multiple}, {network}"
    fix = f"give --data.size {max(8, least, round(size / multiple) * multiple)}"
    require(size % multiple == 0 and size >= least, expected, size, fix)
    least, layers = discriminator.least, discriminator.layers
    layered = any("layers" in family.options for family in discriminator.families)
    network = (
        f"a {' and '.join(discriminator.names)} discriminator" + f" of {layers} layers" * layered
    )
    fix = "give a larger size" + f" or --discriminator.layers {layers - 1}" * layered
    require(size >= least, f"a data.size of at least {least} for {network}", size, fix)
    for section, net in (("generator", generator), ("discriminator", discriminator)):
        samples, channels = config.train.batch * net.normed_side(size) ** 2, net.whitening_channels
        enough = not net.norm_record.whitens or samples > channels
        expected = (
            f"more than {channels} pixels in a batch at the {section}'s smallest normed layer"
        )
        received = f"{samples} (data.size {size}, train.batch {config.train.batch})"
        option = f"--{section}.whitening_channels {max(1, samples - 1)}"
        require(enough, expected, received, f"give a larger size or batch, or {option}")
