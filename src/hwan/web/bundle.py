"""The web bundle: a static folder that translates in the browser, from any static server, offline."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from hwan.data.folders import list_images
from hwan.errors import UsageError
from hwan.export import export_onnx
from hwan.files import write_atomic
from hwan.imaging.pixels import decode, encode, resize
from hwan.inference.translate import Translator, load
from hwan.nets.folder import GeneratorSpec, direction_of
from hwan.web.page import page_files
from hwan.web.runtime import LICENCE, PACKAGE, SCRIPT, VERSION, WASM, runtime_files

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
    _check_kinds(spec)
    if out.exists() and any(out.iterdir()) and not (out / "models.json").is_file():
        raise UsageError(
            "--out is a new folder, an empty one, or an earlier bundle",
            f"{out}, with other files",
            "give another",
        )
    pictures = _samples(samples) if samples else None
    parts = runtime_files(runtime)
    with TemporaryDirectory() as place:
        export_onnx(folder, Path(place))
        model = (Path(place) / "model.onnx").read_bytes()
    multiple, least = spec.generator.sizes
    name, direction = folder.resolve().name, direction_of(folder.resolve().name)
    if direction:
        name = f"{folder.resolve().parent.name}, {direction[0].upper()} to {direction[1].upper()}"
    facts = {
        "models": [
            {
                "name": name,
                "direction": spec.direction,
                "method": spec.method,
                "reads": {"channels": spec.channels_in, "depth": spec.depth_in},
                "writes": {"channels": spec.channels_out, "depth": spec.depth_out},
                "multiple": multiple,
                "least": least,
                "trained_size": spec.size,
                "images_seen": spec.images,
                "file": "model.onnx",
                "bytes": len(model),
                "probe": _probe(translator),
                "files": {
                    "script": f"ort/{SCRIPT}",
                    "wasm": f"ort/{WASM}.gz",
                    "bytes": len(parts[WASM + ".gz"]),
                },
            }
        ],
        "limits": {"pixels": PIXELS},
    }
    files = page_files("browser", pictures) | {f"ort/{name}": data for name, data in parts.items()}
    files["ort/LICENSE.txt"] = f"{PACKAGE} {VERSION}\n\n{LICENCE}".encode()
    files["model.onnx"] = model
    files["models.json"] = (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode()
    for name, data in files.items():
        write_atomic(out / name, data)
    return {name: len(data) for name, data in sorted(files.items())}


def _check_kinds(spec: GeneratorSpec) -> None:
    for what, kind in (("reads", spec.format_in), ("writes", spec.format_out)):
        if kind.channels not in (1, 3) or kind.depth != "8":
            raise UsageError(
                "a browser has 8-bit pictures, grey or in colour",
                f"a generator that {what} {kind.channels} channels of depth {kind.depth}",
                "take hwan translate, hwan export --to onnx, or hwan serve",
            )


def _probe(translator: Translator) -> list[float]:
    """What PyTorch makes of the smallest picture, a pattern that worker.js knows too, at places evenly
    chosen: the page holds each engine's first result against it."""
    channels, side = translator.spec.channels_in, translator.least
    pattern = 37 * torch.arange(channels * side * side) % 251 / 125 - 1
    made = translator.tensor(pattern.view(1, channels, side, side)).flatten().tolist()
    count = min(PROBED, len(made))
    return [round(made[n * len(made) // count], 4) for n in range(count)]


def _samples(inputs: Sequence[Path]) -> dict[str, bytes]:
    """Up to a dozen of the images, scaled to what a sample needs, as JPEG (so without metadata)."""
    paths: list[Path] = []
    for item in inputs:
        if not item.exists():
            raise UsageError("--samples are images and folders", f"{item}: not there", "check it")
        paths += list_images(item) if item.is_dir() else [item]
    pictures: dict[str, bytes] = {}
    for number, path in enumerate(paths[:SAMPLES]):
        pixels = decode(path).pixels
        height, width = pixels.shape[:2]
        share = min(1.0, SAMPLE_SIDE / max(height, width))
        small = resize(pixels, max(1, round(height * share)), max(1, round(width * share)))
        pictures[f"{number:02d}.jpg"] = encode(small, ".jpg")
    return pictures
