"""The loader beside the step it feeds: seconds a batch takes to make, and its share of a step.

    python -m bench.data --data DIR [--recipe small --sizes 64 128]

Decoding is told apart: once into the cache (cold), then opening it (warm). Waiting is what the step
really waited for its batch while prefetching.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from bench.common import machine, report, wait
from hwan.config import Config
from hwan.config.recipes import RECIPES
from hwan.data.folders import locate
from hwan.data.loader import batch, stream
from hwan.data.sets import open_set, to_device
from hwan.runtime import pick_device
from hwan.training.loop import choose_step
from hwan.training.state import Training


def timed(work: Any) -> tuple[float, Any]:
    """Seconds, and what the work gave."""
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def measure(config: Config, layout: Any, steps: int, device: torch.device) -> dict[str, float]:
    """Seconds of every part."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HWAN_CACHE"] = folder
        cold, _ = timed(lambda: open_set(layout, config))
        warm, data = timed(lambda: open_set(layout, config))
        made, _ = timed(lambda: [batch(data, config.data, 0, n, 1) for n in range(200)])
        take = choose_step(Training(config, device))
        there = to_device(data, config, device)
        batches = stream(there, config.data, 0, 0, 1, pinned=device.type == "cuda")
        for one in islice(batches, 6):
            take([one], 1e-4)
        waited = stepped = 0.0
        for _ in range(steps):
            seconds, one = timed(lambda: next(batches))
            waited += seconds
            began = time.perf_counter()
            take([one], 1e-4)
            wait(device)
            stepped += time.perf_counter() - began
        batches.close()  # type: ignore[attr-defined]
    return {
        "images": len(data.a) + len(data.b),
        "decode, once": cold,
        "open": warm,
        "batch": made / 200,
        "step": stepped / steps,
        "waited": waited / steps,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--recipe", choices=list(RECIPES), default="small")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    device = pick_device(given.device)
    layout, base = locate([given.data]), RECIPES[given.recipe]()
    rows, data = [], {}
    for size in given.sizes:
        for name, change in (
            ("crop, flip", {}),
            ("also rotate, jitter", {"rotate": 10.0, "jitter": 0.2}),
        ):
            options = dataclasses.replace(base.data, size=size, **change)  # type: ignore[arg-type]
            found = measure(dataclasses.replace(base, data=options), layout, given.steps, device)
            data[f"{size} {name}"] = found
            rows.append(
                [
                    f"{size}x{size}, {name}",
                    f"{found['decode, once']:.1f} s ({found['images'] / found['decode, once']:.0f}/s)",
                    f"{found['open'] * 1e3:.0f} ms",
                    f"{found['batch'] * 1e3:.2f} ms",
                    f"{found['step'] * 1e3:.0f} ms",
                    f"{found['waited'] * 1e3:.2f} ms",
                    f"{found['waited'] / (found['waited'] + found['step']):.1%}",
                ]
            )
    title = f"recipe {given.recipe}, {layout.train_a.folder.parent.name}; {machine(device)}"
    columns = ["crops", "decode once", "open cache", "make a batch", "step", "waited", "share"]
    report(title, columns, rows, {"title": title, "rows": data}, given.json)


if __name__ == "__main__":
    main()
