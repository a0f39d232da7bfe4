"""What every bench needs: interleaved timings with their spread, the machine in words, a table and JSON."""

from __future__ import annotations

import gc
import json
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

Work = Callable[[], Any]


@dataclass(frozen=True)
class Timing:
    """Seconds a call: every round's, of the wall and (on a CPU) of all threads together."""

    wall: list[float]
    cpu: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.wall)

    @property
    def cpu_median(self) -> float:
        return statistics.median(self.cpu)


def wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def interleaved(
    works: Mapping[str, Work], rounds: int, calls: int, device: torch.device, warm: int = 3
) -> dict[str, Timing]:
    """Time every work in turn, ``rounds`` times over, so that a slow minute meets all of them alike."""
    for work in works.values():
        for _ in range(warm):
            work()
    gc.collect()
    found: dict[str, Timing] = {name: Timing([], []) for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            wait(device)
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(calls):
                work()
            wait(device)
            found[name].wall.append((time.perf_counter() - wall) / calls)
            found[name].cpu.append((time.process_time() - cpu) / calls)
    return found


def ratio(base: Timing, other: Timing) -> tuple[float, float, float]:
    """How many times faster ``other`` is, by wall time: the median over the rounds, least and most."""
    each = [b / o for b, o in zip(base.wall, other.wall, strict=True)]
    return statistics.median(each), min(each), max(each)


def machine(device: torch.device) -> str:
    """Processor or card, threads, versions."""
    name = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        name = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), name)
    if device.type == "cuda":
        name = f"{torch.cuda.get_device_name(device)}; {name}"
    return (
        f"{name}, {torch.get_num_threads()} threads, Python {platform.python_version()}, "
        f"torch {torch.__version__}"
    )


def peak_rss() -> int:
    """Most bytes of memory this process has held."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def report(
    title: str, columns: list[str], rows: list[list[str]], data: Any, out: Path | None
) -> None:
    """Print one table, and write ``data`` as JSON where asked."""
    widths = [max(len(str(row[i])) for row in [columns, *rows]) for i in range(len(columns))]
    print(title)
    for row in [columns, ["-" * width for width in widths], *rows]:
        cells = [str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("| " + " | ".join(cells) + " |")
    if out:
        out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
