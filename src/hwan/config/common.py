"""The options that people change: what ``hwan train RECIPE --help`` shows without ``--help-all``."""

COMMON_OPTIONS = (
    "data.size", "data.resize", "data.flip", "data.pairs", "data.channels_a", "data.channels_b",
    "train.epochs", "train.batch", "train.lr", "train.decay", "train.pool", "train.ema",
    "train.precision", "train.best", "train.ticks", "train.seed",
    "generator.name", "generator.filters", "generator.blocks", "generator.norm", "generator.up",
    "discriminator.name", "discriminator.filters", "discriminator.norm",
    "loss.gan", "loss.cycle_a", "loss.cycle_b", "loss.identity", "loss.diffaugment",
)  # fmt: skip
