"""The page's own files, for the two that show it: the web bundle and the server."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Literal

FILES = ("index.html", "style.css", "app.js", "compare.js", "pixels.js")
PHOTOS = (
    "chelsea",
    "coffee",
    "astronaut",
    "rocket",
)  # of those embedded, the ones free of conditions
CREDIT = (
    "Sample photographs: Stefan van der Walt (CC0), Rachel Michetti (CC0), NASA and SpaceX (public "
    "domain)."
)


def page_files(
    engine: Literal["browser", "server"], pictures: dict[str, bytes] | None = None
) -> dict[str, bytes]:
    """Name to contents. ``engine`` decides what engine.js is: ONNX Runtime in the browser, or the
    server's interface. ``pictures`` (name to file) are the samples; else hwan's own photographs."""
    site = resources.files("hwan.web") / "site"
    files = {name: site.joinpath(name).read_bytes() for name in FILES}
    files["engine.js"] = site.joinpath(f"{engine}.js").read_bytes()
    if engine == "browser":
        files["worker.js"] = site.joinpath("worker.js").read_bytes()
    photos = Path(__file__).parents[1] / "data" / "photos"
    own = {f"{name}.jpg": (photos / f"{name}.jpg").read_bytes() for name in PHOTOS}
    shown = own if pictures is None else pictures
    files |= {f"samples/{name}": data for name, data in shown.items()}
    listed = [{"name": Path(name).stem, "file": f"samples/{name}"} for name in shown]
    about = {"pictures": listed, "credit": CREDIT if pictures is None else ""}
    files["samples.json"] = json.dumps(about, ensure_ascii=False).encode()
    return files
