"""A generator as the server runs it: ONNX Runtime on a CPU, PyTorch elsewhere; bytes in, bytes out."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from hwan.config import PixelFormat
from hwan.errors import UsageError, require
from hwan.exporting import export_onnx
from hwan.exporting.onnx import runner
from hwan.imaging.pixels import Pixels, decode, encode, from_unit, suffix_for
from hwan.inference.translate import Translator, find_generator, is_generator, load, located
from hwan.nets.folder import GeneratorSpec, direction_of
from hwan.serve.limits import Limits
from hwan.serve.probe import padded_size
from hwan.web.page import describe

log = logging.getLogger("hwan")
MEDIA = {f".{kind}": f"image/{kind}" for kind in ("png", "jpeg", "webp", "tiff")}
MEDIA[".npy"] = "application/x-npy"


@dataclass(frozen=True)
class Model:
    """A loaded generator. ``translator`` uses all cores for one image. ``lane`` uses one, so that several
    threads can each run a part of what waits: images are independent, and cores that do not share one
    never wait for each other between its layers."""

    name: str
    engine: str
    translator: Translator
    lane: Translator | None = None

    @property
    def spec(self) -> GeneratorSpec:
        """What it reads and writes."""
        return self.translator.spec

    @property
    def facts(self) -> dict[str, Any]:
        """What ``GET /v1/models`` says of it."""
        written = formats(self.spec.format_out)
        return {**describe(self.name, self.spec), "formats": written, "engine": self.engine}


def formats(pixel_format: PixelFormat) -> list[str]:
    """The suffixes of the formats that hold pictures of ``pixel_format``, the default one first."""
    first = suffix_for(pixel_format)
    return [first, *(s for s in MEDIA if s != first and suffix_for(pixel_format, s) == s)]


def find_models(runs: Sequence[Path]) -> dict[str, Path]:
    """Name to generator folder: of a run each generator that it has, "NAME-ab" and "NAME-ba"; of a
    generator folder itself.

    Raises ``UsageError`` for a folder that holds none, and for two of one name.
    """
    found: dict[str, Path] = {}
    for run in map(located, runs):
        folders = [find_generator(run)]
        if not is_generator(run) and (run / "generator_ba" / "model.safetensors").is_file():
            folders.append(run / "generator_ba")
        for folder in folders:
            name = _name(folder.resolve())
            both = f"{found.get(name)} and {folder}, both {name}"
            require(name not in found, "models of different names", both, "rename a folder")
            found[name] = folder
    return found


def _name(folder: Path) -> str:
    """ "runs/zebra/generator_ab" is "zebra-ab"; what a URL would have to quote becomes a dash."""
    direction = direction_of(folder.name)
    name = f"{folder.parent.name}-{direction}" if direction else folder.name
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "model"


def load_model(name: str, folder: Path, device: str, threads: int) -> Model:
    """The generator in ``folder``. On a CPU it is exported to ONNX, checked against PyTorch, and run
    by ONNX Runtime with ``threads`` threads; a generator that ONNX does not hold runs in PyTorch.

    Raises ``UsageError`` for a folder that is no generator folder and for an absent device.
    """
    translator = load(folder, device)
    if translator.on_cpu:
        torch.set_num_threads(threads)
        try:
            with TemporaryDirectory() as out:
                data = export_onnx(folder, Path(out))[0].read_bytes()
            every = _on_onnx(translator, data, threads)
            lane = every if threads == 1 else _on_onnx(translator, data, 1)
            return Model(name, "ONNX Runtime, CPU", every, lane)
        except UsageError as error:
            log.warning("%s runs in PyTorch: ONNX takes %s", name, error.expected)
    return Model(name, f"PyTorch, {translator.device.type}", translator)


def _on_onnx(translator: Translator, data: bytes, threads: int) -> Translator:
    run = runner(data, threads, shared=True)
    return Translator(translator.generator, translator.spec, engine=lambda *_: run)


@dataclass(frozen=True)
class Picture:
    """One request's part of a batch: a file's bytes, already probed, and the suffix wanted."""

    data: bytes
    suffix: str


def translate_batch(
    model: Model, pictures: Sequence[Picture], limits: Limits, alone: bool = True
) -> tuple[list[bytes | Exception], float]:
    """Every picture translated, or why not; and the seconds spent in the network, its padding and
    cropping included. ``alone`` on the machine, it uses all cores.

    The sizes are those of the decoded pixels, whatever the headers said. Nothing goes in strips:
    ``limits.pixels`` bounds the memory.
    """
    translator = model.translator if alone or model.lane is None else model.lane
    results: list[bytes | Exception] = [RuntimeError("never translated")] * len(pictures)
    same: dict[tuple[int, int], list[tuple[int, Pixels]]] = {}
    for index, picture in enumerate(pictures):
        try:
            pixels = decode(picture.data, model.spec.format_in).pixels
            padded = padded_size(pixels.shape[:2], model.spec.generator, limits)
            same.setdefault(padded, []).append((index, pixels))
        except UsageError as error:
            results[index] = error
    seconds = 0.0
    for padded, group in same.items():
        most = max(1, limits.pixels // math.prod(padded))
        for start in range(0, len(group), most):
            part = group[start : start + most]
            began = time.perf_counter()
            outs = translator.whole([pixels for _, pixels in part])
            seconds += time.perf_counter() - began
            for (index, _), out in zip(part, outs, strict=True):
                results[index] = encode(out, pictures[index].suffix)
    return results, seconds


def warm(model: Model) -> None:
    """Run the smallest image once, so that the first request does not pay for what is set up then."""
    spec, side = model.spec, max(model.spec.generator.sizes)
    darkest = np.zeros((side, side, spec.channels_in))
    pixels = from_unit(darkest, spec.format_in)
    for translator in filter(None, (model.translator, model.lane)):
        translator.whole([pixels])
