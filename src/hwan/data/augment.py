"""Random changes, drawn anew every time an image is seen."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from hwan.config import DataConfig, PixelFormat
from hwan.imaging.pixels import LUMA, Pixels, from_unit, to_unit

Crop = TypeVar("Crop", np.ndarray, Tensor)


def augment(
    pixels: Crop, config: DataConfig, pixel_format: PixelFormat, rng: np.random.Generator
) -> Crop:
    """A random ``config.size`` window, as the options say turned, mirrored and changed in colour.

    Two images of one shape with equally seeded ``rng`` get the same of everything: pairs stay pairs.
    A picture that lies on a GPU (a tensor) is cropped and mirrored there, and nothing more.
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
        window = jittered(
            window, pixel_format, *rng.uniform(1 - config.jitter, 1 + config.jitter, 3)
        )
    return window[:, ::-1] if mirrored else window


def turned(
    pixels: Pixels, pixel_format: PixelFormat, y: int, x: int, size: int, angle: float
) -> Pixels:
    """The ``size`` window at (y, x) of the picture turned by ``angle`` radians about its middle.

    Bilinear; what lies outside the picture is its reflection.
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
    """Factors of brightness, contrast about the mean, and (of three channels) saturation, clipped."""
    x = to_unit(pixels, pixel_format)
    if x.shape[2] == 3:
        grey = (x @ LUMA)[..., None]
        x = grey + saturation * (x - grey)
    mean = x.mean()
    return from_unit(np.clip(brightness * (mean + contrast * (x - mean)), 0, 1), pixel_format)


def centre_crop(pixels: Pixels, size: int) -> Pixels:
    """The ``size`` x ``size`` window in the middle."""
    height, width, _ = pixels.shape
    y, x = (height - size) // 2, (width - size) // 2
    return pixels[y : y + size, x : x + size]
