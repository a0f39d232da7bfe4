"""Where the images of each domain are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from hwan.config import Pairing, PixelFormat
from hwan.errors import UsageError, require
from hwan.imaging.codecs import SUFFIXES
from hwan.imaging.pixels import Picture, decode

T = TypeVar("T")

View = Literal["whole", "left", "right"]


ROLES = ("train", "test", "truth", "paired", "val")
"""What the folders of a data set are for: ``trainA`` is ``Layout.train_a``, and so on."""
MASKED = ("train", "test")
"""The roles whose images may have masks, in ``trainA_mask`` and so on."""


@dataclass(frozen=True)
class ImageFolder:
    """Images of one domain: a folder, the part of each file that belongs to the domain, and the folder of
    the images' masks (data/masks.py)."""

    folder: Path
    view: View = "whole"
    mask: Path | None = None

    def read(self, file: Path, pixel_format: PixelFormat) -> Picture:
        """Decode ``file`` and take this domain's part of it. Raises ``UsageError`` as ``decode``."""
        picture = decode(file, pixel_format)
        if self.view == "whole":
            return picture
        width = picture.pixels.shape[1] // 2
        if width == 0:
            raise UsageError(f"two images side by side in {file}", "one column", "remove the file")
        half = picture.pixels[:, :width] if self.view == "left" else picture.pixels[:, -width:]
        return Picture(half.copy(), picture.mode, picture.notes)


@dataclass(frozen=True)
class Layout:
    """The folders of one data set. ``truth_b/NAME`` is what ``test_a/NAME`` should become, where that
    is known; ``truth_a`` mirrors it. ``paired_a`` and ``paired_b`` hold pairs that are trained on as well
    as unpaired images; ``val_a`` and ``val_b`` choose the best generator."""

    train_a: ImageFolder
    train_b: ImageFolder
    test_a: ImageFolder | None = None
    test_b: ImageFolder | None = None
    truth_a: ImageFolder | None = None
    truth_b: ImageFolder | None = None
    paired_a: ImageFolder | None = None
    paired_b: ImageFolder | None = None
    val_a: ImageFolder | None = None
    val_b: ImageFolder | None = None


def locate(data: Sequence[Path], pairs: Pairing = "none", swap: bool = False) -> Layout:
    """The folders that ``--data`` means.

    With ``pairs`` "none" and "names": one folder with ``trainA`` and ``trainB`` (and ``testA testB``,
    ``truthA truthB``, ``pairedA pairedB``, ``valA valB``, ``trainA_mask`` …), or any two folders A B; with
    "names" files of one name are a pair. With "sides": a folder with ``train`` (and ``test`` and ``val``;
    ``val`` alone is the test), or a folder of images, each with A on its left and B on its right. With
    "self": the same, but each whole image is both A and B (which then differ in their channels: grey to
    colour). ``swap`` exchanges A and B.

    Raises ``UsageError`` for a missing folder, a wrong number of them, or one folder as A and as B.
    """
    for folder in data:
        require(
            folder.is_dir(), "a folder for --data", f"{folder}, no such folder", "check the path"
        )
    in_one_file = pairs in ("sides", "self")
    require(
        len(data) == 1 or (len(data) == 2 and not in_one_file),
        "one folder for --data" + ("" if in_one_file else ", or two folders A B"),
        f"{len(data)} folders and data.pairs {pairs}",
        "give the folder that holds trainA and trainB, or train; with sides and self also one of images",
    )
    if in_one_file:
        layout = _pairs_in_files(data[0], pairs)
    elif len(data) == 1:
        layout = _one_folder(data[0], pairs == "names")
    else:
        require(
            data[0].resolve() != data[1].resolve(),
            "two different folders, A and B",
            f"{data[0]} twice",
            "give another folder for B; if each image is both A and B (grey to colour), give the "
            "folder once and add --data.pairs self",
        )
        layout = Layout(ImageFolder(data[0]), ImageFolder(data[1]))
    if not swap:
        return layout
    other = {"a": "b", "b": "a"}
    return Layout(**{name[:-1] + other[name[-1]]: found for name, found in vars(layout).items()})


def _pairs_in_files(root: Path, pairs: Pairing) -> Layout:
    places = (root / name for name in ("train", "test", "val"))
    train, test, val = (place if place.is_dir() else None for place in places)
    if not train and (test or val):
        raise UsageError(
            f"training images in {root / 'train'}", "only test images", "put training images there"
        )
    if not test:
        test, val = val, None
    views: tuple[View, View] = ("left", "right") if pairs == "sides" else ("whole", "whole")
    folders = {"train": train or root, "test": test, "truth": test, "val": val}
    return Layout(
        **{
            f"{role}_{side}": ImageFolder(folder, view)
            for role, folder in folders.items()
            for side, view in zip("ab", views, strict=True)
            if folder
        }
    )


def _one_folder(root: Path, paired: bool) -> Layout:
    for name in ("trainA", "trainB"):
        if not (root / name).is_dir():
            inside = ", ".join(sorted(p.name for p in root.iterdir() if p.is_dir())[:12])
            raise UsageError(
                f"trainA and trainB in {root}",
                f"folders: {inside or 'none'}",
                f"make {root / name}, or give two folders: --data A B; for pairs side by side in one "
                "file add --data.pairs sides (for data check and evaluate: --pairs sides)",
            )
    found: dict[str, Any] = {
        f"{role}_{side.lower()}": ImageFolder(
            folder, mask=mask if role in MASKED and mask.is_dir() else None
        )
        for role in ROLES
        for side in "AB"
        for folder, mask in [(root / f"{role}{side}", root / f"{role}{side}_mask")]
        if folder.is_dir()
    }
    if paired:
        found = {"truth_a": found.get("test_a"), "truth_b": found.get("test_b"), **found}
    return Layout(**found)


def list_images(folder: Path) -> tuple[Path, ...]:
    """Every image file under ``folder``, at any depth, sorted by path; hidden files are left out."""
    found = (
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
    return tuple(sorted(found, key=lambda path: path.relative_to(folder).parts))


def by_name(folder: Path) -> dict[Path, Path]:
    """Every image file under ``folder`` by its path there without the suffix.

    Raises ``UsageError`` for two files of one name.
    """
    found = dict[Path, Path]()
    for path in list_images(folder):
        first = found.setdefault(path.relative_to(folder).with_suffix(""), path)
        expected = f"files of different names, suffix aside, in {folder}"
        require(first == path, expected, f"{first.name} and {path.name}", "rename one")
    return found


def stamps(folder: Path, files: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Name, size and time of change of every one of ``files``: what tells whether ``folder`` changed."""
    stats = ((str(file.relative_to(folder)), file.stat()) for file in files)
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def evenly(items: Sequence[T], count: int) -> list[T]:
    """``count`` of ``items`` at equal distances, the first among them; all where there are fewer."""
    n = min(count, len(items))
    return [items[i * len(items) // n] for i in range(n)]
