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
from hwan.files import write_json
from hwan.runtime import describe

ExportPrecision = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True)
class Parity:
    """PyTorch against the exported file on one input (B, C, H, W): errors of outputs in [-1, 1], of
    which an 8-bit level is 0.0078, and seconds of the faster of two runs each."""

    shape: tuple[int, int, int, int]
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
    b, c, h, w = image.shape
    return Parity((b, c, h, w), float(error.max()), float(error.mean()), seconds_torch, seconds)


def _timed(net: Callable[[Tensor], Tensor], image: Tensor) -> tuple[Tensor, float]:
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        out = net(image)
        seconds.append(time.perf_counter() - began)
    return out, min(seconds)


def refuse_above(found: Sequence[Parity], tolerance: Tolerance, form: str) -> None:
    """Raise ``Failure`` unless every error is within ``tolerance`` (one that is no number is not)."""
    largest, mean = (
        max((p.max_error for p in found), key=_rank),
        max((p.mean_error for p in found), key=_rank),
    )
    for what, error, bound in (
        ("", largest, tolerance.largest),
        (" on average", mean, tolerance.mean),
    ):
        if not error <= bound:
            raise Failure(
                f"{form} differs from PyTorch by {error:.2g}{what}, above {bound}: not written"
            )


def _rank(error: float) -> float:
    return error if error == error else float("inf")  # nan first


def write_report(
    path: Path, found: Sequence[Parity], tolerance: Tolerance, precision: str, size: int, base: int
) -> None:
    """``parity.json``: what was compared, how large the files are (bytes), and on what machine."""
    report = {
        "precision": precision,
        "bytes": size,
        "bytes_safetensors": base,
        "tolerance": asdict(tolerance),
        "machine": describe(torch.device("cpu")),
        "median_speed_ratio": statistics.median(
            p.seconds_torch / p.seconds if p.seconds else 1.0 for p in found
        ),
        "inputs": [asdict(p) for p in found],
    }
    write_json(path, report)
