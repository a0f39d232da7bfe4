"""What a step must do at least: its operations, the bytes they read and write, their arithmetic, and the time
that a card of given rates cannot go below.

    python -m bench.floor [--size 256 --batch 1 --filters 64 --blocks 9] [--gigabytes 4300 --teraflops 790]

One step is run, on the device that there is, and counted; casts are that device's. The rates are an H200's
(bf16), as large copies and matrix products measure them. "In one pass" leaves out padding, activations,
copies and casts: what is left where all between two convolutions is done with the norm, as torch.compile
does it.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from bench.common import machine, report
from bench.step import configured
from hwan.config import Config, SpeedConfig
from hwan.runtime import pick_device
from hwan.training.estimate import trial_batches
from hwan.training.state import Training
from hwan.training.steps.eager import step

GROUPS = {
    "convolution": "convolutions",
    "_norm": "norms",
    "_pad": "padding",
    "relu": "activations",
    "tanh": "activations",
    "threshold": "activations",
    "clone": "copies and casts",
    "copy": "copies and casts",
    "adam": "Adam",
}
PASSES = ("padding", "activations", "copies and casts")
FREE = ("view", "expand", "aten.slice.", "aten.select.", "detach", "permute", "transpose", "squeeze",
        "empty", "alias", "split", "unbind", "as_strided", "aten.t.", "lift", "prim")  # fmt: skip


class Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Of every operation: its name, the bytes it reads and writes, its arithmetic."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[tuple[str, int, int]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = str(func)
        if not any(free in name for free in FREE):
            read, new = tensors((args, kwargs)), tensors(out)
            new = [x for x in new if not any(x is y for y in read)]
            if not any(written_only in name for written_only in ("copy_", "fill_", "zero_")):
                places = zip(func._schema.arguments, args, strict=False)
                new += tensors([x for place, x in places if place.is_write])
            if "native_batch_norm" in name or "native_group_norm" in name:
                # Sums first, values then: of the gradient and the input on the way back.
                read += read[: 2 if "backward" in name else 1]
            count = flop_registry.get(func._overloadpacket)
            flop = count(*args, **kwargs, out_val=out) if count else 0
            self.seen.append((name, sum(x.numel() * x.element_size() for x in read + new), flop))
        return out


def tensors(value: Any) -> list[Tensor]:
    return [x for x in tree_leaves(value) if isinstance(x, Tensor)]


def counted(config: Config, device: torch.device) -> list[tuple[str, int, int]]:
    """Every operation of a third step, when Adam has its moments and the pools have begun."""
    training, micro = Training(config, device), trial_batches(config)
    training.method.train()
    for _ in range(2):
        step(training, micro, 1e-4)
    count = Count()
    with count:
        step(training, micro, 1e-4)
    found: list[tuple[str, int, int]] = count.seen
    return found


def group(name: str) -> str:
    return next((kind for part, kind in GROUPS.items() if part in name), "the rest")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--filters", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--gigabytes", type=float, default=4300, help="a second, read and written")
    parser.add_argument("--teraflops", type=float, default=790, help="a second, of bf16 products")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    config = configured(given, "bf16", SpeedConfig(fast_kernels=False))
    device = pick_device(given.device)
    found: dict[str, list[float]] = defaultdict(lambda: [0.0] * 4)
    for name, size, flop in counted(config, device):
        least = max(size / given.gigabytes / 1e9, flop / given.teraflops / 1e12)
        for i, value in enumerate((1, size, flop, least)):
            found[group(name)][i] += value
    found = dict(sorted(found.items(), key=lambda x: -x[1][3]))
    found["together"] = [sum(values[i] for values in found.values()) for i in range(4)]
    rows = [
        [name, f"{n:.0f}", f"{size / 1e9:.2f}", f"{flop / 1e9:.0f}", f"{seconds * 1e3:.2f}"]
        for name, (n, size, flop, seconds) in found.items()
    ]
    whole = found["together"][3]
    one_pass = whole - sum(found[name][3] for name in PASSES if name in found)
    title = (
        f"CycleGAN step, ResNet-{given.blocks}, {given.filters} filters, {given.size}x{given.size}, batch "
        f"{given.batch}, bf16, counted on {machine(device)}\nAt {given.gigabytes:.0f} GB/s and "
        f"{given.teraflops:.0f} TFLOP/s at most {given.batch / whole:.0f} pairs/s; in one pass "
        f"{given.batch / one_pass:.0f}; convolutions alone {given.batch / found['convolutions'][3]:.0f}"
    )
    columns = ["", "operations", "GB", "GFLOP", "ms at least"]
    report(title, columns, rows, found, given.json)


if __name__ == "__main__":
    main()
