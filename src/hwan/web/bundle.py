"""The web bundle: a static folder that translates in the browser, from any static server, offline."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from hwan.data.folders import evenly
from hwan.errors import require
from hwan.exporting import export_onnx
from hwan.exporting.calibration import given_images
from hwan.files import write_atomic
from hwan.imaging.pixels import decode, encode, resize
from hwan.inference.translate import Translator, load
from hwan.nets.folder import direction_of
from hwan.web.page import describe, page_files
from hwan.web.runtime import SCRIPT, WASM, runtime_files

PIXELS = 2**20  # what a page begins with at most; larger sizes are offered, memory permitting
SAMPLES, SAMPLE_SIDE = 12, 512
PROBED = 500


def export_web(
    folder: Path, out: Path, runtime: Path | None = None, samples: Sequence[Path] = ()
) -> dict[str, int]:
    """Write the page that runs the generator in ``folder`` to ``out``; returns each file's bytes.

    ``runtime`` is an unpacked onnxruntime-web; without it the cache or npm has its files. ``samples``
    (images and folders) replace hwan's own pictures to try. The model is checked against PyTorch as
    every ONNX export is. Raises ``UsageError`` for a generator that a browser has no pictures for,
    for one that ONNX does not hold, and where onnxruntime-web is not to be had.
    """
    translator = load(folder, "cpu")
    spec = translator.spec
    expected = "a generator of the pictures that a browser has: 8 bit, grey or in colour"
    for what, kind in (("reads", spec.format_in), ("writes", spec.format_out)):
        received = f"one that {what} {kind.channels} channels of depth {kind.depth}"
        fits = kind.channels in (1, 3) and kind.depth == "8"
        require(fits, expected, received, "use hwan translate, hwan serve or an export to ONNX")
    free = not out.exists() or not any(out.iterdir()) or (out / "models.json").is_file()
    expected = "a new or empty folder, or an earlier bundle, at --out"
    require(free, expected, f"{out}, with other files", "give another folder")
    pictures = _samples(samples) if samples else None
    parts = runtime_files(runtime)
    with TemporaryDirectory() as place:
        model = export_onnx(folder, Path(place))[0].read_bytes()
    wasm = WASM + ".gz"
    engine = {"script": f"ort/{SCRIPT}", "wasm": f"ort/{wasm}", "bytes": len(parts[wasm])}
    facts = describe(_name(folder.resolve()), spec) | {"file": "model.onnx", "bytes": len(model)}
    facts |= {"probe": _probe(translator), "files": engine}
    listed = {"models": [facts], "limits": {"pixels": PIXELS}}
    files = page_files("browser", pictures) | {f"ort/{name}": data for name, data in parts.items()}
    files["model.onnx"] = model
    files["models.json"] = (json.dumps(listed, indent=2, ensure_ascii=False) + "\n").encode()
    for name, data in files.items():
        write_atomic(out / name, data)
    return {name: len(data) for name, data in sorted(files.items())}


def _name(folder: Path) -> str:
    """ "zebra, A to B" for "zebra/generator_ab"; else the folder's own name."""
    domains = " to ".join(direction_of(folder.name).upper())
    return f"{folder.parent.name}, {domains}" if domains else folder.name


def _probe(translator: Translator) -> list[float]:
    """What PyTorch makes of the smallest picture, a pattern that worker.js knows too, at places evenly
    chosen: the page compares each engine's first result with it."""
    channels, side = translator.spec.channels_in, translator.least
    pattern = 37 * torch.arange(channels * side * side) % 251 / 125 - 1
    made = translator.tensor(pattern.view(1, channels, side, side)).flatten().tolist()
    return [round(value, 4) for value in evenly(made, PROBED)]


def _samples(inputs: Sequence[Path]) -> dict[str, bytes]:
    """Up to a dozen of the images, scaled to what a sample needs, as JPEG (so without metadata)."""
    pictures: dict[str, bytes] = {}
    for number, path in enumerate(given_images(inputs, "--samples")[:SAMPLES]):
        pixels = decode(path).pixels
        share = min(1.0, SAMPLE_SIDE / max(pixels.shape[:2]))
        small = resize(pixels, *(max(1, round(side * share)) for side in pixels.shape[:2]))
        pictures[f"{number:02d}.jpg"] = encode(small, ".jpg")
    return pictures
