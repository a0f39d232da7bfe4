"""What idle OpenMP threads do to a training step: spinning (the default) against sleeping (hwan's).

    python -m bench.threads [--busy N]

Prints seconds a step of the `small` recipe for both, alternated, with N other processes keeping the
processor busy. Run from the project's folder.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

STEP = """
import time, torch
from hwan.data.loader import Batch
from hwan.recipes import small
from hwan.training.loop import Training, step
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
        seconds: dict[str, list[float]] = {"ACTIVE": [], "PASSIVE": []}
        for _ in range(given.rounds):
            for policy, found in seconds.items():
                environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
                if policy == "PASSIVE":
                    environment["OMP_WAIT_POLICY"] = policy
                run = subprocess.run([sys.executable, "-c", STEP], env=environment, check=True,
                                     capture_output=True, text=True)  # fmt: skip
                found.append(float(run.stdout))
    finally:
        for process in load:
            process.kill()
    for policy, found in seconds.items():
        label = "spinning (torch's default)" if policy == "ACTIVE" else "sleeping (hwan)"
        print(
            f"{label:28}{statistics.median(found):.3f} s a step  ({min(found):.3f} to {max(found):.3f})"
        )


if __name__ == "__main__":
    main()
