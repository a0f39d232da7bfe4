"""How long a command takes to answer: `hwan --help`, its imports, and the first useful work.

    python -m bench.startup [--rounds 7]

Each is a fresh process, in turn; the least and the median are told, and whether torch was imported.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

from bench.common import machine, report

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import hwan": ["-c", "import hwan"],
    "hwan --help": ["-m", "hwan.cli.main", "--help"],
    "hwan translate --help": ["-m", "hwan.cli.main", "translate", "--help"],
    "hwan train --help": ["-m", "hwan.cli.main", "train", "--help"],
    "hwan recipes": ["-m", "hwan.cli.main", "recipes"],
    "import torch": ["-c", "import torch"],
    "hwan.load": ["-c", "import hwan; hwan.load"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(given.rounds):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - began)
    rows = []
    for name, command in COMMANDS.items():
        traced = subprocess.run(
            [sys.executable, "-X", "importtime", *command],
            check=True,
            capture_output=True,
            text=True,
        )
        has_torch = any(line.endswith("| torch") for line in traced.stderr.splitlines())
        found = seconds[name]
        rows.append(
            [
                name,
                f"{min(found):.3f}",
                f"{statistics.median(found):.3f}",
                "yes" if has_torch else "no",
            ]
        )
    title = machine(torch.device("cpu"))
    report(title, ["command", "least s", "median s", "imports torch"], rows, seconds, given.json)


if __name__ == "__main__":
    main()
