"""The study's page: every claim with its figure, pictures, table and verdict, in one HTML file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, get_args

from hwan.files import write_atomic
from hwan.imaging.pixels import decode
from hwan.report.chart import Curves, plot
from hwan.report.page import template
from hwan.study.results import Result, machines, strips, total_seconds
from hwan.study.verdict import RULE, Word, short


def write_page(results: Sequence[Result], path: Path) -> None:
    """Write the claims' page, complete or not at all."""
    page = template("study/study.html.jinja").render(
        claims=[_view(result) for result in results],
        counts={word: sum(r.verdict.word == word for r in results) for word in get_args(Word)},
        rule=RULE,
        total=total_seconds(results),
        machines=machines(results),
    )
    write_atomic(path, page.encode())


def _view(result: Result) -> dict[str, Any]:
    """What the template needs of a result beyond the result itself."""
    return {
        "result": result,
        "dots": [_dots(result, figure) for figure in result.claim.figures],
        "plots": _plots(result),
        "grid": [(name, [(t, _embed(file)) for t, file in own]) for name, own in strips(result)],
    }


def _dots(result: Result, figure: str) -> dict[str, Any]:
    """Every seed of every variant as a dot between the least and the greatest value, in percent."""
    values = {name: result.of(name, figure) for name in result.cells}
    every = [0.0, *(value for found in values.values() for value in found)]
    low, high = min(every), max(every)

    def place(value: float) -> float:
        return round(100 * (value - low) / ((high - low) or 1.0), 1)

    return {
        "figure": figure,
        "low": short(low),
        "high": short(high),
        "rows": [
            (name, [*map(place, v)], place(fmean(v)) if v else None, result.text_of(name, figure))
            for name, v in values.items()
        ],
    }


def _plots(result: Result) -> list[dict[str, Any]]:
    """A plot for each kind of curve: every variant's mean over the seeds."""
    found = []
    for name, (x_label, y_label, log) in result.claim.plots.items():
        series = {}
        for variant, cells in result.cells.items():
            curves = [cell["curves"][name] for cell in cells if name in cell["curves"]]
            if curves:
                # Curves of several seeds may differ in length: the mean ends with the shortest.
                points = zip(*curves, strict=False)
                series[variant] = tuple((at[0][0], fmean(y for _, y in at)) for at in points)
        if series:
            found.append({"title": y_label, **plot(Curves(y_label, series, x_label, y_label, log))})
    return found


def _embed(file: Path) -> dict[str, Any]:
    """A PNG file as it is, and its size."""
    height, width = decode(file).pixels.shape[:2]
    data = base64.b64encode(file.read_bytes()).decode()
    return {"src": f"data:image/png;base64,{data}", "width": width, "height": height}
