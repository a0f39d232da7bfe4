"""Small made-up scenes for the study: cheap to learn at 32 pixels, and each drawn in both domains."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from hwan.data.webtoon import to_bytes
from hwan.imaging.pixels import Pixels

FINER = 4  # drawn so much larger, then averaged: smooth edges
GROUNDS = ((96, 160, 70), (200, 160, 80), (170, 110, 80), (120, 150, 170))


def reduced(pixels: Pixels, size: int) -> Pixels:
    """``pixels`` averaged down to ``size`` x ``size``."""
    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BOX))


def _paint(image: Any, inside: Any, colour: Any) -> None:
    """Paint where ``inside`` (n, n) is true, in place."""
    image[inside] = np.asarray(colour, np.float32)


def hills(seed: int, size: int, night: bool) -> Pixels:
    """Hills under a sky, (size, size, 3) uint8; one seed is one scene, by day and by night.

    By night the sky is dark, the sun is the moon, the ground is dim and blue, and the windows are lit.
    That is more than a change of colours: the windows are dark by day and the brightest thing by night.
    """
    rng = np.random.default_rng(seed)
    n = FINER * size
    y, x = np.mgrid[:n, :n].astype(np.float32) / n
    top, low = ((10, 14, 46), (40, 40, 92)) if night else ((70, 140, 220), (196, 222, 240))
    horizon = rng.uniform(0.4, 0.6)
    share = np.clip(y / horizon, 0, 1)[..., None]
    image = np.array(top) * (1 - share) + np.array(low) * share + rng.normal(0, 6, 3)

    left, high, radius = rng.uniform(0.12, 0.88), rng.uniform(0.1, 0.24), rng.uniform(0.06, 0.09)
    round_ = np.hypot(x - left, y - high) < radius
    _paint(image, round_, (226, 226, 214) if night else (255, 236, 140))

    ground = np.array(GROUNDS[rng.integers(len(GROUNDS))]) + rng.integers(-14, 15, 3)
    for lift, shade in ((0.0, 0.8), (0.14, 1.0)):
        wave = np.sin(2 * np.pi * (rng.uniform(0.7, 1.6) * x + rng.random()))
        _paint(image, y > horizon + lift + 0.05 * wave, _by(ground * shade, night))
    for _ in range(int(rng.integers(1, 3))):
        foot, middle = rng.uniform(0.72, 0.95), rng.uniform(0.15, 0.85)
        wide, tall = rng.uniform(0.09, 0.13), rng.uniform(0.16, 0.24)
        wall = rng.integers(180, 240, 3)
        across, up = np.abs(x - middle), foot - y
        _paint(image, (across < wide) & (up > 0) & (up < tall), _by(wall, night))
        roof = (up >= tall) & (up < tall + 0.1) & (across < 1.25 * wide * (1 - (up - tall) / 0.13))
        _paint(image, roof, _by((150, 70, 56), night))
        beside, above = np.abs(across - 0.5 * wide), np.abs(up - 0.55 * tall)
        window = (beside < 0.28 * wide) & (above < 0.22 * tall)
        _paint(image, window, (255, 214, 110) if night else (60, 76, 100))
    return reduced(to_bytes(image / 255), size)


def _by(rgb: Any, night: bool) -> Any:
    """A surface's colour by day or by night, 0..255."""
    return np.asarray(rgb) * (np.array([0.26, 0.3, 0.5]) if night else 1.0)


def _blob(rng: np.random.Generator, size: int) -> tuple[Any, Any, Any, Any, float]:
    """A plain ground, another colour, a place and a radius: (image, colour, dx, dy, radius).

    Colours hardly vary: instance norm would hide the colour of a flat image from a network.
    """
    n = FINER * size
    y, x = np.mgrid[:n, :n].astype(np.float32) / n
    ground = np.array((56, 70, 110)) + rng.normal(0, 6, 3)
    colour = np.array((236, 180, 70)) + rng.normal(0, 6, 3)
    image = np.broadcast_to(ground, (n, n, 3)).astype(np.float32).copy()
    radius = rng.uniform(0.16, 0.26)
    middle = rng.uniform(0.05 + radius, 0.95 - radius, 2)
    return image, colour, x - middle[0], y - middle[1], float(radius)


def shapes(seed: int, size: int, square: bool) -> Pixels:
    """A disc, or in the other domain a diamond of the same place, area and colour."""
    image, colour, dx, dy, radius = _blob(np.random.default_rng(seed), size)
    disc = np.hypot(dx, dy) < radius
    diamond = np.abs(dx) + np.abs(dy) < radius * np.sqrt(np.pi / 2)
    _paint(image, diamond if square else disc, colour)
    return reduced(to_bytes(image / 255), size)


def stripes(seed: int, size: int, striped: bool) -> Pixels:
    """A disc, plain or in the other domain striped: the same shape in another texture."""
    image, colour, dx, dy, radius = _blob(np.random.default_rng(seed), size)
    disc = np.hypot(dx, dy) < radius
    _paint(image, disc, colour)
    if striped:
        band = (np.floor((dy + radius) * 12) % 2).astype(bool)
        _paint(image, disc & band, 255 - np.asarray(colour))
    return reduced(to_bytes(image / 255), size)
