"""Label maps: how many pixels of a generated one have the right class, each taken by its colour.

The figures of the photo to labels tables of Isola et al. 2017 (table 5) and Zhu et al. 2017 (table 3):
per-pixel accuracy, mean class accuracy and mean class IoU, as Long et al. 2015 (section 5) define them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Int
from numpy.lib.stride_tricks import sliding_window_view

from hwan.errors import UsageError, require
from hwan.imaging.pixels import Bytes, Pixels

Palette: TypeAlias = Int[np.ndarray, "k 3"]

NEAR = 40.0
"""Colours nearer than this (Euclidean, of 255 a channel) to a more frequent one are of its class."""
CLOSE = 12.0
"""How far JPEG moves a flat area's colour at most. Of photographs few flat pixels are so close to one
of the classes (facades: labels 100 %, photographs 42 %; horses 28 %), which tells them apart."""
SHARE = 0.001
"""A colour of a smaller share of all flat pixels is no class."""
NAMED = 0.9
FLAT = 10


def read_palette(path: Path) -> Palette:
    """The colours of a text file, one class a line: ``R G B`` and a name if wanted, or ``#rrggbb``.

    Raises ``UsageError`` for an unreadable file, a line that is no colour, and fewer than 2 colours.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "auto, none or a text file of colours for --labels",
            f"{path}: {error}",
            "one class a line: R G B NAME",
        ) from error
    colours = []
    for line in filter(None, map(str.strip, lines)):
        words = line.replace(",", " ").split()
        try:
            colour = bytes.fromhex(words[0][1:]) if line[0] == "#" else bytes(map(int, words[:3]))
        except ValueError:
            colour = b""
        require(len(colour) == 3, "a class as R G B in 0..255 or #rrggbb", line, f"correct {path}")
        colours.append([*colour])
    require(len(colours) > 1, "at least 2 classes", f"{len(colours)} in {path}", "add others")
    return np.array(colours)


def flat_colours(maps: Iterable[Pixels]) -> tuple[Int[np.ndarray, "n 3"], Int[np.ndarray, " n"]]:
    """The colours of maps (H, W, 3) uint8 where all within 2 pixels are alike, the most frequent
    first, and how often each is there: edges blend two colours, and count nothing.

    Raises ``UsageError`` for other than 8-bit RGB.
    """
    counts = Counter[int]()
    for picture in maps:
        plain, kind = picture.dtype == np.uint8, f"{picture.dtype} {picture.shape}"
        require(
            plain and picture.shape[2] == 3, "label maps in 8-bit RGB", kind, "give --labels none"
        )
        if min(picture.shape[:2]) < 5:
            continue
        windows = sliding_window_view(picture.astype(np.int16), (5, 5), axis=(0, 1))
        middle = windows[..., 2, 2]  # (H - 4, W - 4, 3), and beside each pixel nine of its window
        others = windows[..., ::2, ::2]
        alike = np.abs(others - middle[..., None, None]).max(axis=(2, 3, 4)) <= FLAT
        coded, times = np.unique(middle[alike] @ np.array([65536, 256, 1]), return_counts=True)
        counts.update(dict(zip(coded.tolist(), times.tolist(), strict=True)))
    coded, times = np.array(counts.most_common(), dtype=np.int64).reshape(-1, 2).T
    return np.stack([coded >> 16, coded >> 8 & 255, coded & 255], axis=1), times


def find_palette(maps: Iterable[Pixels]) -> Palette:
    """The class colours of label maps (H, W, 3) uint8, the most frequent first.

    Raises ``UsageError`` where there are fewer than 2 or more than 64, or where less than nine
    tenths of the flat pixels are close to one: those are no label maps.
    """
    colours, times = flat_colours(maps)
    every, found = (colours, times), list[np.ndarray]()
    while len(colours) and len(found) <= 64:
        near = ((colours - colours[0]) ** 2).sum(1) < NEAR**2
        if times[near].sum() >= SHARE * every[1].sum():
            found.append(colours[0])
        colours, times = colours[~near], times[~near]
    palette = np.array(found, dtype=np.int64).reshape(-1, 3)
    named = share_named(*every, palette)
    require(
        2 <= len(found) <= 64 and named >= NAMED,
        "label maps of flat areas in 2 to 64 colours",
        f"{len(found)} colours, close to {named:.0%} of the flat pixels",
        "give the colours: --labels FILE, one class a line: R G B NAME",
    )
    return palette


def share_named(
    colours: Int[np.ndarray, "n 3"], times: Int[np.ndarray, " n"], palette: Palette
) -> float:
    """The share of flat pixels whose colour is close to one of ``palette``."""
    close = (((colours[:, None] - palette) ** 2).sum(2) < CLOSE**2).any(1)
    return float(times[close].sum() / max(times.sum(), 1))


def classes(picture: Bytes, palette: Palette) -> Int[np.ndarray, "_h _w"]:
    """The class of every pixel: the colour of ``palette`` nearest to it (Euclidean)."""
    pixels = picture.astype(np.float32)
    distance = [((pixels - colour.astype(np.float32)) ** 2).sum(2) for colour in palette]
    nearest: np.ndarray = np.stack(distance).argmin(0)
    return nearest


def confusion(output: Bytes, truth: Bytes, palette: Palette) -> Int[np.ndarray, "k k"]:
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
