"""What the health figures cost, and what they say of healthy and of broken generators.

    python -m bench.health cost RECIPE [IMAGES]   share of a training of IMAGES (its own length: 0)
    python -m bench.health cases RUN              every figure of planted failures, from a run's generators
    python -m bench.health hide DATA              a pair trained to hide colour in a grey picture
    python -m bench.health pairs DATA             dependence and inversion of true pairs, side by side
    python -m bench.health range RUN...           lowest and highest of every figure while training

Run from the project's folder. A star marks what is bad (hwan.metrics.health_limits), a plus what is watched.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from bench.planted import PLANTED, grey, hide
from hwan import config as configs
from hwan.config import Config
from hwan.config.recipes import RECIPES
from hwan.data.cache import open_cache
from hwan.data.folders import locate
from hwan.data.loader import Batch
from hwan.evaluation.source import run_data
from hwan.imaging.pixels import save, to_tensor
from hwan.metrics.health import dependence, inversion
from hwan.metrics.health_limits import Finding, findings
from hwan.nets.folder import load_generator
from hwan.training.health import due, measure
from hwan.training.samples import EXAMINED, PROBES, Samples
from hwan.training.state import Training
from hwan.training.steps.eager import step

MARKS = {"bad": "*", "watch": "+", "good": "", "unknown": "?"}


def cost(recipe: str, images: int) -> None:
    """Seconds of a step and of a measurement, alternated, and the share of a whole training."""
    config = RECIPES[recipe]()
    side, train = config.data.size, config.train
    noise = torch.randint(256, (PROBES, side, side, 3), dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("trainA", "trainB"):
            for i, picture in enumerate(noise.numpy()):
                save(picture, Path(folder, name, f"{i}.png"))
        samples, training = (
            Samples(locate([Path(folder)]), config),
            Training(config, torch.device("cpu")),
        )
        batch = Batch(noise[: train.batch], noise[: train.batch])
        seconds: dict[str, list[float]] = {"step": [], "sheet": [], "sheet and health": []}
        for i in range(12):
            for name, times in seconds.items():
                began = time.perf_counter()
                if name == "step":
                    for _ in range(5):
                        step(training, [batch], 1e-4)
                else:
                    samples.draw(training, Path(folder), name != "sheet")
                if i > 1:
                    times.append(time.perf_counter() - began)
    found = {name: statistics.median(times) for name, times in seconds.items()}
    found["step"] /= 5
    for name, value in found.items():
        print(f"{name:18}{value:8.4f} s")
    total = images or round(train.epochs * 400)
    marks = [
        n
        for n in range(1, train.ticks + 1)
        if due(-(-n * total // train.ticks), train.ticks, total)
    ]
    whole = found["step"] * total / train.batch + found["sheet"] * train.ticks
    health = (found["sheet and health"] - found["sheet"]) * len(marks)
    print(
        f"{total} images: health {len(marks)} times, {100 * health / whole:.2f} % of the training"
    )


def show(name: str, found: list[Finding]) -> None:
    """One line: a case and its figures."""
    cells = [f"{f.figure} {f.value:.2f}{MARKS[f.light]}" for f in found]
    print(f"{name:12}" + "  ".join(cells), flush=True)


def probes(run: Path, most: int = EXAMINED) -> tuple[Config, Tensor, Tensor]:
    """A run's configuration and the images it is examined on."""
    config = configs.load(run / "config.json")
    return config, *Samples(run_data(run), config, most).tensors(config, torch.device("cpu"))


@torch.no_grad()
def cases(run: Path) -> None:
    config, a, b = probes(run)
    nets = {d: load_generator(run / f"generator_{d}")[0].eval() for d in config.directions}
    for name, plant in PLANTED.items():
        broken = plant(nets, {"a": a, "b": b})
        show(name, [f for f in findings(measure(broken, a, b)) if f.figure.endswith("_ab")])


def hidden(data: Path) -> None:
    config = RECIPES["demo-webtoon"]()
    layout = locate([data])
    cache = open_cache(layout.train_a, config.data, config.data.format_a)
    images = to_tensor(torch.stack([torch.from_numpy(cache[i].copy()) for i in range(len(cache))]))
    nets = hide(images)
    a, _ = Samples(layout, config, EXAMINED).tensors(config, torch.device("cpu"))
    with torch.no_grad():
        fake = nets["ab"](a)
        plain, back = grey(a), nets["ba"](fake)
        print(f"of the range: fake to grey {l1(fake, plain):.4f}, there and back {l1(back, a):.4f}, "
              f"grey to input {l1(plain, a):.4f}")  # fmt: skip
        show("hidden", [f for f in findings(measure(nets, a, plain)) if f.figure.endswith("_ab")])


def l1(a: Tensor, b: Tensor) -> float:
    """Mean difference as a share of the range."""
    return float((a - b).abs().mean()) / 2


def pairs(data: Path) -> None:
    base = RECIPES["demo-webtoon"]()
    config = replace(base, data=replace(base.data, pairs="sides", fit="stretch"))
    a, b = Samples(locate([data], "sides"), config, EXAMINED).tensors(config, torch.device("cpu"))
    for start in range(0, len(a), PROBES):
        some = a[start : start + PROBES], b[start : start + PROBES]
        print(f"pairs {start} on: dependence {dependence(some[1], some[0]):.2f} and back "
              f"{dependence(some[0], some[1]):.2f}, inversion {inversion(*some):.2f}")  # fmt: skip


def extremes(runs: list[Path]) -> None:
    for run in runs:
        rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
        history: list[Mapping[str, float]] = [row["health"] for row in rows if row["health"]]
        print(f"{run.name}: measured {len(history)} times")
        for figure in history[-1]:
            ends = [{figure: end(h[figure] for h in history if figure in h)} for end in (min, max)]
            low, high = (findings(end)[0] for end in ends)
            print(
                f"  {figure:26}{low.value:8.3f}{MARKS[low.light]:2}{high.value:8.3f}{MARKS[high.light]}"
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("cost", "cases", "hide", "pairs", "range"))
    parser.add_argument("where", nargs="+")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.what == "cost":
        cost(given.where[0], int((given.where[1:] or ["0"])[0]))
    elif given.what == "cases":
        cases(Path(given.where[0]))
    elif given.what == "pairs":
        pairs(Path(given.where[0]))
    elif given.what == "hide":
        hidden(Path(given.where[0]))
    else:
        extremes([Path(run) for run in given.where])


if __name__ == "__main__":
    main()
