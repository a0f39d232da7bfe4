"""Where the images of each domain are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwan.errors import UsageError
from hwan.formats import SUFFIXES


@dataclass(frozen=True)
class Layout:
    """The folders of one unpaired data set. ``truth_b/NAME`` is what ``test_a/NAME`` should become,
    where that is known; ``truth_a`` mirrors it."""

    train_a: Path
    train_b: Path
    test_a: Path | None = None
    test_b: Path | None = None
    truth_a: Path | None = None
    truth_b: Path | None = None


def locate(data: Sequence[Path]) -> Layout:
    """The folders behind ``--data``: one folder with ``trainA trainB`` (and ``testA testB``, and
    ``truthA truthB``), or any two folders A B.

    Raises ``UsageError`` for a missing folder or another count.
    """
    for folder in data:
        if not folder.is_dir():
            raise UsageError("--data is a folder", folder, "check the path")
    if len(data) == 2:
        return Layout(data[0], data[1])
    if len(data) != 1:
        raise UsageError(
            "--data is one folder with trainA and trainB, or two folders A B",
            f"{len(data)} folders",
            "give one or two",
        )
    root = data[0]
    for name in ("trainA", "trainB"):
        if not (root / name).is_dir():
            inside = ", ".join(sorted(p.name for p in root.iterdir() if p.is_dir())[:12])
            raise UsageError(
                f"{root} holds trainA and trainB",
                f"folders: {inside or 'none'}",
                f"make {root / name}, or give two folders: --data A B",
            )
    optional = [root / name for name in ("testA", "testB", "truthA", "truthB")]
    return Layout(root / "trainA", root / "trainB", *(p if p.is_dir() else None for p in optional))


def list_images(folder: Path) -> tuple[Path, ...]:
    """Every image file under ``folder``, at any depth, in the order of its path; hidden ones left out."""
    found = (
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
    return tuple(sorted(found, key=lambda path: path.relative_to(folder).parts))
