"""What idle OpenMP threads do to a training step: spinning, sleeping, or a moment of each.

    python -m bench.threads [--busy N]

Prints seconds a step of the `small` recipe for each, alternated, with N other processes keeping the
processor busy. Run from the project's folder.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
POLICIES: dict[str, dict[str, str]] = {
    "spinning (torch's default)": {},
    "sleeping": {"OMP_WAIT_POLICY": "PASSIVE"},
    "a moment, then sleeping": {"GOMP_SPINCOUNT": "10000"},
}
STEP = """
import time, torch
from hwan.data.loader import Batch
from hwan.config.recipes import small
from hwan.training.state import Training
from hwan.training.steps.eager import step
training, noise = Training(small(), torch.device("cpu")), torch.randint(256, (1, 64, 64, 3)).byte()
for i in range(13):
    if i == 3:
        began = time.perf_counter()
    step(training, [Batch(noise, noise)], 1e-4)
print((time.perf_counter() - began) / 10)
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(given.busy)]
    try:
        seconds: dict[str, list[float]] = {name: [] for name in POLICIES}
        for _ in range(given.rounds):
            for name, policy in POLICIES.items():
                kept = {k: v for k, v in os.environ.items() if k not in SETTINGS}
                run = subprocess.run(
                    [sys.executable, "-c", STEP],
                    env=kept | policy,
                    check=True,
                    capture_output=True,
                    text=True,
                )
                seconds[name].append(float(run.stdout))
    finally:
        for process in load:
            process.kill()
    for name, found in seconds.items():
        print(
            f"{name:28}{statistics.median(found):.3f} s a step  ({min(found):.3f} to {max(found):.3f})"
        )


if __name__ == "__main__":
    main()
