"""Rows and pictures in, one self-contained HTML file out.

A :class:`hwan.report.sections.Report` is plain data; :func:`render` turns it into a page that loads
nothing from anywhere, reads on a phone, and shows everything with JavaScript off (only the sliders need it).

Pictures are uint8 arrays ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``. How they are stored:

* longest side <= 128 px, or at most 64 colours (masks, label maps): PNG, without loss;
* anything else: WebP, quality 80, reduced first to a longest side of 2048 px;
* a page beyond 9.5 MB is made again at quality 65, 57, then 50. The page says which it got.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from hwan.files import write_atomic
from hwan.report.chart import plot
from hwan.report.format import columns, embed, format_number
from hwan.report.sections import Report

QUALITIES = (80, 65, 57, 50)
PAGE_LIMIT = 9_500_000


def render(report: Report) -> str:
    """The whole page as text.

    Raises:
        ValueError: a row does not fit its columns, ``better`` names no column, or an array is
            not a picture.
    """
    for quality in QUALITIES:
        page = template("report/page.html.jinja").render(report=report, quality=quality)
        if len(page) <= PAGE_LIMIT or "data:image/webp" not in page:
            break
    return page


def write(report: Report, path: Path) -> Path:
    """Render to ``path`` (folders are made), complete or not at all; returns ``path``.

    Raises:
        ValueError: as :func:`render`.
        OSError: the file cannot be written.
    """
    # A file name that is not UTF-8 reaches us as lone surrogates, which cannot be encoded.
    write_atomic(path, render(report).encode("utf-8", errors="replace"))
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
    environment.filters |= {
        "number": format_number,
        "options": _options,
        "plot": plot,
        "embed": embed,
        "cells": columns,
        "sha256": _sha256,
        "kind": lambda section: type(section).__name__.lower(),
    }
    return environment.get_template(name)


def _sha256(text: str) -> str:
    # The page allows only the script with this hash: a name that broke out could still not run.
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _options(text: str) -> Markup:
    """Text with options such as --train.lr set as code, all else escaped."""
    return Markup(re.sub(r"(--[a-z][\w.]*\w)", r"<code>\1</code>", str(escape(text))))
