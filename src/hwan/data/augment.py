"""From a decoded image to a training crop: resized, cropped, and changed at random.

What is random is drawn anew every time an image is seen.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from hwan.config import DataConfig, PixelFormat
from hwan.imaging.pixels import LUMA, Pixels, from_unit, resize, to_unit

Crop = TypeVar("Crop", np.ndarray, Tensor)


def cover(pixels: Pixels, side: int, area: bool = False) -> Pixels:
    """Resize so that the shorter side has ``side`` pixels; small images grow. ``area`` as in ``resize``."""
    height, width, _ = pixels.shape
    scale = side / min(height, width)
    return resize(pixels, max(side, round(height * scale)), max(side, round(width * scale)), area)


def fit(pixels: Pixels, config: DataConfig, area: bool = False) -> Pixels:
    """Resize to ``config.resized``: the shorter side (cover), or both sides (stretch)."""
    if config.fit == "stretch":
        return resize(pixels, config.resized, config.resized, area)
    return cover(pixels, config.resized, area)


def centre_crop(pixels: Pixels, size: int) -> Pixels:
    """The ``size`` x ``size`` window in the middle."""
    height, width, _ = pixels.shape
    y, x = (height - size) // 2, (width - size) // 2
    return pixels[y : y + size, x : x + size]


def fit_and_crop(pixels: Pixels, config: DataConfig) -> Pixels:
    """``pixels`` as a training would show them, but always the same: resized, and cropped in the middle."""
    return centre_crop(fit(pixels, config), config.size)


def augment(pixels: Crop, config: DataConfig, pixel_format: PixelFormat, rng: Generator) -> Crop:
    """A random window of ``config.size``, mirrored, turned and changed in colour as the options say.

    Two images of one shape with equally seeded ``rng`` are changed in the same way, so pairs stay pairs.
    An image on a GPU (a tensor) is only cropped and mirrored.
    """
    height, width, _ = pixels.shape
    size = config.size
    y, x = rng.integers(0, height - size + 1), rng.integers(0, width - size + 1)
    mirrored = config.flip and rng.random() < 0.5
    window = pixels[y : y + size, x : x + size]
    if isinstance(window, Tensor):
        return window.flip(1) if mirrored else window
    if config.rotate:
        angle = math.radians(rng.uniform(-config.rotate, config.rotate))
        window = turned(pixels, pixel_format, int(y), int(x), size, angle)
    if config.jitter:
        factors = rng.uniform(1 - config.jitter, 1 + config.jitter, 3)
        window = jittered(window, pixel_format, *factors)
    return window[:, ::-1] if mirrored else window


def turned(
    pixels: Pixels, pixel_format: PixelFormat, y: int, x: int, size: int, angle: float
) -> Pixels:
    """The ``size`` window at (y, x), turned by ``angle`` radians about its own middle.

    Interpolation is bilinear; outside the image its reflection is read.
    """
    height, width, _ = pixels.shape
    cos, sin = math.cos(angle) * size, math.sin(angle) * size
    middle_x, middle_y = (2 * x + size) / width - 1, (2 * y + size) / height - 1
    turn = torch.tensor(
        [[[cos / width, -sin / width, middle_x], [sin / height, cos / height, middle_y]]]
    )
    grid = affine_grid(turn, [1, 1, size, size], align_corners=False)
    image = torch.from_numpy(to_unit(pixels, pixel_format)).permute(2, 0, 1)[None]
    out = grid_sample(image, grid.to(image.dtype), padding_mode="reflection", align_corners=False)
    return from_unit(out[0].permute(1, 2, 0).numpy(), pixel_format)


def jittered(
    pixels: Pixels, pixel_format: PixelFormat, brightness: float, contrast: float, saturation: float
) -> Pixels:
    """Brightness, contrast (about the mean) and, with three channels, saturation times these factors;
    clipped to the format's range."""
    x = to_unit(pixels, pixel_format)
    if x.shape[2] == 3:
        grey = (x @ LUMA)[..., None]
        x = grey + saturation * (x - grey)
    mean = x.mean()
    return from_unit(np.clip(brightness * (mean + contrast * (x - mean)), 0, 1), pixel_format)
