"""The forms of nets/convs.py beside torch's own convolution: time and rounding, layer by layer.

    python -m bench.convs [--threads 1]

Milliseconds forward, and forward and back by image and weight; ratios are medians of interleaved rounds.
"off" is how many times further than torch's the form's output and gradients are from those in double.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from bench.common import interleaved, machine, ratio, report
from hwan.nets.fast.convs import NarrowIn, NarrowOut, Winograd
from hwan.runtime import keep_freed_memory

CPU = torch.device("cpu")
LAYERS: list[tuple[Any, int, int, int, int, int]] = [
    (Winograd, batch, channels, channels, 3, side)
    for channels in (64, 128, 256)
    for side in (16, 32, 64)
    for batch in (1, 2)
] + [
    (form, 2, *channels, 7, side)
    for form, channels in (
        (NarrowOut, (16, 3)), (NarrowOut, (64, 3)), (NarrowIn, (3, 16)), (NarrowIn, (3, 64)),
    )
    for side in (64, 128)
]  # fmt: skip


def ahead(form: Callable[..., Tensor], image: Tensor, weight: Tensor) -> Tensor:
    """Output alone."""
    with torch.no_grad():
        return form(image, weight)


def both_ways(form: Callable[..., Tensor], image: Tensor, weight: Tensor) -> list[Tensor]:
    """Output and gradients."""
    leaves = [image.clone().requires_grad_(), weight.clone().requires_grad_()]
    out = form(*leaves)
    slope = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
    return [out.detach(), *torch.autograd.grad(out, leaves, slope)]


def off(found: list[Tensor], exact: list[Tensor]) -> list[float]:
    """Relative distance of each from the exact one."""
    return [float((x - y).norm() / y.norm()) for x, y in zip(found, exact, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    rows, data = [], []
    for layer, batch, ci, co, k, side in LAYERS:
        image = torch.randn(batch, ci, side + k - 1, side + k - 1)
        weight = torch.randn(co, ci, k, k) / (k * ci**0.5)
        forms = {"torch": conv2d, "form": layer.apply}
        forward = interleaved(
            {name: partial(ahead, form, image, weight) for name, form in forms.items()},
            given.rounds,
            4,
            CPU,
        )
        back = interleaved(
            {name: partial(both_ways, form, image, weight) for name, form in forms.items()},
            given.rounds,
            2,
            CPU,
        )
        exact = both_ways(conv2d, image.double(), weight.double())
        mine, torchs = (off(both_ways(f, image, weight), exact) for f in (layer.apply, conv2d))
        worst = max(x / y for x, y in zip(mine, torchs, strict=True))
        ratios = [ratio(t["torch"], t["form"])[0] for t in (forward, back)]
        rows.append(
            [
                layer.__name__,
                f"{ci} to {co}, {k}x{k}, {side}x{side}, batch {batch}",
                f"{forward['torch'].median * 1e3:.2f}",
                f"{ratios[0]:.2f}",
                f"{back['torch'].median * 1e3:.2f}",
                f"{ratios[1]:.2f}",
                f"{worst:.1f}",
            ]
        )
        data.append({"form": layer.__name__, "layer": rows[-1][1], "ratios": ratios, "off": worst})
    columns = ["form", "layer", "torch ms", "times", "and back ms", "times", "off"]
    report(f"{machine(CPU)}, fp32", columns, rows, data, given.json)


if __name__ == "__main__":
    main()
