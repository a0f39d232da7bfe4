"""Curves as plain numbers a page can draw: scaled paths, round ticks, thinned points."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any, TypeAlias

POINTS = 400  # a plot is about 900 px wide: more points cannot be told apart

Point: TypeAlias = "tuple[float, float]"


@dataclass(frozen=True)
class Curves:
    """Lines over a common x axis. Non-finite values (on a log axis also <= 0) leave a gap. With
    ``smooth`` a moving mean over that many points is drawn, and the points themselves faintly."""

    title: str
    series: dict[str, tuple[Point, ...]]
    x_label: str = "images seen"
    y_label: str = ""
    log_y: bool = False
    note: str = ""
    threshold: tuple[float, str] | None = None
    smooth: int = 0


def plot(curves: Curves) -> dict[str, Any]:
    """Paths in a 1000 x 1000 box that the page stretches; labels stand at percentages of it."""
    floor = 1e-99 if curves.log_y else -1e99

    def drawable(point: Point) -> bool:
        return abs(point[0]) < 1e99 and floor < point[1] < 1e99

    runs = {
        name: [list(run) for good, run in groupby(points, drawable) if good]
        for name, points in curves.series.items()
    }
    xs, ys = ([p[i] for parts in runs.values() for run in parts for p in run] for i in (0, 1))
    if not xs:
        return {"lines": []}
    limit = curves.threshold
    limit = limit if limit and drawable((0, limit[0])) else None
    ys += [limit[0]] if limit else []
    x_low, x_high = _widen(min(xs), max(xs))
    y_ticks = _log_ticks(min(ys), max(ys)) if curves.log_y else _ticks(*_widen(min(ys), max(ys)), 1)
    scale: Callable[[float], float] = math.log10 if curves.log_y else float
    y_low, y_high = scale(y_ticks[0]), scale(y_ticks[-1])

    def across(x: float) -> float:
        return round(100 * (x - x_low) / (x_high - x_low), 2)

    def down(y: float) -> float:
        return round(100 * (y_high - scale(y)) / (y_high - y_low), 2)

    def drawn(run: list[Point]) -> str:
        # A line of no length (h0) shows as a dot under round caps: a point between two gaps.
        return "M" + "L".join(f"{10 * across(x):.5g} {10 * down(y):.5g}" for x, y in run) + "h0"

    lines = []
    for name, parts in runs.items():
        flat = [point for run in parts for point in run]
        thin = [_thin(run, POINTS * len(run) // len(flat)) for run in parts]
        means = [_thin(_mean(run, curves.smooth), POINTS * len(run) // len(flat)) for run in parts]
        by_height = sorted(flat, key=lambda point: point[1])
        marked = (*flat[-1:], *by_height[:1], *by_height[-1:])
        lines.append(
            {
                "name": name,
                "path": "".join(map(drawn, means)),
                "faint": "".join(map(drawn, thin)) if curves.smooth > 1 else "",
                "marks": [(float(y), _tick_text(float(f"{x:.4g}"))) for x, y in marked],
                "missing": len(curves.series[name]) - len(flat),
                "points": [[float(f"{v:.7g}") for v in point] for run in thin for point in run],
            }
        )
    return {
        "lines": lines,
        "log_y": curves.log_y,
        "x_label": curves.x_label,
        "y_label": curves.y_label,
        "gutter": max(len(_tick_text(tick)) for tick in y_ticks),  # characters left of the axis
        "range": [float(x_low), float(x_high)],
        "x_ticks": [(across(tick), _tick_text(tick)) for tick in _ticks(x_low, x_high)],
        "y_ticks": [(down(tick), _tick_text(tick)) for tick in y_ticks],
        "limit": limit and (down(limit[0]), limit[1]),
    }


def _thin(run: list[Point], budget: int) -> list[Point]:
    """About ``budget`` points at most: the ends, and the extremes of each stretch between."""
    step = math.ceil(2 * len(run) / max(budget, 4))
    if step <= 2:
        return run
    kept = []
    for start in range(1, len(run) - 1, step):
        part = sorted(run[start : min(start + step, len(run) - 1)], key=lambda point: point[1])
        kept += sorted({part[0], part[-1]})
    return [run[0], *kept, run[-1]]


def _mean(run: list[Point], width: int) -> list[Point]:
    """The run's moving mean over ``width`` points, fewer towards its ends (as many on both sides)."""
    if width < 2:
        return run
    sums = [0.0, *accumulate(y for _, y in run)]
    reach = [min(width // 2, i, len(run) - 1 - i) for i in range(len(run))]
    return [
        (x, (sums[i + r + 1] - sums[i - r]) / (2 * r + 1))
        for i, ((x, _), r) in enumerate(zip(run, reach, strict=True))
    ]


def _widen(low: float, high: float) -> tuple[float, float]:
    """The range itself, or one around it where it has no width to speak of."""
    size = max(abs(low), abs(high))
    if high - low > max(1e-9 * size, 1e-99):
        return low, high
    return (low - size / 10, high + size / 10) if size > 1e-90 else (-1.0, 1.0)


def _ticks(low: float, high: float, outer: int = 0) -> list[float]:
    """Four to seven round values within the range, with ``outer`` = 1 enclosing it."""
    unit = 10.0 ** magnitude((high - low) / 5)
    step = next(m * unit for m in (1, 2, 2.5, 5, 10) if m * unit > 0.999 * (high - low) / 5)
    start, stop, slack = (math.floor, math.ceil, 1e-6) if outer else (math.ceil, math.floor, -1e-6)
    return [n * step for n in range(start(low / step + slack), stop(high / step - slack) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten that enclose ``low`` (> 0) and ``high``; 1-2-5 steps where those are few."""
    first, last = magnitude(low), math.ceil(math.log10(high))
    if last - first > 2:
        stride = math.ceil((last - first) / 6)
        return [10.0**n for n in range(first, last + stride, stride)]
    fine = [m * 10.0**n for n in range(first - 1, last + 2) for m in (1, 2, 5)]
    start = max(i for i, tick in enumerate(fine) if tick <= low)
    stop = next(i for i, tick in enumerate(fine) if i > start and tick >= high)
    return fine[start : stop + 1]


def _tick_text(value: float) -> str:
    """A short number: 0.25, 40, 2.5k, 200k, 1e-5."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if unit <= abs(value) < 1e12:
            return f"{value / unit:.9g}{letter}"
    return f"{value:.9g}"


def magnitude(number: float) -> int:
    """The power of ten at or below a number's size."""
    return math.floor(math.log10(abs(number)))
