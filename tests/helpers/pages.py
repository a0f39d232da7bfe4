"""The page in headless Chromium: static servers for it, the opened page, and what tests do with it."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hwan.imaging.pixels import encode

DONE = "() => document.getElementById('status').textContent.startsWith('Translated')"
PIXELS = """id => {
  const canvas = document.getElementById(id), {width, height} = canvas;
  const context = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
  context.drawImage(canvas, 0, 0);
  return {width, height, data: [...context.getImageData(0, 0, width, height).data]};
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing."""


class Isolating(Quiet):
    """A server that lets a page have threads."""

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


def faulty(fault: str) -> type[Quiet]:
    """A server whose worker.js begins with ``fault``."""

    class Faulty(Quiet):
        def do_GET(self) -> None:
            if self.path != "/worker.js":
                return super().do_GET()
            body = fault.encode() + (Path(self.directory) / "worker.js").read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return None

    return Faulty


def listening(reached: list[str]) -> type[Quiet]:
    """A server that any page may ask, and that notes what it is asked for."""

    class Listening(Quiet):
        def do_GET(self) -> None:
            reached.append(self.path)
            super().do_GET()

        def end_headers(self) -> None:
            self.send_header("Access-Control-Allow-Origin", "*")
            super().end_headers()

    return Listening


@contextmanager
def served(folder: Path, handler: type[Quiet] = Quiet) -> Iterator[str]:
    kind = functools.partial(handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{site.server_port}/"
        finally:
            site.shutdown()


@contextmanager
def opened(
    chromium: Any, address: str, width: int = 1280, dark: bool = False, script: str = ""
) -> Iterator[Any]:
    """The page, loaded and ready; ``script`` runs before its own. On leaving: it complained of nothing
    and asked nobody else."""
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
    )
    page, troubles = context.new_page(), []
    page.set_default_timeout(60_000)  # a loaded machine starts engines slowly
    if script:
        page.clock.install()
        page.add_init_script(script)
    known = ("No available adapters.",)  # Chromium's own words where there is no GPU
    page.on(
        "console",
        lambda m: (
            troubles.append(m.text) if m.type in ("error", "warning") and m.text not in known else 0
        ),
    )
    page.on("pageerror", lambda error: troubles.append(str(error)))
    own = ("data:", "blob:", address.split("?")[0])
    page.on("request", lambda r: None if r.url.startswith(own) else troubles.append(r.url))
    page.goto(address)
    page.wait_for_selector("#samples button")
    try:
        yield page
    finally:
        context.close()
    assert not troubles, troubles


def give(page: Any, pixels: np.ndarray, name: str = "picture.png") -> None:
    page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": encode(pixels)})
    page.wait_for_function(DONE)


def canvas(page: Any, which: str = "after") -> np.ndarray:
    found = page.evaluate(PIXELS, which)
    data = np.array(found["data"], np.uint8).reshape(found["height"], found["width"], 4)
    assert (data[:, :, 3] == 255).all()
    return data[:, :, :3]


def says(page: Any, *parts: str) -> None:
    """Wait until the page says which engine works, and why; and that it says so."""
    page.wait_for_function(
        "parts => parts.every(part => document.getElementById('where').textContent.includes(part))",
        arg=list(parts),
    )
