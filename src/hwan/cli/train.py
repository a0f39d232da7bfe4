"""train, demo."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from hwan.cli import ASK, parse
from hwan.config import Config
from hwan.errors import UsageError, nearest


@dataclass(frozen=True)
class Train:
    """Train on two folders of images. Ctrl-C saves; `hwan train RUN --resume` goes on exactly."""

    config: Annotated[Config, arg(name="")]
    data: tuple[Path, ...] = ()
    """A folder with trainA and trainB (and testA, testB), or the two folders A B."""
    out: Path | None = None
    """The run folder to make; with --resume it is the one given."""
    resume: bool = False
    """Go on with the run folder given instead of a recipe."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    tensorboard: bool = False
    """Also write TensorBoard's event files, into OUT/tensorboard."""


def train(args: list[str]) -> int:
    from hwan.config import load

    resume = "--resume" in args[1:]
    if args and args[0] in ASK:
        args = ["cyclegan", *args]  # every recipe has the same options
    folder = Path(args[0]) if args else Path()
    base = load(folder / "config.json") if resume else named("train", args)
    given = parse(Train, f"train {args[0]}", args[1:], Train(base, out=folder if resume else None))
    if resume and given.out != folder:
        raise UsageError(
            "--resume goes on in the run folder", f"--out {given.out}", "leave --out out"
        )
    if not resume:
        told(args[0], given.config, base)
    return run_training(given)


def named(verb: str, args: list[str]) -> Config:
    """The configuration that ``args`` begin with: a recipe's or a config.json's."""
    from hwan.config import load
    from hwan.config.recipes import RECIPES, SIZED, recipe

    if not args or args[0].startswith("-"):
        raise UsageError(
            f"{verb} takes a recipe, a config.json or (train with --resume) a run folder first",
            " ".join(args) or "nothing",
            nearest("", RECIPES) + f"; `hwan {verb} RECIPE --help` lists every option",
        )
    what = args[0]
    if Path(what).suffix == ".json":
        return load(Path(what))
    if what not in RECIPES:
        own = Path(what) / "config.json"
        fix = f"give {own} for its options, or train --resume to go on" if own.is_file() else ""
        raise UsageError(
            "a recipe is one of hwan's, or a config.json", what, fix or nearest(what, RECIPES)
        )
    size = args[args.index("--data.size") + 1] if "--data.size" in args[1:-1] else ""
    return recipe(what, int(size) if size.isdecimal() and what in SIZED else None)


def told(what: str, config: Config, base: Config) -> None:
    """Refuse an option given over ``base`` that nothing reads; of a config.json, name those it holds."""
    from hwan.config.applicability import refuse_unread, unread

    refuse_unread(config, base)
    if Path(what).suffix == ".json":
        for name, of in unread(config, Config()).items():
            print(f"warning: {name} in {what} is of {of}: nothing here reads it", file=sys.stderr)


def run_training(given: Train) -> int:
    """Train, show it, and write the run's report."""
    from hwan.data.folders import locate
    from hwan.evaluation.run_page import write_run_report
    from hwan.files import read_json
    from hwan.training.progress import watch
    from hwan.training.run import train

    if given.out is None:
        raise UsageError("a training writes into a run folder", "no --out", "add --out runs/NAME")
    data = list(given.data)
    if given.resume and not data:
        data = [Path(path) for path in read_json(given.out / "data.json")["data"]]
    if not data:
        raise UsageError("a training reads images", "no --data", "add --data FOLDER, or --data A B")
    events = train(given.config, data, given.out, given.device, given.resume)
    if given.tensorboard:
        from hwan.training.tensorboard import record

        events = record(events, given.out)
    stopped = watch(events)
    if stopped:
        print(
            f"stopped after {stopped.images} of {stopped.total} images, everything saved.\n"
            f"go on:  hwan train {given.out} --resume"
        )
        return 130
    report = write_run_report(
        given.out, locate(data, given.config.data.pairs, given.config.data.swap)
    )
    print(
        f"{given.out}: trained\n  report     {report}\n  test       hwan evaluate {given.out}\n"
        f"  translate  hwan translate {given.out} IMAGES --out DIR"
    )
    return 0


@dataclass(frozen=True)
class Demo:
    """The whole road on embedded pictures: data, training, test, report, export, translation."""

    task: Literal["webtoon", "daynight"] = "webtoon"
    """webtoon: photographs to drawings; daynight: procedural landscapes by day to the same by night."""
    out: Path = Path("hwan-demo")
    """Where everything goes; a number is added if it is there already."""
    minutes: float = 0.0
    """Train about this long instead of the recipe's fixed length (0)."""
    seed: int = 0
    """Of the data, the weights and the order."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""


def demo(args: list[str]) -> int:
    given = parse(Demo, "demo", args)
    from hwan.cli.demo import run_demo

    return run_demo(given.task, given.out, given.minutes, given.seed, given.device)
