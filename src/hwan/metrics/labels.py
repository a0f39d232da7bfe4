"""Label maps: how many pixels of a generated one have the right class, each taken by its colour.

The figures of the photo to labels tables of Isola et al. 2017 (table 5) and Zhu et al. 2017 (table 3):
per-pixel accuracy, mean class accuracy and mean class IoU, as Long et al. 2015 (section 5) define them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Int

from hwan.errors import UsageError
from hwan.imaging.pixels import Bytes, Pixels

NEAR = 40.0
"""Colours nearer than this (Euclidean, of 255 a channel) to a more frequent one are of its class."""
CLOSE = 12.0
"""How far JPEG moves a flat area's colour at most. Of photographs few flat pixels are so close to one
of the classes (facades: labels 100 %, photographs 42 %; horses 28 %), which tells them apart."""
SHARE = 0.001
"""A colour of a smaller share of all flat pixels is no class."""
NAMED = 0.9
FLAT = 10


def read_palette(path: Path) -> Int[np.ndarray, "k 3"]:
    """The colours of a text file, one class a line: ``R G B`` and a name if wanted, or ``#rrggbb``.

    Raises ``UsageError`` for an unreadable file, a line that is no colour, and fewer than 2 colours.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("--labels auto or a text file of colours", f"{path}: {error}",
                         "one class a line: R G B NAME") from error  # fmt: skip
    colours = []
    for line in filter(None, (line.strip() for line in lines)):
        words = line.replace(",", " ").split()
        try:
            if words[0].startswith("#"):
                colour = list(bytes.fromhex(words[0][1:]))
            else:
                colour = [int(word) for word in words[:3]]
        except ValueError:
            colour = []
        if len(colour) != 3 or not all(0 <= value <= 255 for value in colour):
            raise UsageError("a class as R G B, each 0 to 255, or #rrggbb", line, f"correct {path}")
        colours.append(colour)
    if len(colours) < 2:
        raise UsageError(
            "label maps with at least 2 classes", f"{len(colours)} in {path}", "add some"
        )
    return np.array(colours)


def flat_colours(maps: Iterable[Pixels]) -> tuple[Int[np.ndarray, "n 3"], Int[np.ndarray, " n"]]:
    """The colours of maps (H, W, 3) uint8 where all within 2 pixels are alike, the most frequent
    first, and how often each is there: edges blend two colours, and count nothing.

    Raises ``UsageError`` for other than 8-bit RGB.
    """
    counts = Counter[int]()
    for picture in maps:
        if picture.dtype != np.uint8 or picture.shape[2] != 3:
            raise UsageError("label maps in 8-bit RGB", f"{picture.dtype} {picture.shape}",
                             "give --labels none")  # fmt: skip
        if min(picture.shape[:2]) < 5:
            continue
        values = picture.astype(np.int64)
        middle = values[2:-2, 2:-2]
        height, width = middle.shape[0], middle.shape[1]
        alike = np.ones((height, width), dtype=bool)
        for top in (0, 2, 4):
            for left in (0, 2, 4):
                other = values[top : top + height, left : left + width]
                alike &= np.abs(middle - other).max(axis=2) <= FLAT
        coded, times = np.unique(middle[alike] @ np.array([65536, 256, 1]), return_counts=True)
        counts.update(dict(zip(coded.tolist(), times.tolist(), strict=True)))
    common = np.array(counts.most_common(), dtype=np.int64).reshape(-1, 2)
    coded = common[:, 0]
    return np.stack([coded >> 16, coded >> 8 & 255, coded & 255], axis=1), common[:, 1]


def find_palette(maps: Iterable[Pixels]) -> Int[np.ndarray, "k 3"]:
    """The class colours of label maps (H, W, 3) uint8, the most frequent first.

    Raises ``UsageError`` where there are fewer than 2 or more than 64, or where less than nine
    tenths of the flat pixels are close to one: those are no label maps.
    """
    colours, times = flat_colours(maps)
    every = colours, times
    found: list[np.ndarray] = []
    while len(colours) and len(found) <= 64:
        distance = ((colours - colours[0]) ** 2).sum(1)
        if times[distance < NEAR**2].sum() >= SHARE * every[1].sum():
            found.append(colours[0])
        colours, times = colours[distance >= NEAR**2], times[distance >= NEAR**2]
    palette = np.array(found, dtype=np.int64).reshape(-1, 3)
    named = share_named(*every, palette)
    if not 2 <= len(found) <= 64 or named < NAMED:
        raise UsageError(
            "label maps of flat areas in 2 to 64 colours",
            f"{len(found)} colours, close to {named:.0%} of the flat pixels",
            "give the colours: --labels FILE, one class a line: R G B NAME",
        )
    return palette


def share_named(
    colours: Int[np.ndarray, "n 3"], times: Int[np.ndarray, " n"], palette: Int[np.ndarray, "k 3"]
) -> float:
    """The share of flat pixels whose colour is close to one of ``palette``."""
    if not len(colours) or not len(palette):
        return 0.0
    distance = ((colours[:, None] - palette[None]) ** 2).sum(2).min(1)
    return float(times[distance < CLOSE**2].sum() / times.sum())


def classes(picture: Bytes, palette: Int[np.ndarray, "k 3"]) -> Int[np.ndarray, "_h _w"]:
    """The class of every pixel: the colour of ``palette`` nearest to it (Euclidean)."""
    pixels = picture.astype(np.float32)
    distance = [((pixels - colour.astype(np.float32)) ** 2).sum(2) for colour in palette]
    nearest: np.ndarray = np.stack(distance).argmin(0)
    return nearest


def confusion(
    output: Bytes, truth: Bytes, palette: Int[np.ndarray, "k 3"]
) -> Int[np.ndarray, "k k"]:
    """Pixels of true class i given class j, at (i, j), of two maps of one size."""
    count = len(palette)
    both = classes(truth, palette) * count + classes(output, palette)
    return np.bincount(both.ravel(), minlength=count**2).reshape(count, count)


def label_figures(table: Int[np.ndarray, "k k"]) -> dict[str, float]:
    """Per-pixel accuracy, mean class accuracy and mean class IoU of a confusion table, 0 to 1.

    A class that is never true has no accuracy, and one neither true nor given no IoU: left out of
    the means.
    """
    right, true, given = np.diag(table).astype(np.float64), table.sum(1), table.sum(0)
    union = true + given - right
    return {
        "pixel_accuracy": float(right.sum() / table.sum()),
        "class_accuracy": float((right[true > 0] / true[true > 0]).mean()),
        "class_iou": float((right[union > 0] / union[union > 0]).mean()),
    }
