"""Pages with every kind of section, to look at and to measure."""

from __future__ import annotations

import numpy as np

from hwan.report.chart import Curves
from hwan.report.page import render
from hwan.report.sections import (
    Charts,
    Check,
    Checks,
    Compare,
    CompareItem,
    Facts,
    Frames,
    Gallery,
    Report,
    Section,
    Table,
)

NASTY = "\"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}'.png"


def page_of(*sections: Section) -> str:
    return render(Report("Title", "Summary", "none", sections))


def flat(side: int, level: int) -> np.ndarray:
    return np.full((side, side, 3), level, np.uint8)


def photos(count: int, side: int = 256, seed: int = 0) -> list[np.ndarray]:
    """Pictures about as hard to compress as busy photographs, (side, side, 3)."""
    rng, size = np.random.default_rng(seed), 1024
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)) + 1 / size
    waves = np.fft.ifft2(np.fft.fft2(rng.normal(size=(3, size, size))) / frequency**1.5).real
    waves /= waves.std(axis=(1, 2), keepdims=True)
    light, colour = waves[0], waves[1:]
    field = np.stack([light, light + colour[0] / 4, light + colour[1] / 4], axis=2)
    field = np.clip(128 + 45 * field, 0, 255).astype(np.uint8)
    corners = rng.integers(0, size - side, (count, 2))
    return [field[y : y + side, x : x + side] for y, x in corners]


def full(name: str = "horse.png", count: int = 3) -> Report:
    """A report with every section, ``name`` wherever the caller has a say."""
    steps = [(1000.0 * i, 90.0 / (i + 1)) for i in range(20)]
    named = [(f"{name} {i}", flat(96, 40 * i)) for i in range(5)]
    return Report(
        name,
        f"First {name}.\n\nSecond.",
        "good",
        (
            Table(
                name,
                (name, "FID"),
                ((name, 12.5), ("b", None)),
                name,
                {"FID": "low"},
                {"FID": 1},
                {name: name},
            ),
            Curves(name, {name: tuple(steps)}, name, name, False, name, (20.0, name)),
            Charts(name, (Curves(name, {name: tuple(steps)}, smooth=5, note=name),), name),
            Checks(
                name,
                (
                    Check(
                        name,
                        name,
                        name,
                        ((name, 0.1, "bad"), (name, 0.9, "good")),
                        name,
                        Curves(name, {name: tuple(steps)}, threshold=(20.0, name)),
                    ),
                    Check(name, name, name, ((name, float("nan"), "unknown"),)),
                ),
                name,
            ),
            Frames(name, tuple(named), name, (name, name)),
            Compare(
                name,
                tuple(
                    CompareItem(
                        f"{name} {i}",
                        flat(160, 0),
                        flat(160, 255),
                        flat(160, 99),
                        name,
                        {name: float(-abs(i - 3)), "other": float("nan")},
                    )
                    for i in range(count)
                ),
                name,
            ),
            Facts(name, {name: name}, name),
            Facts(name, {f"data.{i}": name for i in range(13)}, name),
            Gallery(name, tuple(named), name),
        ),
        {name: name},
        (name,),
    )
