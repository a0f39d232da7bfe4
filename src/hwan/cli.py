"""The command line: verbs parse, call and print. Exit codes: 0 done, 1 failed, 2 bad usage or input,
130 stopped by Ctrl-C with everything saved."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tyro
from tyro.conf import Positional, arg

from hwan.config import Config
from hwan.errors import TrainingDiverged, UsageError, nearest

# torch and all that imports it stay inside the verbs: help is light.

O = TypeVar("O")  # noqa: E741
Direction = Literal["ab", "ba"]
ASK = ("-h", "--help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    args = list(sys.argv[1:] if arguments is None else arguments)
    if not args or args[0] in ASK:
        print(HELP)
        return 0
    if args[0] == "--version":
        from hwan import __version__

        print(f"hwan {__version__}")
        return 0
    # Idle threads sleep instead of spinning: on a quiet machine the same, on a busy one several times
    # faster (bench/threads.py). Read when torch is loaded, so set before any verb.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        if args[0] not in VERBS:
            raise UsageError("a command is one of hwan's", args[0], nearest(args[0], VERBS))
        return VERBS[args[0]](args[1:])
    except UsageError as error:
        print(f"hwan: {error}", file=sys.stderr)
        return 2
    except (TrainingDiverged, OSError) as error:
        print(f"hwan: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("hwan: stopped", file=sys.stderr)
        return 130


def parse(kind: type[O], verb: str, args: list[str], default: Any = None) -> O:
    """``args`` as the dataclass ``kind``; help and errors come from its fields and their texts."""
    parsed: O = tyro.cli(kind, prog=f"hwan {verb}", args=args, default=default)
    return parsed


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


def train(args: list[str]) -> int:
    from hwan.config import load
    from hwan.recipes import RECIPES

    if args and args[0] in ASK:
        args = ["cyclegan", *args]  # every recipe has the same options
    if not args or args[0].startswith("-"):
        raise UsageError(
            "train takes a recipe, a config.json or (with --resume) a run folder first",
            " ".join(args) or "nothing",
            nearest("", RECIPES) + "; `hwan train RECIPE --help` lists every option",
        )
    what, folder = args[0], Path(args[0])
    resume = "--resume" in args
    if resume or folder.suffix == ".json":
        base = load(folder / "config.json" if resume else folder)
    elif what in RECIPES:
        base = RECIPES[what]()
    else:
        raise UsageError(
            "a recipe is one of hwan's, or a config.json", what, nearest(what, RECIPES)
        )
    given = parse(Train, f"train {what}", args[1:], Train(base, out=folder if resume else None))
    if resume and given.out != folder:
        raise UsageError(
            "--resume goes on in the run folder", f"--out {given.out}", "leave --out out"
        )
    return run_training(given)


def run_training(given: Train) -> int:
    """Train, show it, and write the run's report."""
    from hwan.config import read_json
    from hwan.data.folders import locate
    from hwan.progress import watch
    from hwan.run_report import write_run_report
    from hwan.training.run import train

    if given.out is None:
        raise UsageError("a training writes into a run folder", "no --out", "add --out runs/NAME")
    data = list(given.data)
    if given.resume and not data:
        data = [Path(path) for path in read_json(given.out / "data.json")["data"]]
    if not data:
        raise UsageError("a training reads images", "no --data", "add --data FOLDER, or --data A B")
    stopped = watch(train(given.config, data, given.out, given.device, given.resume))
    if stopped:
        print(
            f"stopped after {stopped.images} of {stopped.total} images, everything saved.\n"
            f"go on:  hwan train {given.out} --resume"
        )
        return 130
    report = write_run_report(given.out, locate(data))
    print(
        f"{given.out}: trained\n  report     {report}\n  test       hwan evaluate {given.out}\n"
        f"  translate  hwan translate {given.out} IMAGES --out DIR"
    )
    return 0


@dataclass(frozen=True)
class Evaluate:
    """Test a run on held-out images: figures, baselines, every picture, and the report."""

    run: Positional[Path]
    """The run folder."""
    data: tuple[Path, ...] = ()
    """Another data set than the one it was trained on, with testA and testB."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""


def evaluate(args: list[str]) -> int:
    given = parse(Evaluate, "evaluate", args)
    run_evaluation(given)
    return 0


def run_evaluation(given: Evaluate) -> None:
    """Test, write the results and the report, print the tables."""
    from rich.console import Console
    from rich.table import Table

    from hwan import evaluate as test
    from hwan.config import load
    from hwan.progress import track
    from hwan.run_report import judge, write_run_report

    layout = test.run_data(given.run, given.data)
    total = test.count(layout, load(given.run / "config.json"))
    rows = list(track(test.evaluate(given.run, layout, given.device), total, "testing"))
    if len(rows) < total:
        print(f"{total - len(rows)} unreadable test images left out; `hwan data check` names them")
    summaries = test.summarise(rows)
    test.write_results(rows, summaries, given.run / "evaluation")
    table = Table("direction", "system", "SSIM", "PSNR", "L1", "cycle L1", "diversity")
    for direction, summary in summaries.items():
        shared = [f"{summary.cycle_l1:.3f}", f"{summary.diversity:.2f}"]
        for name, figures in (summary.systems or {test.OURS: {}}).items():
            values = [
                f"{figures[m]:.{n}f}" if m in figures else "no truth"
                for m, n in (("ssim", 3), ("psnr", 1), ("l1", 3))
            ]
            table.add_row(direction, name, *values, *(shared if name == test.OURS else ["", ""]))
    console = Console()
    console.print(table)
    console.print(judge(summaries)[0], markup=False)
    print(f"report: {write_run_report(given.run, layout, rows, summaries)}")


@dataclass(frozen=True)
class Translate:
    """Translate images and folders of any size; names, sizes and structure are kept."""

    run: Positional[Path]
    """A run folder or a generator folder."""
    inputs: Positional[tuple[Path, ...]]
    """Images and folders."""
    out: Path
    """The folder to write to."""
    direction: Direction | None = None
    """Of a run: ab (if not said) or ba."""
    format: str = ""
    """Write every file in this format (.png, .tiff, .npy, .jpg …); else each in its own."""
    overwrite: bool = False
    """Replace earlier translations."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""


def translate(args: list[str]) -> int:
    given = parse(Translate, "translate", args)
    from hwan.progress import track
    from hwan.translate import load, plan, translate_files

    suffix = "." + given.format.lower().lstrip(".") if given.format else ""
    translator = load(given.run, given.device, given.direction or "")
    kind = translator.card.kind_out
    pairs = plan(given.inputs, given.out, suffix, given.overwrite, kind)
    failed, notes = [], Counter[str]()
    for outcome in track(translate_files(translator, pairs), len(pairs), "translating"):
        notes.update(outcome.notes)
        if outcome.error:
            failed.append(outcome)
    print(f"{len(pairs) - len(failed)} of {len(pairs)} images translated into {given.out}")
    for note, times in notes.items():
        print(f"  {times} x {note}")
    for outcome in failed:
        print(f"  failed: {outcome.source}: {outcome.error}", file=sys.stderr)
    return 1 if failed else 0


@dataclass(frozen=True)
class Export:
    """Write a generator as ONNX, checked against PyTorch."""

    run: Positional[Path]
    """A run folder or a generator folder."""
    out: Path
    """The folder to write to."""
    to: Literal["onnx"] = "onnx"
    """The form."""
    direction: Direction | None = None
    """Of a run: ab (if not said) or ba."""


def export(args: list[str]) -> int:
    given = parse(Export, "export", args)
    from hwan.export import export_onnx
    from hwan.translate import find_generator

    path, parities = export_onnx(find_generator(given.run, given.direction or ""), given.out)
    print(path)
    for parity in parities:
        print(
            f"  {'x'.join(map(str, parity.shape)):>16}  largest difference from PyTorch "
            f"{parity.max_error:.1e}, mean {parity.mean_error:.1e}"
        )
    return 0


@dataclass(frozen=True)
class Check:
    """What is in a data set: counts, sizes, modes, broken files, duplicates, leaks into the test."""

    data: Positional[tuple[Path, ...]]
    """A folder with trainA and trainB, or the two folders A B."""


def data(args: list[str]) -> int:
    if args and args[0] in ASK:
        args = ["check", *args]
    if args[:1] != ["check"]:
        raise UsageError(
            "hwan data is followed by check", " ".join(args[:1]) or "nothing", "hwan data check DIR"
        )
    given = parse(Check, "data check", args[1:])
    from hwan.data.check import check, describe
    from hwan.data.folders import locate

    findings = check(locate(given.data))
    print(describe(findings))
    return 0 if findings.clean else 1


@dataclass(frozen=True)
class Info:
    """What a run folder or a generator folder is."""

    run: Positional[Path]
    """The folder."""


def info(args: list[str]) -> int:
    given = parse(Info, "info", args)
    from hwan.run_report import describe_folder

    print(describe_folder(given.run))
    return 0


def recipes(args: list[str]) -> int:
    from hwan.recipes import RECIPES

    if args and args[0] not in ASK:
        raise UsageError("hwan recipes takes nothing more", " ".join(args), "hwan recipes")
    for name, recipe in RECIPES.items():
        print(f"{name:18}{(recipe.__doc__ or '').splitlines()[0]}")
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
    from hwan.demo import run_demo

    return run_demo(given.task, given.out, given.minutes, given.seed, given.device)


VERBS: dict[str, Callable[[list[str]], int]] = {
    "demo": demo,
    "data": data,
    "train": train,
    "evaluate": evaluate,
    "translate": translate,
    "export": export,
    "recipes": recipes,
    "info": info,
}
HELP = """\
usage: hwan COMMAND [OPTIONS]        (hwan COMMAND --help for the options)

  demo                               the whole road on embedded pictures, in minutes on a CPU
  data check DIR | A B               what is in a data set, what is broken, doubled or leaked
  recipes                            named configurations
  train RECIPE --data DIR --out RUN  two folders of images to two trained generators
  train RUN --resume                 go on with a stopped training, exactly
  evaluate RUN                       the test: figures, baselines, every picture, a report
  translate RUN INPUT... --out DIR   images and folders of any size
  export RUN --out DIR               ONNX, checked against PyTorch
  info RUN                           what a run or a generator is

Exit codes: 0 done, 1 failed, 2 bad usage or input, 130 stopped by Ctrl-C with everything saved."""


if __name__ == "__main__":
    sys.exit(main())
