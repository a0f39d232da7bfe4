"""The report's sections on a run's log: curves, and health by traffic light."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from math import inf, isfinite, isinf
from pathlib import Path
from typing import Any

from hwan.evaluation.results import Summary
from hwan.metrics.health_limits import Finding
from hwan.report.chart import Curves, Point
from hwan.report.sections import Charts, Check, Checks

Log = Sequence[Mapping[str, Any]]
Rows = Sequence[tuple[float, Mapping[str, Any]]]
"""The images seen and the figures of each row of a log."""
NOTES = {
    "generators": "The height of an adversarial loss has no meaning, since both sides move. Cycle, "
    "identity, L1 and the like, times their weights, should fall and flatten.",
    "discriminators": "The height has no meaning, since both sides move. A discriminator at 0 for long "
    "teaches nothing.",
}
"""What to look for in the losses of an optimizer group."""


def read_log(run: Path) -> list[dict[str, Any]]:
    """The rows of the training's log; a generator folder has none."""
    path = run / "log.jsonl"
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines]


def grouped_losses(losses: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """The losses of a row of log.jsonl as {group: {name: value}}.

    Rows of version 1 hold {name: value}: there, the prefix tells a discriminator's loss.
    """
    if all(isinstance(value, Mapping) for value in losses.values()):
        return {group: dict(values) for group, values in losses.items()}
    found: dict[str, dict[str, float]] = {}
    for name, value in losses.items():
        group = "discriminators" if name.startswith(("d_", "gp_", "r1_")) else "generators"
        found.setdefault(group, {})[name] = value
    return found


def _series(rows: Rows, name: str) -> tuple[Point, ...]:
    return tuple((images, values[name]) for images, values in rows if name in values)


def curves(log: Log) -> Charts:
    """The losses of each optimizer group, learning rate and speed."""
    smooth = len(log) // 20
    rows = [(row["images"], grouped_losses(row["losses"])) for row in log]
    charts = []
    for group in dict.fromkeys(group for _, losses in rows for group in losses):
        values = [(images, losses.get(group, {})) for images, losses in rows]
        names = sorted({name for _, losses in values for name in losses})
        series = {name: _series(values, name) for name in names}
        title, note = f"Losses of the {group}", NOTES.get(group, "")
        charts.append(Curves(title, series, y_label="weighted loss", note=note, smooth=smooth))
    every = [(row["images"], row) for row in log]
    lr, speed = ({key: _series(every, key)} for key in ("lr", "images_per_second"))
    charts.append(Curves("Learning rate", lr, y_label="of Adam"))
    charts.append(Curves("Speed", speed, y_label="images a second", smooth=smooth))
    return Charts("Curves", tuple(charts))


def health(log: Log, summaries: Mapping[str, Summary]) -> dict[str, float]:
    """The last figures of the training, those of the test in place of them where it took them."""
    last: dict[str, float] = next((row["health"] for row in reversed(log) if row["health"]), {})
    found = (last, *(summary.health for summary in summaries.values()))
    return {k: value for figures in found for k, value in figures.items() if value is not None}


def checks(found: Sequence[Finding], log: Log, summaries: Mapping[str, Summary]) -> Checks:
    """The findings by traffic light, each with its history while training."""
    rows = [(row["images"], row["health"]) for row in log]
    items = []
    for limit, group in groupby(found, lambda finding: finding.limit):
        same = list(group)
        series = {f.place: _series(rows, f.figure) for f in same}
        series = {k: v for k, v in series.items() if any(isfinite(y) for _, y in v)}
        bound = next(((end, "limit") for end in limit.limits if 0 < abs(end) < inf), None)
        history = Curves(limit.title, series, threshold=bound, log_y=100 <= limit.good[1] < inf)
        drawn = history if any(len(points) > 1 for points in series.values()) else None
        readings = tuple((f.place, f.value, f.light) for f in same)
        fine = _range(*limit.good)
        items.append(Check(limit.title, limit.meaning, fine, readings, limit.advice, drawn))
    tested = any(summary.health for summary in summaries.values())
    return Checks(
        "Health",
        tuple(items),
        "Whether something broke, measured without true pictures. Collapse takes three figures "
        "(diversity, own outputs, input dependence), since each alone misses a case. "
        + ("Directions: from the test's images; the rest: " if tested else "All: ")
        + "from the last measurement while training. The small curves are the training's, the dashed "
        "red line the limit. docs/guide/health.md says how the limits were found.",
    )


def _range(low: float, high: float) -> str:
    if isinf(high):
        return f"{low:g} or more"
    return f"{high:g} or less" if low == 0 else f"{low:g} to {high:g}"
