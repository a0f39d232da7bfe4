"""What a test found, as tables on the screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwan.evaluation.results import Summary


def print_summaries(summaries: Mapping[str, Summary]) -> None:
    """Print a table for each direction and kind of figure, what was left out, the verdict, and warnings."""
    from hwan.evaluation.results import OURS, WORDS, shown
    from hwan.metrics.health_limits import warnings
    from hwan.metrics.records import METRICS

    for direction, summary in summaries.items():
        parts = (
            (summary.systems, "against the truth"),
            (summary.changed, "what was changed, by the masks"),
            (summary.distribution, "as a set"),
        )
        for systems, kind in parts:
            texts = {k: {m: shown(m, v) for m, v in f.items()} for k, f in systems.items()}
            print_table(f"{WORDS[direction]}, {kind}", texts)
        last = ", ".join(f"{METRICS[k].title} {shown(k, v)}" for k, v in summary.alone.items())
        print(f"{WORDS[direction]}: {summary.images} test images; {OURS}'s {last}\n")
    every = summaries.values()
    said = [text for s in every for text in s.words] + [t for s in every for t in s.left_out]
    print("\n".join(dict.fromkeys(said)))
    for alarm in warnings({name: value for s in every for name, value in s.health.items()}):
        print(f"warning: {alarm}")


def print_table(title: str, systems: Mapping[str, Mapping[str, str]]) -> None:
    """Print a line for each figure and a column for each system; figures that none has are left out."""
    from rich.console import Console
    from rich.table import Table

    from hwan.metrics.records import METRICS

    table = Table("", *systems, title=title, title_justify="left")
    for name, figure in METRICS.items():
        cells = [figures.get(name, "-") for figures in systems.values()]
        if set(cells) - {"-"}:
            table.add_row(figure.title, *cells)
    if table.row_count:
        Console().print(table)
