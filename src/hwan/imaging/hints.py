"""Colour hints: small patches of colour that a user, or in training the truth, gives beside a picture.

They are pixels (H, W, 4) of uint8: red, green, blue, and 255 where a hint is; zeros where there is none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.random import Generator
from PIL import Image
from torch import Tensor

from hwan.config import PixelFormat
from hwan.config.data import HINT_CHANNELS
from hwan.errors import require
from hwan.imaging.depths import with_depth
from hwan.imaging.pixels import Bytes, read_any

OPAQUE = 128  # the edge of a brush is half transparent
SHARE = 16


def read_hints(
    source: Path | bytes | Image.Image | np.ndarray, height: int, width: int
) -> UInt8[np.ndarray, "_h _w 4"]:
    """The hints in a picture with transparency (RGBA): hints are where it is opaque, by half or more.

    Raises ``UsageError`` for a file that is missing, broken or no image, for a picture without
    transparency, and for one that is not of ``height`` and ``width``, its translated picture's.
    """
    name = str(source) if isinstance(source, Path) else "the hints"
    decoded = read_any(source, HINT_CHANNELS, name)
    shape, clear = decoded.values.shape, decoded.alpha or isinstance(source, np.ndarray)
    expected = "hints in colour with transparency (RGBA), which is where no hint is"
    received = f"{name}, of mode {decoded.mode}"
    fix = "paint them on a transparent layer, and save that layer alone as PNG"
    require(clear and shape[2] == HINT_CHANNELS, expected, received, fix)
    received = f"{name}, {shape[1]}x{shape[0]}"
    expected = f"hints of the size of their picture, {width}x{height} (width x height)"
    require(shape[:2] == (height, width), expected, received, "paint them over that picture")
    values, _ = with_depth(decoded.values, decoded.mode, PixelFormat(HINT_CHANNELS), name)
    found = np.where(values[:, :, 3:] >= OPAQUE, values, 0).astype(np.uint8)
    found[:, :, 3] = np.where(found[:, :, 3] > 0, 255, 0)
    return found


def with_hints(pixels: Bytes, hints: UInt8[np.ndarray, "_h _w 4"]) -> Bytes:
    """A picture (H, W, C) and its hints as what a generator reads, (H, W, C + 4)."""
    return np.concatenate([pixels, hints], 2)


def hints_of(
    truth: UInt8[Tensor, "h w 3"], count: int, crop: int, rng: Generator
) -> UInt8[Tensor, "h w 4"]:
    """``count`` hints of the colours of ``truth``, on its device: squares at random places, each of the mean
    colour there. Their sides are drawn from 1 to a sixteenth of ``crop``, the side of a training's crops,
    or to 2."""
    height, width, _ = truth.shape
    hints = truth.new_zeros((height, width, HINT_CHANNELS))
    for _ in range(count):
        side = int(rng.integers(1, max(2, crop // SHARE) + 1))
        y, x = (int(rng.integers(0, max(1, length - side + 1))) for length in (height, width))
        square = slice(y, y + side), slice(x, x + side)
        colour = truth[square].flatten(0, 1).float().mean(0).round()
        hints[square] = torch.nn.functional.pad(colour, (0, 1), value=255.0).to(torch.uint8)
    return hints
