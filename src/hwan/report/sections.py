"""What a page is made of: plain data, a class for each kind of section."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from hwan.metrics.health_limits import Light
from hwan.report.chart import Curves

Cell: TypeAlias = "str | float | int | None"
Verdict = Literal["good", "mixed", "bad", "none"]


@dataclass(frozen=True)
class Table:
    """Rows under named columns. ``better`` names the columns whose highest or lowest is marked,
    but for the rows named in ``aside``; ``decimals`` fixes a column's, ``meaning`` explains columns in a
    fold under the table."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    better: dict[str, Literal["high", "low"]] = field(default_factory=dict)
    decimals: dict[str, int] = field(default_factory=dict)
    meaning: dict[str, str] = field(default_factory=dict)
    aside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Charts:
    """Several plots side by side."""

    title: str
    charts: tuple[Curves, ...]
    note: str = ""


@dataclass(frozen=True)
class Check:
    """One thing examined: for each place (place, value, light), the range that is fine, what it means,
    and what to do where it is not. ``history`` is drawn small beside it."""

    title: str
    meaning: str
    fine: str
    readings: tuple[tuple[str, float, Light], ...]
    advice: str = ""
    history: Curves | None = None

    @property
    def light(self) -> Light:
        """The worst light of its readings."""
        order = ("bad", "watch", "good", "unknown").index
        return min((light for _, _, light in self.readings), key=order, default="unknown")


@dataclass(frozen=True)
class Checks:
    """Health by traffic light."""

    title: str
    items: tuple[Check, ...]
    note: str = ""


@dataclass(frozen=True, eq=False)
class Frames:
    """Named pictures in order of time, shown one at a time under a scrubber. ``heads`` stand over a
    picture's columns, which are of one width."""

    title: str
    frames: tuple[tuple[str, np.ndarray], ...]
    note: str = ""
    heads: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class CompareItem:
    """One picture before and after, and the truth where it is known. By ``figures``, named numbers, the
    reader may sort."""

    name: str
    before: np.ndarray
    after: np.ndarray
    truth: np.ndarray | None = None
    caption: str = ""
    figures: dict[str, float] = field(default_factory=dict)

    def finite(self, names: Sequence[str]) -> list[float | None]:
        """The figures of ``names``; None, as JSON has it, where one is missing or not finite."""
        values = (self.figures.get(name, math.nan) for name in names)
        return [value if math.isfinite(value) else None for value in values]


@dataclass(frozen=True, eq=False)
class Compare:
    """Pictures under a before/after slider."""

    title: str
    items: tuple[CompareItem, ...]
    note: str = ""

    @property
    def sortable(self) -> list[str]:
        """The figures that any item has, by name."""
        return list(dict.fromkeys(name for item in self.items for name in item.figures))


@dataclass(frozen=True)
class Facts:
    """Names and values: a configuration, an environment. Long lists start folded; dotted names are
    grouped by what stands before the dot."""

    title: str
    facts: dict[str, str]
    note: str = ""

    @property
    def groups(self) -> dict[str, dict[str, str]]:
        """The facts by what stands before the last dot of their names."""
        groups: dict[str, dict[str, str]] = {}
        for name, value in self.facts.items():
            group, _, rest = name.rpartition(".")
            if not group.isidentifier():
                group, rest = "", name
            groups.setdefault(group, {})[rest] = value
        return groups


@dataclass(frozen=True, eq=False)
class Gallery:
    """Pictures with their names under them."""

    title: str
    pictures: tuple[tuple[str, np.ndarray], ...]
    note: str = ""


Section: TypeAlias = Table | Curves | Charts | Checks | Frames | Compare | Facts | Gallery


@dataclass(frozen=True)
class Report:
    """A page: title, summary (blank lines part paragraphs), verdict, and sections in order; ``facts``
    stand in a row under the title, ``alerts`` in a frame under the summary."""

    title: str
    summary: str
    verdict: Verdict
    sections: tuple[Section, ...]
    facts: dict[str, str] = field(default_factory=dict)
    alerts: tuple[str, ...] = ()
