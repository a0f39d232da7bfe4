"""The whole road on embedded pictures: data -> training -> test -> report -> export -> translation."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path

from hwan.cli.evaluate import Evaluate, run_evaluation
from hwan.cli.train import Train, run_training
from hwan.config import Config
from hwan.config.recipes import RECIPES
from hwan.data.landscape import landscape
from hwan.data.samples import TASKS, photos
from hwan.errors import UsageError
from hwan.export import export_onnx
from hwan.imaging.pixels import Pixels, save
from hwan.inference.translate import find_generator, load
from hwan.runtime import pick_device
from hwan.training.plan import seconds_a_step

TRAIN, TEST = 400, 40  # images of each domain
OVERHEAD = 40.0  # seconds of a demo that are not training, on two cores


def run_demo(task: str, out: Path, minutes: float, seed: int, device: str) -> int:
    """Run every stage of ``task`` into ``out`` (numbered if taken) and print where everything is.

    ``minutes`` 0 keeps the recipe's own length, so that the result is the same everywhere; else the
    training is made about as long as that leaves, by the speed measured first.
    """
    began = time.perf_counter()
    out = _free(out)
    config = RECIPES[f"demo-{task}"]()
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, seed=seed))
    if minutes:
        config = _fit(config, minutes, device)
    run = out / "run"
    print(f"1/5  data: {task} into {out / 'data'}", flush=True)
    TASKS[task](out / "data", size=config.data.size, train=TRAIN, test=TEST, seed=seed)
    print(f"2/5  training on {config.train.epochs * TRAIN:.0f} pairs into {run}", flush=True)
    if code := run_training(Train(config, (out / "data",), run, device=device)):
        return code
    print("3/5  test on held-out images", flush=True)
    run_evaluation(run, Evaluate((run,), device=device))
    print("4/5  export to ONNX", flush=True)
    generator = find_generator(run, "ab")
    try:
        _, parities = export_onnx(generator, out / "onnx")
        print(f"     equal to PyTorch within {max(p.max_error for p in parities):.0e}")
    except UsageError as error:
        print(f"     left out: {error}")
    print("5/5  translate a whole picture", flush=True)
    picture = _whole(task, seed)
    save(picture, out / "picture.png")
    save(load(generator, device).pixels(picture), out / "translated.png")
    print(f"""
done in {time.perf_counter() - began:.0f} s
  report      {run / "report.html"}   (open it in a browser)
  picture     {out / "picture.png"}  ->  {out / "translated.png"}
  generators  {run / "generator_ab"}  {run / "generator_ba"}
what next
  longer      hwan demo --minutes 20
  your image  hwan translate {run} IMAGE --out DIR
  your data   hwan data check DIR        (DIR holds trainA trainB testA testB)
              hwan train small --data DIR --out runs/first""")
    return 0


def _whole(task: str, seed: int) -> Pixels:
    """A picture larger than any crop of the training, and not in it."""
    return photos()["coffee"] if task == "webtoon" else landscape(10**6 + seed, 256, night=False)


def _free(out: Path) -> Path:
    """``out``, or the first of ``out-2``, ``out-3`` … that is not there yet."""
    number, free = 1, out
    while free.exists():
        number += 1
        free = out.with_name(f"{out.name}-{number}")
    return free


def _fit(config: Config, minutes: float, device: str) -> Config:
    """``config`` with as many epochs as fit into ``minutes``, by a dozen steps timed on noise."""
    seconds = minutes * 60 - OVERHEAD
    if not seconds > 0:
        raise UsageError(
            "--minutes leaves time for more than data, test and export",
            f"{minutes:g}",
            f"give {OVERHEAD / 60 + 0.5:.1f} or more, or leave it out",
        )
    step = seconds_a_step(config, pick_device(device), limit=math.inf)
    pace = step / config.train.batch
    return dataclasses.replace(
        config, train=dataclasses.replace(config.train, epochs=seconds / pace / TRAIN)
    )
