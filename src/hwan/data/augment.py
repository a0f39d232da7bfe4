"""Random geometry, drawn anew every time an image is seen."""

from __future__ import annotations

import numpy as np

from hwan.image import Pixels


def random_crop(pixels: Pixels, size: int, flip: bool, rng: np.random.Generator) -> Pixels:
    """A random ``size`` x ``size`` window, mirrored left to right half of the time if ``flip``."""
    height, width, _ = pixels.shape
    y, x = rng.integers(0, height - size + 1), rng.integers(0, width - size + 1)
    window = pixels[y : y + size, x : x + size]
    return window[:, ::-1] if flip and rng.random() < 0.5 else window


def centre_crop(pixels: Pixels, size: int) -> Pixels:
    """The ``size`` x ``size`` window in the middle."""
    height, width, _ = pixels.shape
    y, x = (height - size) // 2, (width - size) // 2
    return pixels[y : y + size, x : x + size]
