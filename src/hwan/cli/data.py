"""data check."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from hwan.cli.options import HELP, parse
from hwan.config import Pairing
from hwan.errors import UsageError


@dataclass(frozen=True)
class Check:
    """Check a data set: counts, sizes, modes, broken files, duplicates, and test images in the training."""

    data: Positional[tuple[Path, ...]]
    """A folder with trainA and trainB, or the two folders A B."""
    pairs: Pairing = "none"
    """How A and B belong together, as in --data.pairs of a training."""


def data(args: list[str]) -> int:
    if args[:1] != ["check"] and not (args and args[0] in HELP):
        raise UsageError(
            "check after hwan data", " ".join(args[:1]) or "nothing", "hwan data check DIR"
        )
    given = parse(Check, "data check", args if args[0] in HELP else args[1:])
    from hwan.data.check import check, describe
    from hwan.data.folders import locate

    findings = check(locate(given.data, given.pairs))
    print(describe(findings))
    return 0 if findings.clean else 1
