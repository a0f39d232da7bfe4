"""A photograph drawn as a webtoon: smooth, quantise the tones, ink the edges."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hwan.imaging import pixels as image
from hwan.imaging.pixels import Pixels

Floats = Any  # float32 here, (H, W) or (H, W, 3); numpy widens types faster than values

LUMA = image.LUMA.astype(np.float32)
INK = np.array([0.07, 0.05, 0.12], np.float32)
TONES = 5


def _slide(x: Floats, axis: int, radius: int, weight: Callable[[int, Floats], Any]) -> Floats:
    """Weighted mean of each pixel's neighbours along one axis; weight(offset, neighbours)."""
    n = x.shape[axis]
    pad = [(radius, radius) if a == axis else (0, 0) for a in range(x.ndim)]
    padded = np.pad(x, pad, mode="reflect")
    total, mass = np.zeros_like(x), np.zeros_like(x[..., :1] if x.ndim == 3 else x)
    for k in range(2 * radius + 1):
        there = padded[k : k + n] if axis == 0 else padded[:, k : k + n]
        w = weight(k - radius, there)
        total += w * there
        mass += w
    return total / mass


def _gaussian(x: Floats, sigma: float) -> Floats:
    """(H, W) blurred by a Gaussian of `sigma` pixels."""
    near = np.float32(-0.5 / sigma**2)
    for axis in (0, 1):
        x = _slide(x, axis, math.ceil(3 * sigma), lambda d, _: np.exp(near * d * d))
    return x


def _bilateral(x: Floats, sigma: float = 2.2, tolerance: float = 0.1) -> Floats:
    """(H, W, 3) in [0, 1] smoothed, but not across edges: a separable bilateral filter.

    Pham and van Vliet 2005, "Separable bilateral filtering for fast video preprocessing".
    """
    near, like = np.float32(-0.5 / sigma**2), np.float32(-0.5 / tolerance**2)
    for axis in (0, 1):

        def weight(d: int, there: Floats, here: Floats = x) -> Floats:
            gap = there - here
            return np.exp(near * d * d + like * np.einsum("hwc,hwc->hw", gap, gap))[..., None]

        x = _slide(x, axis, math.ceil(2 * sigma), weight)
    return x


def webtoon(photo: Pixels) -> Pixels:
    """A photograph drawn as a webtoon: (H, W, 3) uint8 to the same shape, at least 16 x 16.

    The abstraction of Winnemöller, Olsen and Gooch 2006, "Real-time video abstraction": iterated
    bilateral smoothing, soft quantisation of the tones, difference-of-Gaussians lines. What is
    changed: the lines threshold the difference relative to the local brightness, so that shadows
    get theirs, and the colours are raised. Every step looks at a few pixels' surroundings only.
    Raises ValueError for another shape or dtype.
    """
    shape = photo.shape
    if len(shape) != 3 or shape[2] != 3 or min(shape[:2]) < 16 or photo.dtype != np.uint8:
        raise ValueError(f"webtoon wants uint8 (>= 16, >= 16, 3), not {photo.dtype} {shape}")
    x = photo.astype(np.float32) / np.float32(255)
    fine = _bilateral(_bilateral(x))  # lines from here, tones from the smoother image
    flat = _bilateral(_bilateral(fine))

    luma = fine @ LUMA
    wide = _gaussian(luma, 2.2)
    contrast = (_gaussian(luma, 0.9) - wide) / (wide + 0.12)
    paper = 1 + np.tanh(np.minimum(14 * (contrast + 0.03), 0))[..., None]  # 1: bare, 0: inked

    luma = flat @ LUMA
    level = np.round(luma * TONES)  # the step lies half-way between two tones, a pixel or so wide
    tone = (level + 0.5 * np.tanh(9 * (luma * TONES - level))) / TONES
    tone = 0.06 + 0.99 * np.clip(tone, 0, 1) ** 0.85
    drawn = np.clip(tone[..., None] + 1.5 * (flat - luma[..., None]), 0, 1)
    return to_bytes(drawn * paper + (1 - paper) * INK)


def to_bytes(x: Any) -> Pixels:
    """Floats in [0, 1], clipped and rounded to 0..255."""
    pixels: Pixels = np.round(np.clip(x, 0, 1) * 255).astype(np.uint8)
    return pixels
