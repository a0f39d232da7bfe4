"""demo."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Literal

from hwan.cli.options import parse
from hwan.cli.tables import print_summaries
from hwan.config.recipes import RECIPES
from hwan.errors import UsageError, require

TRAIN, TEST = 400, 40  # images of each domain
OVERHEAD = 40.0  # seconds of a demo that are not training, on two cores


@dataclass(frozen=True)
class Demo:
    """Go through everything on embedded pictures: data, training, test, report, export, translation."""

    task: Literal["webtoon", "daynight"] = "webtoon"
    """webtoon: photographs to drawings; daynight: procedural landscapes by day to the same by night."""
    out: Path = Path("hwan-demo")
    """The folder for all of it; a number is added if it is there already."""
    minutes: float = 0.0
    """Train for about this long instead of the recipe's fixed length (0)."""
    seed: int = 0
    """The seed of the data, the weights and the order."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""


def demo(args: list[str]) -> int:
    given = parse(Demo, "demo", args)
    from hwan import api
    from hwan.data.landscape import landscape
    from hwan.data.samples import TASKS, photos
    from hwan.imaging.pixels import save
    from hwan.inference.translate import load
    from hwan.training.plan import fitted

    began = time.perf_counter()
    config = RECIPES[f"demo-{given.task}"]()
    config = replace(config, train=replace(config.train, seed=given.seed))
    seconds = given.minutes * 60 - OVERHEAD
    expected = f"more --minutes than the {OVERHEAD / 60:.1f} of data, test and export"
    fix = f"give {OVERHEAD / 60 + 0.5:.1f} or more, or leave it out"
    require(not given.minutes or seconds > 0, expected, f"{given.minutes:g}", fix)
    numbered = (given.out.with_name(f"{given.out.name}-{number}") for number in count(2))
    out = next(path for path in chain([given.out], numbered) if not path.exists())
    run, data = out / "run", out / "data"
    print(f"1/5  data: {given.task} into {data}", flush=True)
    TASKS[given.task](data, size=config.data.size, train=TRAIN, test=TEST, seed=given.seed)
    config = fitted(config, (data,), seconds, given.device) if given.minutes else config
    print(f"2/5  training on {config.train.epochs * TRAIN:.0f} pairs into {run}", flush=True)
    api.train(config, data, run, given.device, progress=True)
    print("3/5  test on held-out images", flush=True)
    print_summaries(api.evaluate(run, device=given.device, progress=True))
    print("4/5  export to ONNX", flush=True)
    try:
        parities = api.export(run, out / "onnx").parities
        print(f"     equal to PyTorch within {max(p.max_error for p in parities):.0e}")
    except UsageError as error:
        print(f"     left out: {error}")
    print("5/5  translate a whole picture", flush=True)
    # It is larger than any crop of the training, and not in it.
    photo = given.task == "webtoon"
    whole = photos()["coffee"] if photo else landscape(10**6 + given.seed, 256, False)
    save(whole, out / "picture.png")
    save(load(run, given.device).pixels(whole), out / "translated.png")
    print(f"""
done in {time.perf_counter() - began:.0f} s
  report      {run / "report.html"}   (open it in a browser)
  picture     {out / "picture.png"}  ->  {out / "translated.png"}
  generators  {run / "generator_ab"}  {run / "generator_ba"}
what next
  longer      hwan demo --minutes 20
  your image  hwan translate {run} IMAGE --out DIR
  your data   hwan data check DIR        (DIR holds trainA trainB testA testB)
              hwan train quick --data DIR --out runs/first --minutes 20""")
    return 0
