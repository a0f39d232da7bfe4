"""Rows and pictures in, one self-contained HTML file out.

A :class:`Report` is plain data; :func:`render` turns it into a page that loads nothing from
anywhere, reads on a phone, and shows everything with JavaScript off (only the sliders need it).

Pictures are uint8 arrays ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``. How they are stored:

* longest side <= 128 px, or at most 64 colours (masks, label maps): PNG, without loss;
* anything else: WebP, quality 80, reduced first to a longest side of 2048 px;
* a page beyond 9.5 MB is made again at quality 65, 57, then 50. The page says which it got.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import jinja2
import numpy as np
from markupsafe import Markup, escape

from hwan.files import write_atomic
from hwan.metrics.health_limits import Light
from hwan.report.chart import Curves, plot
from hwan.report.format import Cell as Cell
from hwan.report.format import columns, embed
from hwan.report.format import format_number as format_number

QUALITIES = (80, 65, 57, 50)
PAGE_LIMIT = 9_500_000


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


@dataclass(frozen=True, eq=False)
class Compare:
    """Pictures under a before/after slider."""

    title: str
    items: tuple[CompareItem, ...]
    note: str = ""


@dataclass(frozen=True)
class Facts:
    """Names and values: a configuration, an environment. Long lists start folded; dotted names are
    grouped by what stands before the dot."""

    title: str
    facts: dict[str, str]
    note: str = ""


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
    verdict: Literal["good", "mixed", "bad", "none"]
    sections: tuple[Section, ...]
    facts: dict[str, str] = field(default_factory=dict)
    alerts: tuple[str, ...] = ()


def render(report: Report) -> str:
    """The whole page as text.

    Raises:
        ValueError: a row does not fit its columns, ``better`` names no column, or an array is
            not a picture.
    """
    page = ""
    for quality in QUALITIES:
        sections = [
            {
                "kind": type(section).__name__.lower(),
                "id": f"section-{i}",
                "title": section.title,
                "note": section.note,
                **_view(section, partial(embed, quality=quality)),
            }
            for i, section in enumerate(report.sections, 1)
        ]
        page = template("report/page.html.jinja").render(
            report=report, sections=sections, quality=quality
        )
        if len(page) <= PAGE_LIMIT or "data:image/webp" not in page:
            break
    return page


def write(report: Report, path: Path) -> Path:
    """Render to ``path`` (folders are made), complete or not at all; returns ``path``.

    Raises:
        ValueError: as :func:`render`.
        OSError: the file cannot be written.
    """
    path = Path(path)
    # A file name that is not UTF-8 reaches us as lone surrogates, which cannot be encoded.
    page = render(report).encode("utf-8", errors="replace")
    write_atomic(path, page)
    return path


@lru_cache
def template(name: str) -> jinja2.Template:
    """A page's template among hwan's own; what it includes is found by its path in the package too."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hwan", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # The page allows only the script with this hash: a name that broke out could still not run.
    environment.filters["sha256"] = lambda text: base64.b64encode(
        hashlib.sha256(str(text).encode()).digest()
    ).decode()
    environment.filters["number"] = format_number
    environment.filters["options"] = _options
    return environment.get_template(name)


def _options(text: str) -> Markup:
    """Text with options such as --train.lr set as code, all else escaped."""
    return Markup(re.sub(r"(--[a-z][\w.]*\w)", r"<code>\1</code>", str(escape(text))))


def _view(section: Section, picture: Callable[[np.ndarray], dict[str, Any]]) -> dict[str, Any]:
    """What the template needs of a section beyond its title and note."""
    match section:
        case Table(title, names, rows):
            parts = columns(title, names, rows, section.better, section.decimals, section.aside)
            return {"columns": parts, "height": len(rows), "meaning": section.meaning}
        case Curves():
            return {"charts": [_chart(section)]}
        case Charts(charts=charts):
            return {"charts": [{"title": chart.title, **_chart(chart)} for chart in charts]}
        case Checks(items=checks):
            return {"checks": [_check(check) for check in checks]}
        case Facts(facts=facts):
            groups: dict[str, dict[str, str]] = {}
            for name, value in facts.items():
                group, _, rest = name.rpartition(".")
                if not group.isidentifier():
                    group, rest = "", name
                groups.setdefault(group, {})[rest] = value
            return {"groups": groups, "count": len(facts)}
        case Frames(frames=named) | Gallery(pictures=named):
            pictures = [{"name": name, **picture(array)} for name, array in named]
            return {
                "pictures": pictures,
                "heads": section.heads if isinstance(section, Frames) else (),
            }
        case Compare(items=items):
            sortable = dict.fromkeys(name for item in items for name in item.figures)
            return {
                "sortable": list(sortable),
                "items": [
                    {
                        "name": i.name,
                        "caption": i.caption,
                        "figures": [_number(i.figures.get(name)) for name in sortable],
                        "before": picture(i.before),
                        "after": picture(i.after),
                        "truth": None if i.truth is None else picture(i.truth),
                    }
                    for i in items
                ],
            }


def _number(value: float | None) -> float | None:
    """What JSON can say of a number."""
    return value if value is not None and math.isfinite(value) else None


def _chart(curves: Curves) -> dict[str, Any]:
    return {"note": curves.note, **plot(curves)}


def _check(check: Check) -> dict[str, Any]:
    lights = [light for _, _, light in check.readings]
    worst = next((light for light in ("bad", "watch", "good") if light in lights), "unknown")
    history = plot(check.history) if check.history else {"lines": []}
    return {"check": check, "light": worst, "history": history}
