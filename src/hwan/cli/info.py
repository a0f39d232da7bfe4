"""info."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from hwan.cli.options import parse


@dataclass(frozen=True)
class Info:
    """Say what a run folder or a generator folder is, and what its test found."""

    run: Positional[Path]
    """The folder."""


def info(args: list[str]) -> int:
    given = parse(Info, "info", args)
    from hwan.evaluation.run_page import describe_folder

    print(describe_folder(given.run))
    return 0
