"""data check."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from hwan.cli.options import HELP, parse
from hwan.config import DataConfig, Pairing
from hwan.errors import require


@dataclass(frozen=True)
class Check:
    """Check a data set: counts, sizes, modes, broken files, duplicates, and test images in the training."""

    data: Positional[tuple[Path, ...]]
    """A folder with trainA and trainB, or the two folders A B."""
    pairs: Pairing = "none"
    """How A and B belong together, as in --data.pairs of a training."""
    mask_a: str = ""
    """Folder of masks of A's training images, as --data.mask-a of a training."""
    mask_b: str = ""
    """Folder of masks of B's training images."""


def data(args: list[str]) -> int:
    word, fix = " ".join(args[:1]), "hwan data check DIR"
    require(word in ("check", *HELP), "the word check after hwan data", word or "nothing", fix)
    given = parse(Check, "data check", args if word in HELP else args[1:])
    from hwan.data.check import check, describe
    from hwan.data.folders import locate
    from hwan.data.masks import with_masks

    masks = DataConfig(mask_a=given.mask_a, mask_b=given.mask_b)
    findings = check(with_masks(locate(given.data, given.pairs), masks))
    print(describe(findings))
    return 0 if findings.clean else 1
