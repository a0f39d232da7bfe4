"""What a run's log says over time, as sections of the report: curves, and health by traffic light."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hwan.evaluation.results import Summary
from hwan.metrics.health_limits import Finding
from hwan.report.chart import Curves
from hwan.report.page import Charts, Check, Checks

Log = Sequence[Mapping[str, Any]]


def _series(log: Log, key: str, name: str) -> tuple[tuple[float, float], ...]:
    return tuple((row["images"], row[key][name]) for row in log if name in row[key])


def losses_by_group(losses: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A row's losses by optimizer group; version 0.1 wrote them flat, the discriminators' by prefix."""
    if all(isinstance(value, Mapping) for value in losses.values()):
        return {group: dict(values) for group, values in losses.items()}
    against = ("d_", "gp_", "r1_")
    return {
        "generators": {k: v for k, v in losses.items() if not k.startswith(against)},
        "discriminators": {k: v for k, v in losses.items() if k.startswith(against)},
    }


def curves(log: Log) -> Charts:
    """Losses by kind, learning rate and speed."""
    flat = [
        {k: v for values in losses_by_group(row["losses"]).values() for k, v in values.items()}
        for row in log
    ]
    log = [{**row, "losses": losses} for row, losses in zip(log, flat, strict=True)]
    losses = sorted({name for row in log for name in row["losses"]})
    groups = {
        "Adversarial losses": (
            [n for n in losses if n.startswith(("gan", "d_"))],
            "Their height has no meaning: both sides move. A discriminator (d_) at 0 for long teaches "
            "nothing.",
        ),
        "Gradient penalties": ([n for n in losses if n.startswith(("gp_", "r1_"))], ""),
        "What ties output to input": (
            [n for n in losses if not n.startswith(("gan", "d_", "gp_", "r1_"))],
            "Cycle, identity, L1 and the like, times their weights. These should fall and flatten.",
        ),
    }
    smooth = len(log) // 20
    charts = [
        Curves(
            name,
            {loss: _series(log, "losses", loss) for loss in some},
            y_label="weighted loss",
            note=note,
            smooth=smooth,
        )
        for name, (some, note) in groups.items()
        if some
    ]
    for key, name, unit in (("lr", "Learning rate", "of Adam"),
                            ("images_per_second", "Speed", "images a second")):  # fmt: skip
        points = tuple((row["images"], row[key]) for row in log)
        width = smooth if key != "lr" else 0
        charts.append(Curves(name, {key: points}, y_label=unit, smooth=width))
    return Charts("Curves", tuple(charts))


def health(log: Log, summaries: Mapping[str, Summary]) -> dict[str, float]:
    """The last figures of the training, those of the test in place of them where it took them."""
    last: dict[str, float] = next((row["health"] for row in reversed(log) if row["health"]), {})
    tested = {
        name: value for summary in summaries.values() for name, value in summary.health.items()
    }
    return {name: value for name, value in {**last, **tested}.items() if value is not None}


def checks(found: Sequence[Finding], log: Log, summaries: Mapping[str, Summary]) -> Checks:
    """The findings by traffic light, each sign with its history while training."""
    by_sign: dict[str, list[Finding]] = {}
    for finding in found:
        by_sign.setdefault(finding.sign.title, []).append(finding)
    items = []
    for same in by_sign.values():
        sign = same[0].sign
        every = {f.place: _series(log, "health", f.figure) for f in same}
        series = {k: v for k, v in every.items() if any(math.isfinite(y) for _, y in v)}
        bound = next((end for end in sign.limits if 0 < abs(end) < math.inf), None)
        drawn = any(len(points) > 1 for points in series.values())
        items.append(
            Check(
                sign.title,
                sign.meaning,
                _range(*sign.good),
                tuple((f.place, f.value, f.light) for f in same),
                sign.advice,
                Curves(
                    sign.title,
                    series,
                    threshold=None if bound is None else (bound, "limit"),
                    log_y=100 <= sign.good[1] < math.inf,
                )
                if drawn
                else None,
            )
        )
    tested = any(summary.health for summary in summaries.values())
    return Checks(
        "Health",
        tuple(items),
        "Whether something broke, told without true pictures. Collapse takes three figures "
        "(diversity, own outputs, input dependence), since each alone misses a case. "
        + ("Directions: from the test's images; the rest: " if tested else "All: ")
        + "from the last measurement while training. The small curves are the training's, the dashed "
        "red line the limit. docs/guide/health.md says how the limits were found.",
    )


def _range(low: float, high: float) -> str:
    if math.isinf(high):
        return f"{low:g} or more"
    return f"{high:g} or less" if low == 0 else f"{low:g} to {high:g}"
