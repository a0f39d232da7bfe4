"""Time and memory of a step against the size of the crops and the batch.

    python -m bench.scaling [--recipe cyclegan --sizes 64 128 256 512 --batches 1 4 16 32 --on graph compile]

Memory is what `hwan plan` predicts; combinations beyond --gigabytes, or whose step would take longer than
--seconds by the arithmetic of the last one, are left out and say so.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import torch

from bench.common import interleaved, machine, report
from hwan.config.recipes import RECIPES
from hwan.runtime import pick_device, pick_precision
from hwan.training.estimate import noise_batches, step_cost
from hwan.training.loop import choose_step
from hwan.training.plan import settled, total
from hwan.training.state import Training
from hwan.training.steps.cuda_graph import EAGER_STEPS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", choices=list(RECIPES), default="cyclegan")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16, 32])
    parser.add_argument(
        "--on", nargs="+", choices=("cuda_graph", "compile", "gradient_checkpointing"), default=[]
    )
    parser.add_argument("--gigabytes", type=float, default=16.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    device, base = pick_device(given.device), RECIPES[given.recipe]()
    base = settled(base, pick_precision(base.train.precision, device))
    speed = dataclasses.replace(base.speed, **dict.fromkeys(given.on, True))  # type: ignore[arg-type]
    untimed = EAGER_STEPS + 1 if speed.cuda_graph else 1
    rows, data, rate = [], [], 0.0
    for size in given.sizes:
        for batch in given.batches:
            config = dataclasses.replace(
                base,
                data=dataclasses.replace(base.data, size=size, resize=0),
                train=dataclasses.replace(base.train, batch=batch),
                speed=speed,
            )
            needed = step_cost(config)
            held = total(config, needed, device)
            row = [
                f"{size}x{size}",
                str(batch),
                f"{held / 1e9:.2f}",
                f"{needed.flop / 1e9:.0f}",
            ]
            if held > given.gigabytes * 1e9:
                rows.append([*row, "memory", "", ""])
            elif rate and needed.flop / rate > given.seconds:
                rows.append([*row, "time", "", ""])
            else:
                torch.compiler.reset()  # which gives up on a network after some shapes
                take, micro = choose_step(Training(config, device)), noise_batches(config)
                one = {"step": lambda t=take, m=micro: t(m, 1e-4)}
                seconds = interleaved(one, 3, 1, device, warm=untimed)["step"].median
                rate = needed.flop / seconds
                rows.append([*row, f"{seconds:.3f}", f"{batch / seconds:.2f}", f"{rate / 1e9:.0f}"])
                print(*rows[-1], file=sys.stderr, flush=True)
                data.append({"size": size, "batch": batch, "held": held, "seconds": seconds})
    switches = " ".join([base.train.precision, *given.on])
    title = f"recipe {given.recipe}, {switches}; {machine(device)}"
    columns = ["size", "batch", "GB", "GFLOP", "s/step", "pairs/s", "GFLOP/s"]
    report(title, columns, rows, {"title": title, "rows": data}, given.json)


if __name__ == "__main__":
    main()
