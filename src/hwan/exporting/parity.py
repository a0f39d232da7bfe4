"""How equal an exported generator is to PyTorch's: errors, sizes, seconds, and what is refused."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from hwan.errors import Failure
from hwan.files import write_atomic, write_json
from hwan.runtime import describe

CHECK = 3  # images of --data that calibration does not see
ExportPrecision = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True)
class Parity:
    """PyTorch against the exported file on one input (B, C, H, W): errors of outputs in [-1, 1], of
    which an 8-bit level is 0.0078, and seconds of the faster of two runs each."""

    shape: tuple[int, ...]
    max_error: float
    mean_error: float
    seconds_torch: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Tolerance:
    """The largest error an export may have anywhere, and on average; above either it is refused."""

    largest: float
    mean: float


# fp32: the same sums in another order. fp16: 11 bits of each weight and activation, norms in fp32; on
# average at most half an 8-bit level, so that a rounded picture mostly stays as it was, and nowhere
# more than a tenth of the range. int8: 8 bits of each; it may show, but on average by no more than five
# levels of 255, and nowhere by more than a quarter of the range. Measured: docs/guide/export.md.
TOLERANCES: dict[ExportPrecision, Tolerance] = {
    "fp32": Tolerance(1e-4, 1e-4),
    "fp16": Tolerance(0.2, 0.0039),
    "int8": Tolerance(0.5, 0.04),
}


def compare(
    ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor], image: Tensor
) -> Parity:
    """Both on ``image`` (B, C, H, W), each run twice."""
    with torch.inference_mode():
        expected, seconds_torch = _timed(ours, image)
        got, seconds = _timed(theirs, image)
    error = (got - expected).abs()
    largest, mean = float(error.max()), float(error.mean())
    return Parity(tuple(image.shape), largest, mean, seconds_torch, seconds)


def _timed(net: Callable[[Tensor], Tensor], image: Tensor) -> tuple[Tensor, float]:
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        out = net(image)
        seconds.append(time.perf_counter() - began)
    return out, min(seconds)


def refuse_above(found: Sequence[Parity], precision: ExportPrecision, file: str) -> None:
    """Raise ``Failure`` unless every error is within its tolerance (one that is no number is not)."""
    bounds = TOLERANCES[precision]
    checks = [(parity.max_error, bounds.largest, "") for parity in found]
    checks += [(parity.mean_error, bounds.mean, " on average") for parity in found]
    for error, bound, where in checks:
        if not error <= bound:
            difference = f"differs from PyTorch by {error:.2g}{where}, above {bound}"
            raise Failure(f"{file} {difference}: not written")


def write_export(
    path: Path, data: bytes, found: list[Parity], precision: ExportPrecision, folder: Path
) -> tuple[Path, list[Parity]]:
    """Write the exported file, and beside it ``parity.json``: what was compared, how large the file
    and the weights in ``folder`` are (bytes), and on what machine. Returns ``path`` and ``found``."""
    write_atomic(path, data)
    ratios = [p.seconds_torch / p.seconds if p.seconds else 1.0 for p in found]
    report = {
        "precision": precision,
        "bytes": len(data),
        "bytes_safetensors": (folder / "model.safetensors").stat().st_size,
        "tolerance": asdict(TOLERANCES[precision]),
        "machine": describe(torch.device("cpu")),
        "median_speed_ratio": statistics.median(ratios),
        "inputs": [asdict(p) for p in found],
    }
    write_json(path.with_name("parity.json"), report)
    return path, found
