"""Long work on a screen: a live bar in a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TypeVar

from rich import progress
from rich.console import Console

from hwan.metrics.health_limits import Finding, findings, warnings
from hwan.training.recorder import Event, Interrupted, LogRow, Note

T = TypeVar("T")


def _bar(console: Console) -> progress.Progress:
    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("left"),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[figures]}"),
        console=console,
        disable=not console.is_terminal,
    )


def watch(events: Iterable[Event], first_results: int = 0) -> Interrupted | None:
    """Show a training until it ends; return ``Interrupted`` if it was stopped.

    Before ``first_results`` images it says how far they are: health tells what is broken, not what is good.
    The bar shows the speed, the time left, each optimizer group's summed losses and the health in a few
    words; without a terminal, notes and one line a tick are printed. A health figure that is bad at two
    measurements in a row, or at the last one, gets one line with advice, and another line when it is
    good again.
    """
    console = Console(file=sys.stderr)
    say = partial(console.print, markup=False, highlight=False)
    seen = total = 0
    suspects: dict[str, Finding] = {}
    alarms: dict[str, Finding] = {}
    health: dict[str, float] = {}
    with _bar(console) as bar:
        task = bar.add_task("training", total=None, figures="")
        for event in events:
            if isinstance(event, Interrupted):
                return event
            if isinstance(event, Note):
                say(event.text, style="dim")
                continue
            seen, total, health = event.images, event.total, event.health or health
            early = f"still early: {seen / first_results:.0%}  " if seen < first_results else ""
            bar.update(task, completed=seen, total=total, figures=early + figures(event, health))
            if event.tick and not console.is_terminal:
                line = f"{seen}/{total} images  {early}{figures(event, event.health)}"
                print(line, file=sys.stderr, flush=True)
            if event.health:
                bad = {found.figure: found for found in warnings(event.health)}
                lasting = {k: f for k, f in bad.items() if seen >= total or k in suspects}
                for line in changes(alarms, lasting):
                    say(f"{line} (image {seen})", style="yellow", soft_wrap=True)
                suspects, alarms = bad, lasting
    if 0 < seen < first_results:
        say(
            f"still early: outputs are worth judging after about {first_results} images, not {seen}"
        )
    return None


def changes(before: Mapping[str, Finding], now: Mapping[str, Finding]) -> list[str]:
    """Lines about the alarms ``now`` after the measurement ``before``: one for each new alarm, with all
    places of one limit together, and one for each alarm that is over."""
    new = [found for figure, found in now.items() if figure not in before]
    titles = dict.fromkeys(found.limit.title for found in new)
    lines = []
    for title in titles:
        same = [found for found in new if found.limit.title == title]
        values = ", ".join(f"{found.place} {found.value:.3g}" for found in same)
        limit = same[0].limit
        lines.append(f"warning: {limit.wrong} ({title.lower()}: {values}). Advice: {limit.advice}")
    over = [found for figure, found in before.items() if figure not in now]
    return lines + [f"well again: {found.limit.title.lower()}, {found.place}" for found in over]


def figures(row: LogRow, health: dict[str, float]) -> str:
    """One line: speed, each optimizer group's losses by its initial, and the health in a few words."""
    parts = [f"{row.images_per_second:.1f} img/s"]
    for group, losses in sorted(row.losses.items(), reverse=True):  # G before D
        parts.append(f"{group[0].upper()} {sum(losses.values()):.2f}")
    return "  ".join(parts + ([f"health: {in_brief(health)}"] if health else []))


def in_brief(health: Mapping[str, float]) -> str:
    """ "good", or what is not: "watch diversity A to B 0.35" """
    found = findings(health)
    for light in ("bad", "watch"):
        if some := [f for f in found if f.light == light]:
            first = f"{light} {some[0].limit.title.lower()} {some[0].place} {some[0].value:.2f}"
            return first + (f" and {len(some) - 1} more" if len(some) > 1 else "")
    return "good"


def track(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """Pass ``items`` on with a bar; without a terminal, one line at the end."""
    console, done = Console(file=sys.stderr), 0
    with _bar(console) as bar:
        task = bar.add_task(label, total=total, figures="")
        for done, item in enumerate(items, 1):
            yield item
            bar.update(task, completed=done)
    if not console.is_terminal:
        print(f"{label}: {done} of {total}", file=sys.stderr)
