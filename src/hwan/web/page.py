"""The page's own files and what it reads of a model, for the two that show it: the web bundle and the
server."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from hwan.config import PixelFormat
from hwan.nets.folder import GeneratorSpec

FILES = ("index.html", "style.css", "app.js", "pixels.js")
# Those of the embedded photographs that may be used without conditions.
PHOTOS = ("chelsea", "coffee", "astronaut", "rocket")
CREDIT = (
    "Sample photographs: Stefan van der Walt (CC0), Rachel Michetti (CC0), NASA and SpaceX (public "
    "domain)."
)


def describe(name: str, spec: GeneratorSpec) -> dict[str, Any]:
    """A model as models.json and ``GET /v1/models`` describe it."""
    multiple, least = spec.generator.sizes
    return {
        "name": name,
        "direction": spec.direction,
        "method": spec.method,
        "reads": _format(spec.format_in),
        "writes": _format(spec.format_out),
        "multiple": multiple,
        "least": least,
        "trained_size": spec.size,
        "images_seen": spec.images,
    }


def _format(pixel_format: PixelFormat) -> dict[str, Any]:
    facts: dict[str, Any] = {"channels": pixel_format.channels, "depth": pixel_format.depth}
    return facts | ({"range": pixel_format.range} if pixel_format.depth == "float" else {})


def page_files(
    engine: Literal["browser", "server"], pictures: dict[str, bytes] | None = None
) -> dict[str, bytes]:
    """Name to contents. ``engine`` decides what engine.js is: ONNX Runtime in the browser, or the
    server's interface. ``pictures`` (name to file) are the samples; else hwan's own photographs."""
    package = resources.files("hwan")
    site = package / "web" / "site"
    sources = {name: name for name in FILES} | {"engine.js": f"{engine}.js"}
    if engine == "browser":
        sources |= {"worker.js": "worker.js", "ort/LICENSE.txt": "onnxruntime-web.LICENSE.txt"}
    files = {name: site.joinpath(source).read_bytes() for name, source in sources.items()}
    files["compare.js"] = package.joinpath(
        "report", "compare.js"
    ).read_bytes()  # the report's slider
    photos, credit = package / "data" / "photos", ""
    if pictures is None:
        pictures = {f"{name}.jpg": photos.joinpath(f"{name}.jpg").read_bytes() for name in PHOTOS}
        credit = CREDIT
    files |= {f"samples/{name}": data for name, data in pictures.items()}
    listed = [{"name": Path(name).stem, "file": f"samples/{name}"} for name in pictures]
    samples = {"pictures": listed, "credit": credit}
    files["samples.json"] = json.dumps(samples, ensure_ascii=False).encode()
    return files
