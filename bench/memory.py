"""Memory of a training step: what `hwan plan` predicts beside what a process really held.

    python -m bench.memory [--device auto]

Each configuration is trained for three steps in a process of its own; on a CPU the most memory the
process held is told, on a card what PyTorch allocated at most.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import torch

from bench.common import machine, peak_rss, report
from hwan.config import Config, SpeedConfig
from hwan.config.recipes import cut, cyclegan, gan, pix2pix, small
from hwan.config.speed import PLAIN
from hwan.runtime import pick_device
from hwan.training.estimate import noise_batches, step_cost
from hwan.training.loop import choose_step
from hwan.training.plan import resized, total
from hwan.training.state import Training


def sized(config: Config, speed: SpeedConfig | None = None, batch: int = 1) -> Config:
    """``config`` with other switches and another batch, in fp32."""
    train = dataclasses.replace(config.train, batch=batch, precision="fp32")
    return dataclasses.replace(config, train=train, speed=speed or config.speed)


CASES = {
    "small, 64x64": lambda: sized(small()),
    "small, 64x64, batch 8": lambda: sized(small(), batch=8),
    "cyclegan, 128x128": lambda: sized(cyclegan(128)),
    "cyclegan, 128x128, batch 2": lambda: sized(cyclegan(128), batch=2),
    "cyclegan, 128x128, plain": lambda: sized(cyclegan(128), PLAIN),
    "cyclegan, 128x128, checkpointing": lambda: sized(
        cyclegan(128), SpeedConfig(gradient_checkpointing=True)
    ),
    "cyclegan, 256x256": lambda: sized(cyclegan(256)),
    "cyclegan, 256x256, checkpointing": lambda: sized(
        cyclegan(256), SpeedConfig(gradient_checkpointing=True)
    ),
    "pix2pix, 256x256": lambda: sized(pix2pix(256)),
    "cut, 128x128": lambda: sized(resized(cut(), 128)),
    "gan, 128x128": lambda: sized(resized(gan(), 128)),
    "cyclegan, 512x512, checkpointing": lambda: sized(
        cyclegan(512), SpeedConfig(gradient_checkpointing=True)
    ),
}


def child(name: str, device: torch.device) -> int:
    """Train three steps here; bytes at most."""
    config = CASES[name]()
    take = choose_step(Training(config, device))
    for _ in range(3):
        take(noise_batches(config), 1e-4)
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_rss()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--child", choices=list(CASES))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    device = pick_device(given.device)
    if given.child:
        print(child(given.child, device))
        return
    rows, data = [], {}
    for name in given.cases:
        command = [sys.executable, "-m", "bench.memory", "--child", name, "--device", str(device)]
        run = subprocess.run(command, check=True, capture_output=True, text=True)
        held = int(run.stdout.split()[-1])
        config = CASES[name]()
        needed = step_cost(config)
        # On a card what PyTorch allocated is compared, without the context.
        predicted = needed.peak if device.type == "cuda" else total(config, needed, device)
        data[name] = {"predicted": predicted, "held": held}
        rows.append(
            [
                name,
                f"{predicted / 1e9:.2f} GB",
                f"{held / 1e9:.2f} GB",
                f"{predicted / held - 1:+.0%}",
            ]
        )
        print(json.dumps(data[name]), file=sys.stderr, flush=True)
    title = machine(device)
    report(title, ["configuration", "predicted", "held", "off by"], rows, data, given.json)


if __name__ == "__main__":
    main()
