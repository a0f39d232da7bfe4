"""Pictures, numbers and table columns in the form that the page's template takes."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from PIL import Image

from hwan.report.chart import magnitude
from hwan.report.sections import Cell, Table

CRISP_SIDE = 128  # pictures up to here are stored without loss and enlarged without smoothing
LARGEST_SIDE = 2048
FEW_COLOURS = 64


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
    number = float(value) or 0.0  # without a sign
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else str(number)
    if decimals is None:
        if number and not 1e-4 <= abs(number) < 1e6:
            mantissa, exponent = f"{number:.3e}".split("e")
            return f"{mantissa}e{int(exponent)}"
        decimals = max(0, 3 - magnitude(number)) if number else 0
    return f"{number:,.{decimals}f}"


def embed(picture: np.ndarray, quality: int) -> dict[str, Any]:
    """A picture's data URL and size; ``quality`` is that of WebP, where it is no PNG."""
    fits = picture.ndim > 1 and picture.shape[2:] in ((), (1,), (3,))
    if picture.dtype != np.uint8 or not picture.size or not fits:
        raise ValueError(f"not a picture (uint8, H x W x 1 or 3): {picture.dtype} {picture.shape}")
    image = Image.fromarray(picture[..., 0] if picture.shape[2:] == (1,) else picture)
    crisp = max(image.size) <= CRISP_SIDE
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    data = io.BytesIO()
    kind, options = "webp", {"quality": quality, "method": 2}  # 4 is 3 % smaller, 2.5 times slower
    if crisp or image.getcolors(FEW_COLOURS) is not None:
        kind, options = "png", {"optimize": True}
    image.save(data, kind, **options)
    source = f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"
    return {"src": source, "width": image.width, "height": image.height, "crisp": crisp}


def columns(table: Table) -> list[dict[str, Any]]:
    """A table by columns, the best cells of those in ``better`` marked, rows named in ``aside`` left out
    of it. Raises ``ValueError`` where rows and names do not fit together."""
    names, rows = table.columns, table.rows
    if any(len(row) != len(names) for row in rows):
        raise ValueError(f"table {table.title!r}: every row needs {len(names)} cells")
    if unknown := (set(table.better) | set(table.decimals)) - set(names):
        raise ValueError(f"table {table.title!r}: better names no column: {sorted(unknown)}")
    competing = [row[0] not in table.aside for row in rows]
    found = []
    for i, name in enumerate(names):
        cells = [row[i] for row in rows]
        finite = [c for c in cells if not isinstance(c, str | bool | None) and math.isfinite(c)]
        places = table.decimals.get(name, _decimals(finite))
        end, best = table.better.get(name, ""), None
        ranked = [n for n, counts in zip(cells, competing, strict=True) if counts and n in finite]
        if end and len(set(ranked)) > 1:
            # By the text: cells that read the same are marked the same.
            best = format_number((max if end == "high" else min)(ranked), places)
        texts = [format_number(cell, places) for cell in cells]
        marks = (counts and text == best for text, counts in zip(texts, competing, strict=True))
        marked = [{"text": text, "best": mark} for text, mark in zip(texts, marks, strict=True)]
        numeric = not any(isinstance(cell, str) for cell in cells)
        found.append({"name": name, "better": end, "numeric": numeric, "cells": marked})
    return found


def _decimals(numbers: Sequence[float]) -> int | None:
    """The decimals that give each of ``numbers``, but for integers, three or four digits; None if none
    do."""
    sizes = [magnitude(number) for number in numbers if number and not isinstance(number, Integral)]
    if not sizes or max(sizes) - min(sizes) > 1 or not -4 <= min(sizes) <= max(sizes) < 6:
        return None
    return max(0, 3 - max(sizes))
