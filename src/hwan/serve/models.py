"""A generator as the server runs it: ONNX Runtime on a CPU, PyTorch elsewhere; bytes in, bytes out."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from hwan.config import PixelFormat
from hwan.errors import UsageError
from hwan.export import export_onnx
from hwan.imaging.pixels import DTYPES, Pixels, decode, encode, suffix_for, to_pixels, to_tensor
from hwan.inference.padding import crop_to, pad_to
from hwan.inference.translate import find_generator, is_generator, load
from hwan.nets.folder import GeneratorSpec, direction_of
from hwan.runtime import need
from hwan.serve.limits import Limits
from hwan.serve.probe import check_pixels, padded_size

log = logging.getLogger("hwan")


Run = Callable[[np.ndarray], np.ndarray]
"""The network: float32 (B, C, H, W) in [-1, 1], already padded, to the same."""


@dataclass(frozen=True)
class Model:
    """A loaded generator. ``run`` uses all cores for one image. ``lane`` uses one, so that several
    threads can each run a part of what waits: images are independent, and cores that do not share one
    never wait for each other between its layers."""

    name: str
    spec: GeneratorSpec
    engine: str
    run: Run
    lane: Run | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What ``GET /v1/models`` says of it."""
        multiple, least = self.spec.generator.sizes
        return {
            "name": self.name,
            "direction": self.spec.direction,
            "method": self.spec.method,
            "reads": _describe(self.spec.format_in),
            "writes": _describe(self.spec.format_out),
            "formats": formats(self.spec.format_out),
            "multiple": multiple,
            "least": least,
            "trained_size": self.spec.size,
            "images_seen": self.spec.images,
            "engine": self.engine,
        }


def _describe(pixel_format: PixelFormat) -> dict[str, Any]:
    facts: dict[str, Any] = {"channels": pixel_format.channels, "depth": pixel_format.depth}
    return facts | ({"range": list(pixel_format.range)} if pixel_format.depth == "float" else {})


def formats(pixel_format: PixelFormat) -> list[str]:
    """The suffixes of the formats that hold pictures of ``pixel_format``, the one given unasked first."""
    known = [".png", ".jpeg", ".webp", ".tiff", ".npy"]
    first = suffix_for(pixel_format)
    rest = [
        suffix for suffix in known if suffix != first and suffix_for(pixel_format, suffix) == suffix
    ]
    return [first, *rest]


def find_models(runs: Sequence[Path]) -> dict[str, Path]:
    """Name to generator folder: of a run each generator that it has, "NAME-ab" and "NAME-ba"; of a
    generator folder itself.

    Raises ``UsageError`` for a folder that holds none, and for two of one name.
    """
    found: dict[str, Path] = {}
    for run in runs:
        folders = [find_generator(run)]
        if not is_generator(run) and (run / "generator_ba" / "model.safetensors").is_file():
            folders.append(run / "generator_ba")
        for folder in folders:
            name = _name(folder.resolve())
            if name in found:
                raise UsageError(
                    "every model has a name of its own",
                    f"{found[name]} and {folder} are both {name}",
                    "rename a folder",
                )
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
    if translator.device.type == "cpu":
        torch.set_num_threads(threads)
        try:
            run, lane = _onnx(folder, threads)
            return Model(name, translator.spec, "ONNX Runtime, CPU", run, lane)
        except UsageError as error:
            log.warning("%s runs in PyTorch: %s", name, error.expected)

    @torch.inference_mode()
    def forward(images: np.ndarray) -> np.ndarray:
        out: torch.Tensor = translator.generator(torch.from_numpy(images).to(translator.device))
        array: np.ndarray = out.float().cpu().numpy()
        return array

    return Model(name, translator.spec, f"PyTorch, {translator.device.type}", forward)


def _onnx(folder: Path, threads: int) -> tuple[Run, Run]:
    with TemporaryDirectory() as out:
        export_onnx(folder, Path(out))
        data = (Path(out) / "model.onnx").read_bytes()
    run = _session(data, threads)
    return run, run if threads == 1 else _session(data, 1)


def _session(data: bytes, threads: int) -> Run:
    runtime = need("onnxruntime", "serve", "serving on a CPU")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that spin while they wait would take the cores from the requests.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Sizes differ from request to request: an arena would keep the greatest for good.
    options.enable_cpu_mem_arena = False
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def run(images: np.ndarray) -> np.ndarray:
        (translation,) = session.run(None, {"image": images})
        array: np.ndarray = translation
        return array

    return run


@dataclass(frozen=True)
class Picture:
    """One request's part of a batch: a file's bytes, already probed, and the suffix wanted."""

    data: bytes
    suffix: str


def translate_batch(
    model: Model, pictures: Sequence[Picture], limits: Limits, alone: bool = True
) -> tuple[list[bytes | Exception], float]:
    """Every picture translated, or why not; and the seconds spent in the network. ``alone`` with the
    machine, it takes all cores.

    The sizes are those of the decoded pixels, whatever the headers said.
    """
    run = model.run if alone or model.lane is None else model.lane
    results: list[bytes | Exception] = [RuntimeError("never translated")] * len(pictures)
    same: dict[tuple[int, int], list[tuple[int, Pixels]]] = {}
    for index, picture in enumerate(pictures):
        try:
            pixels = decode(picture.data, model.spec.format_in).pixels
            height, width = pixels.shape[:2]
            padded = padded_size((height, width), model.spec.generator)
            check_pixels((height, width), padded, limits)
            same.setdefault(padded, []).append((index, pixels))
        except UsageError as error:
            results[index] = error
    seconds = 0.0
    for padded, group in same.items():
        most = max(1, limits.pixels // math.prod(padded))
        for start in range(0, len(group), most):
            part = group[start : start + most]
            outs, spent = _run(model, run, padded, [pixels for _, pixels in part])
            seconds += spent
            for (index, _), out in zip(part, outs, strict=True):
                results[index] = encode(out, pictures[index].suffix)
    return results, seconds


def _run(
    model: Model, run: Run, padded: tuple[int, int], pictures: Sequence[Pixels]
) -> tuple[list[Pixels], float]:
    multiple, least = model.spec.generator.sizes
    format_in, format_out = model.spec.format_in, model.spec.format_out
    batch = np.empty((len(pictures), format_in.channels, *padded), np.float32)
    for row, pixels in zip(batch, pictures, strict=True):
        tensor = to_tensor(torch.from_numpy(pixels.copy())[None], format_in.range)
        row[:] = pad_to(tensor, multiple, least)[0].numpy()
    began = time.perf_counter()
    out = run(batch)
    spent = time.perf_counter() - began
    results: list[Pixels] = []
    for row, pixels in zip(out, pictures, strict=True):
        height, width = pixels.shape[:2]
        results.append(
            to_pixels(crop_to(torch.from_numpy(row[None]), height, width), format_out)[0]
        )
    return results, spent


def warm(model: Model) -> None:
    """Run the smallest image once, so that the first request does not pay for what is set up then."""
    kind = model.spec.format_in
    side = max(model.spec.generator.sizes)
    pixels = np.zeros((side, side, kind.channels), DTYPES[kind.depth])
    pixels[:] = kind.range[0] if kind.depth == "float" else 0
    padded = padded_size((side, side), model.spec.generator)
    for run in (model.run, model.lane):
        if run is not None:
            _run(model, run, padded, [pixels])
