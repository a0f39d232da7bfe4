"""Where the images of each domain are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from hwan.config import Pairing, PixelFormat
from hwan.errors import UsageError
from hwan.imaging.codecs import SUFFIXES
from hwan.imaging.pixels import Picture, decode

View = Literal["whole", "left", "right"]
T = TypeVar("T")


@dataclass(frozen=True)
class ImageFolder:
    """Images of one domain: a folder, and the part of each file that belongs to the domain."""

    folder: Path
    view: View = "whole"

    def read(self, file: Path, pixel_format: PixelFormat) -> Picture:
        """Decode ``file`` and take this domain's part of it. Raises ``UsageError`` as ``decode``."""
        picture = decode(file, pixel_format)
        if self.view == "whole":
            return picture
        width = picture.pixels.shape[1] // 2
        if width == 0:
            raise UsageError(f"{file} holds two pictures side by side", "one column", "remove it")
        half = picture.pixels[:, :width] if self.view == "left" else picture.pixels[:, -width:]
        return Picture(half.copy(), picture.mode, picture.notes)


@dataclass(frozen=True)
class Layout:
    """The folders of one data set. ``truth_b/NAME`` is what ``test_a/NAME`` should become, where that
    is known; ``truth_a`` mirrors it. ``pair_a`` and ``pair_b`` are pairs beside unpaired images;
    ``val_a`` and ``val_b`` are for choosing the best checkpoint."""

    train_a: ImageFolder
    train_b: ImageFolder
    test_a: ImageFolder | None = None
    test_b: ImageFolder | None = None
    truth_a: ImageFolder | None = None
    truth_b: ImageFolder | None = None
    pair_a: ImageFolder | None = None
    pair_b: ImageFolder | None = None
    val_a: ImageFolder | None = None
    val_b: ImageFolder | None = None


def locate(data: Sequence[Path], pairs: Pairing = "none", swap: bool = False) -> Layout:
    """The folders behind ``--data``.

    ``none``, ``names``: one folder with ``trainA trainB`` (and ``testA testB``, ``truthA truthB``,
    ``pairedA pairedB``, ``valA valB``), or any two folders A B; with ``names`` files of one name belong
    together. ``sides``: a folder with ``train`` (and ``test`` and ``val``; ``val`` alone is the
    test), or a folder of images, each A on its left and B on its right. ``self``: the same, each
    image being both A and B (which then differ in their channels: grey to colour). ``swap``
    exchanges A and B.

    Raises ``UsageError`` for a missing folder or another count.
    """
    for folder in data:
        if not folder.is_dir():
            raise UsageError("--data is a folder", folder, "check the path")
    if pairs in ("sides", "self"):
        layout = _one_folder(data, pairs)
    elif len(data) == 2:
        layout = Layout(ImageFolder(data[0]), ImageFolder(data[1]))
    else:
        layout = _two_domains(data, pairs == "names")
    return _swapped(layout) if swap else layout


def _one_folder(data: Sequence[Path], pairs: Pairing) -> Layout:
    if len(data) != 1:
        raise UsageError(f"with data.pairs {pairs} --data is one folder", f"{len(data)} folders",
                         "give the folder that holds train (and test), or the images")  # fmt: skip
    root = data[0]
    train = root / "train" if (root / "train").is_dir() else root
    test = next((root / name for name in ("test", "val") if (root / name).is_dir()), None)
    if test and train == root:
        raise UsageError("what is trained on lies apart from what is tested on",
                         f"{root} with {test.name} but no train",
                         f"move the training images into {root / 'train'}")  # fmt: skip
    views: tuple[View, View] = ("left", "right") if pairs == "sides" else ("whole", "whole")
    a, b = (ImageFolder(train, view) for view in views)
    if test is None:
        return Layout(a, b)
    test_a, test_b = (ImageFolder(test, view) for view in views)
    val = root / "val"
    val_a, val_b = (
        ImageFolder(val, view) if test != val and val.is_dir() else None for view in views
    )
    return Layout(a, b, test_a, test_b, truth_a=test_a, truth_b=test_b, val_a=val_a, val_b=val_b)


def _two_domains(data: Sequence[Path], paired: bool) -> Layout:
    if len(data) != 1:
        raise UsageError("--data is one folder with trainA and trainB, or two folders A B",
                         f"{len(data)} folders", "give one or two")  # fmt: skip
    root = data[0]
    for name in ("trainA", "trainB"):
        if not (root / name).is_dir():
            inside = ", ".join(sorted(p.name for p in root.iterdir() if p.is_dir())[:12])
            raise UsageError(
                f"{root} holds trainA and trainB",
                f"folders: {inside or 'none'}",
                f"make {root / name}, or give two folders: --data A B; for pairs side by side in one "
                "file add --data.pairs sides (of data check and evaluate: --pairs sides)",
            )

    def optional(name: str) -> ImageFolder | None:
        return ImageFolder(root / name) if (root / name).is_dir() else None

    test_a, test_b = optional("testA"), optional("testB")
    truth_a, truth_b = optional("truthA"), optional("truthB")
    if paired:
        truth_a, truth_b = truth_a or test_a, truth_b or test_b
    return Layout(ImageFolder(root / "trainA"), ImageFolder(root / "trainB"), test_a, test_b, truth_a, truth_b,
                  optional("pairedA"), optional("pairedB"),
                  optional("valA"), optional("valB"))  # fmt: skip


def _swapped(layout: Layout) -> Layout:
    return Layout(layout.train_b, layout.train_a, layout.test_b, layout.test_a, layout.truth_b,
                  layout.truth_a, layout.pair_b, layout.pair_a,
                  layout.val_b, layout.val_a)  # fmt: skip


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


def evenly(items: Sequence[T], count: int) -> list[T]:
    """``count`` of ``items``, evenly chosen in their order; all of them where they are fewer."""
    n = min(count, len(items))
    return [items[i * len(items) // n] for i in range(n)]
