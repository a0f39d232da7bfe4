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


def embed(picture: np.ndarray, quality: int) -> dict[str, Any]:
    """A picture's data URL and size; ``quality`` is that of WebP, where it is no PNG."""
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
        numbers = [cell for cell in cells if not isinstance(cell, str | bool | None)]
        finite = [number for number in numbers if math.isfinite(number)]
        floats = [float(n) for n in finite if not isinstance(n, Integral)]
        places = table.decimals.get(name, _decimals(floats))
        end, best = table.better.get(name, ""), ""
        ranked = [n for n, counts in zip(cells, competing, strict=True) if counts and n in finite]
        if end and len(set(ranked)) > 1:
            # By the text: cells that read the same are marked the same.
            best = format_number((max if end == "high" else min)(ranked), places)
        texts = [format_number(cell, places) for cell in cells]
        found.append(
            {
                "name": name,
                "better": end,
                "numeric": not any(isinstance(cell, str) for cell in cells),
                "cells": [
                    {"text": text, "best": bool(best) and counts and text == best}
                    for text, counts in zip(texts, competing, strict=True)
                ],
            }
        )
    return found


def _decimals(numbers: Sequence[float]) -> int | None:
    """The decimals that give each of ``numbers`` three or four digits; None if none do."""
    sizes = [magnitude(number) for number in numbers if number]
    if not sizes or max(sizes) - min(sizes) > 1 or not -4 <= min(sizes) <= max(sizes) < 6:
        return None
    return max(0, 3 - max(sizes))
