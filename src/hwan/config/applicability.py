"""Options by their dotted names: the common ones, and the ones that nothing in a configuration reads."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import chain
from typing import Any

from hwan.config.config import Config
from hwan.config.discriminators import DISCRIMINATOR_FAMILIES
from hwan.config.generators import GENERATOR_FAMILIES
from hwan.config.methods import METHOD_RECORDS
from hwan.config.networks import NORM_RECORDS
from hwan.errors import UsageError

_COMMON = {
    "data": "size resize flip channels_a channels_b pairs",
    "generator": "name filters blocks norm up",
    "discriminator": "name filters norm",
    "loss": "gan cycle_a cycle_b identity diffaugment",
    "train": "epochs batch lr decay pool ema precision best seed ticks",
}
COMMON_OPTIONS = tuple(
    f"{section}.{name}" for section in _COMMON for name in _COMMON[section].split()
)
"""The options that people change: what ``--help`` shows (``--help-all`` shows all)."""

Rule = tuple[str, str, list[str]]
"""An option, another one that decides whether it is read, and the values of that one with which it is."""


class UnreadOption(UserWarning):
    """A configuration has a value that nothing in it reads."""


def _rules(section: str, key: str, named: Mapping[Any, tuple[str, ...]]) -> Iterator[Rule]:
    """The rules of the options of ``section`` that records read (``named``: those of each by its name):
    one is read where ``key`` chooses a record that names it."""
    for option in dict.fromkeys(chain.from_iterable(named.values())):
        names = [name for name, options in named.items() if option in options]
        yield f"{section}.{option}", key, names


_NORMS = {name: record.options for name, record in NORM_RECORDS.items()}
_LOSSES = {name: record.loss_options for name, record in METHOD_RECORDS.items()}
_GENERATORS = {name: family.options for name, family in GENERATOR_FAMILIES.items()}
_DISCRIMINATORS = {name: family.options for name, family in DISCRIMINATOR_FAMILIES.items()}
RULES: tuple[Rule, ...] = (
    ("loss.gp", "loss.gan", ["wgan-gp"]),
    *_rules("loss", "method", _LOSSES),
    *_rules("generator", "generator.name", _GENERATORS),
    *_rules("generator", "generator.norm", _NORMS),
    *_rules("discriminator", "discriminator.name", _DISCRIMINATORS),
    *_rules("discriminator", "discriminator.norm", _NORMS),
)
"""When options are read that not every configuration reads. One without a rule is always read."""


def options(config: Config) -> dict[str, Any]:
    """Every option by its dotted name."""
    return {
        f"{section}.{key}" if key else section: inner
        for section, value in asdict(config).items()
        for key, inner in (value.items() if isinstance(value, dict) else [("", value)])
    }


def unread(config: Config, base: Config, off: bool = False) -> dict[str, str]:
    """The options in which ``config`` differs from ``base`` and which nothing in it reads, each with what
    would read it. One that is turned off (0, False) is among them only with ``off``: a recipe turns off
    what its method does not have."""
    own, before = options(config), options(base)
    chosen = {"discriminator.name": set(config.discriminator.names)}
    padding: Rule = ("generator.padding", "generator.up", [*config.generator.family.padded_ups])
    return {
        name: f"{key} {' or '.join(readers)}"
        for name, key, readers in (padding, *RULES)
        if own[name] != before[name]
        and (off or own[name] != 0)
        and not chosen.get(key, {own[key]}) & {*readers}
    }


def refuse_unread(config: Config, base: Config) -> None:
    """Raise ``UsageError`` for the first option that was given over ``base`` and that nothing reads. To
    turn off what is not there is a mistake too: it was meant to change something."""
    for name, what in unread(config, base, off=True).items():
        received = f"{name} {options(config)[name]}, which nothing would read"
        raise UsageError(f"{what} for {name}", received, f"leave {name} out")


def warn_unread(config: Config, where: str) -> None:
    """Warn (``UnreadOption``) of every option of ``config``, which came from ``where``, that is not the
    default and that nothing reads. It may be left from a recipe, so it is not refused."""
    for name, what in unread(config, Config()).items():
        text = f"{where}: nothing reads {name} {options(config)[name]}: it needs {what}"
        warnings.warn(text, UnreadOption, stacklevel=3)
