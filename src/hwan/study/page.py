"""The study's page: every claim with its figure, pictures, table and verdict, in one HTML file."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hwan.files import write_atomic
from hwan.imaging.pixels import decode
from hwan.report.chart import Curves, plot
from hwan.report.page import template
from hwan.study.results import Result, rows, strips, text_of, total_seconds
from hwan.study.verdict import RULE

TONES = {
    "supported": "good",
    "conditional": "mixed",
    "refuted": "bad",
    "not seen at this scale": "none",
}


def write_page(results: Sequence[Result], path: Path) -> Path:
    """Write the claims' page, complete or not at all; returns ``path``."""
    page = template("study/study.html.jinja").render(
        claims=[_view(result) for result in results],
        counts={word: sum(r.verdict.word == word for r in results) for word in TONES},
        tones=TONES,
        rule=RULE,
        total=total_seconds(results),
        machines=sorted({result.machine for result in results}),
    )
    write_atomic(path, page.encode())
    return path


def _view(result: Result) -> dict[str, Any]:
    claim, verdict = result.claim, result.verdict
    return {
        "claim": claim,
        "id": claim.name,
        "word": verdict.word,
        "score": verdict.score,
        "tone": TONES[verdict.word],
        "checks": [
            {
                "text": c.prediction.text,
                "rule": c.prediction.rule(),
                "outcome": c.outcome,
                "effect": _short(c.mean),
                "interval": "—" if math.isnan(c.low) else f"{_short(c.low)} to {_short(c.high)}",
            }
            for c in verdict.checks
        ],
        "about": result.about,
        "columns": list(claim.figures),
        "rows": [(name, [text_of(value) for value in values]) for name, values in rows(result)],
        "dots": [_dots(result, figure) for figure in claim.figures],
        "plots": _plots(result),
        "grid": _grid(result),
        "notes": [
            f"{name}, seed {cell['seed']}: {cell['note']}"
            for name, cells in result.records.items()
            for cell in cells
            if cell["note"]
        ],
        "seeds": result.seeds,
        "command": result.command,
        "machine": result.machine,
        "cpu_seconds": result.cpu_seconds,
    }


def _dots(result: Result, figure: str) -> dict[str, Any]:
    """Every seed of every variant as a dot between the least and the greatest value, in percent."""
    values = {name: result.of(name, figure) for name in result.records}
    every = [value for found in values.values() for value in found]
    low, high = (min(0.0, *every), max(0.0, *every)) if every else (0.0, 0.0)
    span = (high - low) or 1.0
    return {
        "figure": figure,
        "meaning": result.claim.figures[figure],
        "low": _short(low),
        "high": _short(high),
        "rows": [
            (
                name,
                [round(100 * (value - low) / span, 1) for value in found],
                round(100 * (math.fsum(found) / len(found) - low) / span, 1) if found else None,
                text_of(result.mean_sd(name, figure)),
            )
            for name, found in values.items()
        ],
    }


def _plots(result: Result) -> list[dict[str, Any]]:
    """A plot for each kind of curve: of every variant the mean over the seeds."""
    found = []
    for name, (x_label, y_label, log) in result.claim.plots.items():
        series = {}
        for variant, cells in result.records.items():
            curves = [cell["curves"][name] for cell in cells if name in cell["curves"]]
            if curves:
                length = min(map(len, curves))
                series[variant] = tuple(
                    (curves[0][i][0], math.fsum(c[i][1] for c in curves) / len(curves))
                    for i in range(length)
                )
        if series:
            curve = Curves(y_label, series, x_label, y_label, log)
            found.append({"title": y_label, **plot(curve)})
    return found


def _grid(result: Result) -> list[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    return [(name, [(title, _embed(file)) for title, file in own]) for name, own in strips(result)]


def _embed(file: Path) -> dict[str, Any]:
    """A PNG file as it is, and its size."""
    height, width = decode(file).pixels.shape[:2]
    data = base64.b64encode(file.read_bytes()).decode()
    return {"src": f"data:image/png;base64,{data}", "width": width, "height": height}


def _short(value: float) -> str:
    if math.isnan(value):
        return "—"
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
