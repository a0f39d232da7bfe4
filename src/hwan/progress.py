"""Long work on a screen: a live bar in a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hwan.training.run import Event, Interrupted, Note, Row

T = TypeVar("T")


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
        console=console,
        disable=not console.is_terminal,
    )


def watch(events: Iterable[Event]) -> Interrupted | None:
    """Show a training until it ends; return ``Interrupted`` if it was stopped.

    The bar carries the speed, the time left, the summed losses of each side and the health figures;
    without a terminal, notes and one line a tick are printed.
    """
    console = Console(file=sys.stderr)
    health: dict[str, float] = {}
    with _bar(console) as bar:
        task = bar.add_task("training", total=None, figures="")
        for event in events:
            if isinstance(event, Interrupted):
                return event
            if isinstance(event, Note):
                console.print(event.text, style="dim", markup=False, highlight=False)
                continue
            health = event.health or health
            bar.update(
                task, completed=event.images, total=event.total, figures=figures(event, health)
            )
            if event.tick and not console.is_terminal:
                line = f"{event.images}/{event.total} images  {figures(event, event.health)}"
                print(line, file=sys.stderr, flush=True)
    return None


def figures(row: Row, health: dict[str, float]) -> str:
    """One line: speed, generators' and discriminators' losses, health."""
    against = ("d_", "gp_", "r1_")  # penalties are the discriminators' too
    judges = sum(value for name, value in row.losses.items() if name.startswith(against))
    makers = sum(row.losses.values()) - judges
    parts = [f"{row.images_per_second:.1f} img/s", f"G {makers:.2f}", f"D {judges:.2f}"]
    return "  ".join(parts + [f"{name} {value:.2f}" for name, value in health.items()])


def track(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """Pass ``items`` on with a bar; without a terminal, one line at the end."""
    console = Console(file=sys.stderr)
    done = 0
    with _bar(console) as bar:
        task = bar.add_task(label, total=total, figures="")
        for item in items:
            yield item
            done += 1
            bar.update(task, completed=done)
    if not console.is_terminal:
        print(f"{label}: {done} of {total}", file=sys.stderr)
