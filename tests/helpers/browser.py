"""Open a page of ours in headless Chromium and note everything it complains about."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")


def _without(reason: str) -> NoReturn:
    """Skip, but fail where the tests are meant to be complete."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def chromium() -> Iterator[Any]:
    """A running browser; one per test module is enough, a page each is cheap."""
    executable = os.environ.get("HWAN_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), "")
    if not executable:
        _without(f"no browser: install one of {', '.join(NAMES)}, or set HWAN_CHROMIUM to its path")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _without("no playwright: install hwan[dev]")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Any, path: Path, width: int = 1280, *, javascript: bool = True, dark: bool = False
) -> Iterator[Any]:
    """The file at ``path`` as a playwright page, ``width`` CSS pixels wide.

    Raises:
        AssertionError: on leaving, where the page logged an error, threw one, or asked for
            anything but itself and what it carries.
    """
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        java_script_enabled=javascript,
        color_scheme="dark" if dark else "light",
        offline=True,
    )
    page, troubles = context.new_page(), []
    page.on("console", lambda m: troubles.append(m.text) if m.type in ("error", "warning") else 0)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "request",
        lambda r: None if r.url.startswith(("file:", "data:")) else troubles.append(r.url),
    )
    page.goto(path.resolve().as_uri())
    try:
        yield page
    finally:
        context.close()
    assert not troubles, troubles
