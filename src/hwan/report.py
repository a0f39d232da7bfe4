"""Rows and pictures in, one self-contained HTML file out.

A :class:`Report` is plain data; :func:`render` turns it into a page that loads nothing from
anywhere, reads on a phone, and shows everything with JavaScript off (only the sliders need it).

Pictures are uint8 arrays ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``. How they are stored:

* longest side <= 128 px, or at most 64 colours (masks, label maps): PNG, without loss;
* anything else: WebP, quality 80, reduced first to a longest side of 2048 px;
* a page beyond 9.5 MB is made again at quality 65, then 50. The page says which it got.
"""

from __future__ import annotations

import base64
import hashlib
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, TypeAlias

import jinja2
import numpy as np
from PIL import Image

from hwan.chart import Curves, magnitude, plot
from hwan.image import write_atomic

CRISP_SIDE = 128  # pictures up to here are stored without loss and enlarged without smoothing
LARGEST_SIDE = 2048
FEW_COLOURS = 64
QUALITIES = (80, 65, 50)
PAGE_LIMIT = 9_500_000

Cell: TypeAlias = "str | float | int | None"


@dataclass(frozen=True)
class Table:
    """Rows under named columns. ``better`` names the columns whose highest or lowest is marked."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    better: dict[str, Literal["high", "low"]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Frames:
    """Named pictures in order of time, shown one at a time under a scrubber."""

    title: str
    frames: tuple[tuple[str, np.ndarray], ...]
    note: str = ""


@dataclass(frozen=True, eq=False)
class CompareItem:
    """One picture before and after, and the truth where it is known."""

    name: str
    before: np.ndarray
    after: np.ndarray
    truth: np.ndarray | None = None
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Compare:
    """Pictures under a before/after slider."""

    title: str
    items: tuple[CompareItem, ...]
    note: str = ""


@dataclass(frozen=True)
class Facts:
    """Names and values: a configuration, an environment. Long lists start folded."""

    title: str
    facts: dict[str, str]
    note: str = ""


@dataclass(frozen=True, eq=False)
class Gallery:
    """Pictures with their names under them."""

    title: str
    pictures: tuple[tuple[str, np.ndarray], ...]
    note: str = ""


Section: TypeAlias = Table | Curves | Frames | Compare | Facts | Gallery


@dataclass(frozen=True)
class Report:
    """A page: title, summary (blank lines part paragraphs), verdict, and sections in order."""

    title: str
    summary: str
    verdict: Literal["good", "mixed", "bad", "none"]
    sections: tuple[Section, ...]


def render(report: Report) -> str:
    """The whole page as text.

    Raises:
        ValueError: a row does not fit its columns, ``better`` names no column, or an array is
            not a picture.
    """
    page = ""
    for quality in QUALITIES:
        embed = partial(_picture, quality=quality)
        sections = [
            {
                "kind": type(section).__name__.lower(),
                "id": f"section-{i}",
                "title": section.title,
                "note": section.note,
                **_view(section, embed),
            }
            for i, section in enumerate(report.sections, 1)
        ]
        page = _template().render(report=report, sections=sections, quality=quality)
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


def format_number(value: Cell, decimals: int | None = None) -> str:
    """A cell as text: four significant digits unless ``decimals`` is given, integers in full."""
    if value is None:
        return "\N{EM DASH}"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{int(value):,}"
    if not isinstance(value, Real):
        return str(value)
    number = float(value)
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else str(number)
    if number == 0:
        return "0" if decimals is None else f"{0:.{decimals}f}"
    if decimals is None:
        if not 1e-4 <= abs(number) < 1e6:
            mantissa, exponent = f"{number:.3e}".split("e")
            return f"{mantissa}e{int(exponent)}"
        decimals = max(0, 3 - magnitude(number))
    return f"{number:,.{decimals}f}"


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
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
    return environment.get_template("report.html.jinja")


def _view(section: Section, embed: Callable[[np.ndarray], dict[str, Any]]) -> dict[str, Any]:
    """What the template needs of a section beyond its title and note."""
    match section:
        case Table():
            return _table(section)
        case Curves():
            return plot(section)
        case Facts(facts=facts):
            return {"facts": facts}
        case Frames(frames=named) | Gallery(pictures=named):
            return {"pictures": [{"name": name, **embed(picture)} for name, picture in named]}
        case Compare(items=items):
            return {
                "items": [
                    {
                        "name": i.name,
                        "caption": i.caption,
                        "before": embed(i.before),
                        "after": embed(i.after),
                        "truth": None if i.truth is None else embed(i.truth),
                    }
                    for i in items
                ]
            }


def _picture(picture: np.ndarray, quality: int) -> dict[str, Any]:
    array = np.asarray(picture)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
    if array.dtype != np.uint8 or not array.size or not fits:
        raise ValueError(f"not a picture (uint8, H x W x 1 or 3): {array.dtype} {array.shape}")
    image = Image.fromarray(np.ascontiguousarray(array))
    crisp = max(image.size) <= CRISP_SIDE
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    data = io.BytesIO()
    if crisp or image.getcolors(FEW_COLOURS) is not None:
        kind = "png"
        image.save(data, "PNG", optimize=True)
    else:
        kind = "webp"
        image.save(data, "WEBP", quality=quality, method=2)  # 4 is 3 % smaller, 2.5 times slower
    source = f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"
    return {"src": source, "width": image.width, "height": image.height, "crisp": crisp}


def _table(table: Table) -> dict[str, Any]:
    if any(len(row) != len(table.columns) for row in table.rows):
        raise ValueError(f"table {table.title!r}: every row needs {len(table.columns)} cells")
    if unknown := set(table.better) - set(table.columns):
        raise ValueError(f"table {table.title!r}: better names no column: {sorted(unknown)}")
    columns = []
    for i, name in enumerate(table.columns):
        cells = [row[i] for row in table.rows]
        numbers = [cell for cell in cells if not isinstance(cell, str | bool | None)]
        finite = [number for number in numbers if math.isfinite(number)]
        decimals = _decimals([float(n) for n in finite if not isinstance(n, Integral)])
        end, best = table.better.get(name, ""), ""
        if end and len(set(finite)) > 1:
            # By the text: cells that read the same are marked the same.
            best = format_number((max if end == "high" else min)(finite), decimals)
        texts = [format_number(cell, decimals) for cell in cells]
        columns.append(
            {
                "name": name,
                "better": end,
                "numeric": not any(isinstance(cell, str) for cell in cells),
                "cells": [{"text": text, "best": bool(best) and text == best} for text in texts],
            }
        )
    return {"columns": columns, "height": len(table.rows)}


def _decimals(numbers: Sequence[float]) -> int | None:
    """The decimals that give each of ``numbers`` three or four digits; None if none do."""
    sizes = [magnitude(number) for number in numbers if number]
    if not sizes or max(sizes) - min(sizes) > 1 or not -4 <= min(sizes) <= max(sizes) < 6:
        return None
    return max(0, 3 - max(sizes))
