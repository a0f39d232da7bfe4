"""An image in strips against the same image at once: seconds, peak memory, largest difference.

    python -m bench.tiles GENERATOR --side 4096 [--image FILE] [--tile 512] [--whole] [--out DIR]

The image is FILE, enlarged to the side, or noise; --out keeps the translation. Prints one table and JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("generator", type=Path)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--image", type=Path)
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--whole", action="store_true", help="and once without strips")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        print(json.dumps(translate(given, given.one)))
        return
    rows = []
    for tile in [given.tile, *([given.side * 4] if given.whole else [])]:
        found = subprocess.run(  # each in a process of its own, whose peak memory is its own
            [sys.executable, "-m", "bench.tiles", *sys.argv[1:], "--one", str(tile)],
            check=True,
            capture_output=True,
            text=True,
        )
        rows.append(json.loads(found.stdout))
    print(f"{'':10}{'seconds':>9}{'peak GB':>9}{'of it to start':>16}")
    for row in rows:
        name = "whole" if row["whole"] else f"tile {row['tile']}"
        print(f"{name:10}{row['seconds']:9.1f}{row['peak']:9.2f}{row['start']:16.2f}")
    if given.whole:
        first, second = (np.load(given.out / f"{row['tile']}.npy").astype(int) for row in rows)
        error = np.abs(first - second)
        rows.append({"largest_levels": int(error.max()), "pixels_off": float((error > 0).mean())})
        print(
            f"largest difference {error.max()} of 255, in {100 * (error > 0).mean():.4f} % of values"
        )
    print(json.dumps(rows))


def translate(given: argparse.Namespace, tile: int) -> dict[str, float]:
    from hwan.imaging.pixels import decode, resize, save
    from hwan.inference.translate import load

    translator = load(given.generator, "cpu")
    translator.tile = tile
    side = given.side
    pixels = (
        resize(decode(given.image).pixels, side, side)
        if given.image
        else np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    )
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    whole = tile > side
    if whole:
        import hwan.inference.translate

        hwan.inference.translate.WHOLE, translator.tile = side * side, 0
    out = translator.pixels(pixels)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    np.save(given.out / f"{tile}.npy", out)
    save(out, given.out / f"{tile}.png")
    return {
        "tile": tile,
        "whole": whole,
        "seconds": seconds,
        "peak": peak / 2**20,
        "start": start / 2**20,
    }


if __name__ == "__main__":
    main()
