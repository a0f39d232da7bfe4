"""data check, info, recipes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from hwan.cli import ASK, parse
from hwan.config import Pairing
from hwan.errors import UsageError


@dataclass(frozen=True)
class Check:
    """What is in a data set: counts, sizes, modes, broken files, duplicates, leaks into the test."""

    data: Positional[tuple[Path, ...]]
    """A folder with trainA and trainB, or the two folders A B."""
    pairs: Pairing = "none"
    """How A and B belong together, as in --data.pairs of a training."""


def data(args: list[str]) -> int:
    if args and args[0] in ASK:
        args = ["check", *args]
    if args[:1] != ["check"]:
        raise UsageError(
            "hwan data is followed by check", " ".join(args[:1]) or "nothing", "hwan data check DIR"
        )
    given = parse(Check, "data check", args[1:])
    from hwan.data.check import check, describe
    from hwan.data.folders import locate

    findings = check(locate(given.data, given.pairs))
    print(describe(findings))
    return 0 if findings.clean else 1


@dataclass(frozen=True)
class Info:
    """What a run folder or a generator folder is."""

    run: Positional[Path]
    """The folder."""


def info(args: list[str]) -> int:
    given = parse(Info, "info", args)
    from hwan.evaluation.run_page import describe_folder

    print(describe_folder(given.run))
    return 0


def recipes(args: list[str]) -> int:
    from hwan.config.recipes import RECIPES

    if args and args[0] not in ASK:
        raise UsageError("hwan recipes takes nothing more", " ".join(args), "hwan recipes")
    for name, recipe in RECIPES.items():
        print(f"{name:18}{(recipe.__doc__ or '').splitlines()[0]}")
    return 0
