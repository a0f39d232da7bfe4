"""Drawn landscapes: one seed is one scene, by day and by night."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator, default_rng
from PIL import Image, ImageDraw, ImageFilter

from hwan.data.scenes import reduced
from hwan.data.webtoon import to_bytes
from hwan.imaging.pixels import Pixels

SEASONS = (  # colours by day of the far hills, the near hills and the ground
    ((138, 170, 190), (88, 142, 84), (126, 176, 74)),  # spring
    ((176, 164, 178), (168, 112, 66), (206, 164, 82)),  # autumn
    ((160, 180, 206), (150, 172, 196), (236, 240, 246)),  # snow
    ((150, 150, 190), (70, 128, 122), (110, 160, 120)),  # highland
    ((206, 176, 160), (190, 132, 96), (226, 190, 134)),  # desert
)
SKIES = (  # zenith and horizon by day, zenith and horizon by night
    ((64, 140, 220), (196, 226, 244), (8, 10, 36), (34, 42, 92)),
    ((88, 160, 214), (250, 226, 190), (12, 8, 40), (64, 40, 96)),
    ((70, 170, 200), (220, 240, 220), (4, 14, 34), (22, 66, 88)),
    ((120, 150, 220), (248, 214, 216), (16, 10, 44), (84, 44, 84)),
)
ROOFS = ((176, 74, 58), (92, 98, 128), (150, 96, 60))


def _lit(rgb: Any, night: bool) -> Any:
    """A surface's colour (0..255) in the light of day or of the moon, (..., 3) in [0, 1]."""
    x = np.asarray(rgb, np.float32) / 255
    return x * np.array([0.3, 0.36, 0.56], np.float32) + np.float32(0.03) if night else x


def _mix(under: Any, over: Any, share: Any) -> Any:
    return under + (over - under) * np.clip(share, 0, 1)


def _noise(rng: Generator, n: int, down: int, across: int) -> Any:
    """Smooth noise in about [-1, 1], (n, n, 1), from ``down`` x ``across`` random values."""
    coarse = Image.fromarray(rng.uniform(-1, 1, (down, across)).astype(np.float32))
    return np.asarray(coarse.resize((n, n), Image.Resampling.BICUBIC))[..., None]


def _sky(rng: Generator, y: Any, x: Any, horizon: float, sun: Any, tints: Any, night: bool) -> Any:
    """Gradient, clouds, and the sun, or the moon and the stars: (n, n, 3) in [0, 1]."""
    n, radius = len(y), rng.uniform(0.05, 0.08)
    away = np.hypot(x - sun[0], y - sun[1])
    bite = np.hypot(x - sun[0] + radius * 0.55, y - sun[1] + radius * 0.25)  # makes it a crescent
    stars = np.zeros((n, n, 1), np.float32)
    for left, top, bright in rng.random((30, 3)):
        row, column = int(top * n * horizon), int(left * n)
        stars[row : row + 3, column : column + 3] = bright
    puffs = 0.6 * _noise(rng, n, 14, 6) + 0.4 * _noise(rng, n, 28, 14) + rng.uniform(-0.25, 0.15)
    clouds = np.clip(3.5 * puffs, 0, 0.85) * np.clip(1.3 - y / horizon, 0, 1)
    image = _mix(tints[0], tints[1], (y / horizon) ** 1.4)
    if not night:
        image = _mix(image, 1, clouds)
        image = _mix(image, np.array([1, 0.97, 0.8]), 0.8 * np.exp(-((away / radius / 2) ** 2)))
        return _mix(image, np.array([1, 0.93, 0.55]), (radius - away) * n)
    image = _mix(image + stars * (1 - y / horizon), np.array([0.2, 0.22, 0.38]), 0.75 * clouds)
    image = image + np.array([0.28, 0.3, 0.36]) * np.exp(-((away / radius / 2.4) ** 2))
    crescent = np.minimum(radius - away, bite - radius) * n
    return _mix(image, np.array([0.98, 0.96, 0.84]), crescent)


def _house(
    pen: Any, lamps: Any, x: float, y: float, tall: float, wall: Any, roof: Any, night: bool
) -> None:
    """A house standing at (x, y). Its windows are drawn among the lamps too, which shine by night."""
    wide, high = tall * 0.62, tall * 0.6
    pen.rectangle((x - wide, y - high, x + wide, y), _ink(wall, night))
    pen.rectangle((x + wide * 0.4, y - high, x + wide, y), _ink(wall * 0.82, night))
    eaves, ridge = y - high, y - high * 1.75
    corners = ((-1.2, eaves), (-0.7, ridge), (0.7, ridge), (1.2, eaves))
    pen.polygon([(x + wide * side, level) for side, level in corners], _ink(roof, night))
    for side in (-0.62, -0.06, 0.56):
        left, right = x + wide * side, x + wide * (side + 0.34)
        box = (left, y - high * 0.78, right, y - high * 0.32)
        pen.rectangle(box, (255, 214, 120) if night else (74, 92, 118))
        lamps.rectangle(box, (255, 170, 70))


def _tree(pen: Any, x: float, y: float, tall: float, leaf: Any, conifer: bool, night: bool) -> None:
    """A tree standing at (x, y), lit from the left."""
    dark, light = _ink(leaf, night), _ink(leaf * 1.25 + 8, night)
    pen.rectangle((x - tall * 0.06, y - tall * 0.3, x + tall * 0.06, y), _ink((96, 70, 52), night))
    for step in range(3) if conifer else ():
        low, reach = y - tall * (0.2 + 0.34 * step), tall * (0.42 - 0.1 * step)
        for right, colour in ((reach, dark), (-0.2 * reach, light)):
            pen.polygon(((x - reach, low), (x, low - tall * 0.62), (x + right, low)), colour)
    if not conifer:
        pen.ellipse((x - tall * 0.4, y - tall * 1.1, x + tall * 0.4, y - tall * 0.2), dark)
        pen.ellipse((x - tall * 0.3, y - tall * 1.05, x + tall * 0.12, y - tall * 0.55), light)


def _ink(rgb: Any, night: bool) -> tuple[int, ...]:
    return tuple(to_bytes(_lit(rgb, night)).tolist())


def landscape(seed: int, size: int, night: bool) -> Pixels:
    """A drawn landscape, (size, size, 3) uint8; one seed is one scene, by day and by night.

    Sky, clouds, sun or moon, hills, a lake or a path, trees, houses. By night stars come out, the
    windows are lit and snow outshines the sky: no recolouring turns one into the other. Raises
    ValueError for a size outside 16..1024 or a negative seed.
    """
    if seed < 0 or not 16 <= size <= 1024:
        raise ValueError(f"landscape wants a seed >= 0 and a size in 16..1024, not {seed}, {size}")
    rng = default_rng(seed)
    n = 3 * size  # drawn larger, then averaged: smooth edges
    y, x = (np.mgrid[:n, :n].astype(np.float32) / n)[..., None]
    season = [np.array(c) + rng.integers(-12, 13, 3) for c in SEASONS[rng.integers(len(SEASONS))]]
    tints = np.array(SKIES[rng.integers(len(SKIES))]).reshape(2, 2, 3)[int(night)] / 255
    horizon, sun = rng.uniform(0.42, 0.6), (rng.uniform(0.12, 0.88), rng.uniform(0.1, 0.26))
    image = _sky(rng, y, x, horizon, sun, tints, night)

    for colour, rough, lift in zip(season, (0.06, 0.036, 0.015), (0, 0.07, 0.13), strict=True):
        ridge = horizon + lift
        for f in (1, 2, 3.3, 6.1):
            ridge = ridge + rough / f * np.sin(2 * np.pi * (f * x + rng.random()))
        grain = 1 + 0.06 * _noise(rng, n, 40, 40) + 0.05 * _noise(rng, n, 12, 8)
        shade = 1.06 - 0.25 * np.clip((y - ridge) / 0.3, 0, 1)
        image = _mix(image, _lit(colour, night) * grain * shade, (y - ridge) * n)
    if rng.random() < 0.5:  # a lake, with the light of the sun or moon on it
        ripple, waves = _noise(rng, n, 60, 6), np.sin(2 * np.pi * (1.5 * x + rng.random()))
        shore, ground = rng.uniform(0.78, 0.86) + 0.02 * waves, 0.8
        water = _mix(0.85 * tints[1], tints[0], (y - shore) * 3) * (1 + 0.14 * ripple)
        glitter = np.exp(-(((x - sun[0]) / 0.09) ** 2)) * (0.4 + 0.45 * ripple)
        water = _mix(water, np.array([1, 0.97, 0.82]), glitter)
        image = _mix(image, water, (y - shore) * n)
    else:  # a path, from the foreground into the hills
        ground, top = 0.94, horizon + 0.15
        along = np.clip((y - top) / (1 - top), 0, 1)
        middle = rng.uniform(0.3, 0.7) + rng.uniform(-0.18, 0.18) * np.sin(np.pi * along)
        inside = (0.01 + 0.12 * along**1.5 - np.abs(x - middle)) * n * (y > top)
        sand = _lit((214, 190, 150), night) * (1 + 0.07 * _noise(rng, n, 40, 20))
        image = _mix(image, sand, inside)

    canvas = Image.fromarray(to_bytes(image))
    glow = Image.new("RGB", canvas.size)
    pen, lamps = ImageDraw.Draw(canvas), ImageDraw.Draw(glow)
    wall, roof = rng.integers(176, 246, 3), np.array(ROOFS[rng.integers(len(ROOFS))])
    leaf, conifer = season[1] * 0.55 + np.array([0, 24, 6]), rng.random() < 0.6
    places = [(rng.uniform(horizon + 0.14, ground), *rng.random(2)) for _ in range(12)]
    for k, (foot, left, extra) in enumerate(sorted(places)):  # the farthest first
        tall = (0.05 + 0.32 * (foot - horizon)) * (0.8 + 0.4 * extra) * n
        if k % 4 == 2:
            _house(pen, lamps, left * n, foot * n, tall, wall, roof, night)
        else:
            shade = leaf * (0.8 + 0.35 * extra)
            _tree(pen, left * n, foot * n, tall, shade, conifer, night)
    if night:
        halo = np.asarray(glow.filter(ImageFilter.GaussianBlur(n / 36)), np.float32) / 255
        canvas = Image.fromarray(to_bytes(np.asarray(canvas) / 255 + 0.8 * halo))
    return reduced(np.asarray(canvas), size)
