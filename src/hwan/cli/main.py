"""``hwan COMMAND``: finds the command, and turns errors into a line on stderr and an exit code."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from hwan.cli.data import data
from hwan.cli.demo import demo
from hwan.cli.evaluate import evaluate
from hwan.cli.export import export
from hwan.cli.import_ import import_
from hwan.cli.info import info
from hwan.cli.options import HELP
from hwan.cli.plan import plan
from hwan.cli.recipes import recipes
from hwan.cli.serve import serve
from hwan.cli.study import study
from hwan.cli.train import train
from hwan.cli.translate import translate
from hwan.config.applicability import UnreadOption
from hwan.errors import Failure, IgnoredFile, OutdatedFile, Stopped, UsageError, nearest, require

Command = Callable[[list[str]], int]
USAGE: tuple[tuple[Command, str, str], ...] = (
    (demo, "demo", "everything on embedded pictures, in minutes on a CPU"),
    (data, "data check DIR | A B", "what is in a data set: broken, duplicate and leaked images"),
    (recipes, "recipes", "named configurations"),
    (plan, "plan RECIPE --data DIR", "memory and time before training, and what fits"),
    (train, "train RECIPE --data DIR --out RUN", "two folders of images to two trained generators"),
    (train, "train RUN --resume", "go on exactly with a stopped training"),
    (evaluate, "evaluate RUN", "the test: figures, baselines, every picture, a report"),
    (translate, "translate RUN INPUT... --out DIR", "images, folders and video, of any size"),
    (export, "export RUN --to FORM --out DIR",
     "ONNX, a page, a program, a model folder, the reference's file"),
    (serve, "serve RUN...", "over HTTP, with a page for people"),
    (import_, "import FILE --out GENERATOR", "the reference's checkpoints and Keras' weights"),
    (study, "study [CLAIM... | all]", "the study note's claims, tested by experiments"),
    (info, "info RUN", "what a run or a generator is"),
)  # fmt: skip
VERBS: dict[str, Command] = {usage.split()[0]: command for command, usage, _ in USAGE}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 done, 1 failed, 2 bad usage or input, 130 stopped."""
    args = list(sys.argv[1:] if arguments is None else arguments)
    if not args or args[0] in HELP:
        lines = (f"  {usage:35}{text}" for _, usage, text in USAGE)
        print(
            "usage: hwan COMMAND [OPTIONS]        (hwan COMMAND --help for the options)\n",
            *lines,
            "\nExit codes: 0 done, 1 failed, 2 bad usage or input, 130 stopped by Ctrl-C with everything "
            "saved.",
            sep="\n",
        )
        return 0
    if args[0] == "--version":
        from hwan import __version__

        print(f"hwan {__version__}")
        return 0
    with warnings.catch_warnings():
        warnings.simplefilter("default", OutdatedFile)
        warnings.simplefilter("ignore", UnreadOption)  # parse_over has said it
        plainly, shown = warnings.showwarning, set[str]()

        def show(text: Warning | str, kind: type[Warning], *where: Any, **more: Any) -> None:
            if not issubclass(kind, OutdatedFile | IgnoredFile):
                plainly(text, kind, *where, **more)
            elif str(text) not in shown:
                shown.add(str(text))
                print(f"note: {text}", file=sys.stderr)

        warnings.showwarning = show  # type: ignore[assignment]  # it passes on what it gets
        return _run(args[0], args[1:])


def _run(name: str, args: list[str]) -> int:
    try:
        require(name in VERBS, "a command of hwan", name, nearest(name, VERBS))
        return VERBS[name](args)
    except Stopped as stop:
        print(stop)
        return 130
    except KeyboardInterrupt:
        problem, code = "stopped", 130
    except (UsageError, Failure, OSError) as error:
        problem, code = str(error), 2 if isinstance(error, UsageError) else 1
    except RuntimeError as error:
        from hwan.runtime import advice  # with torch, which has raised it

        if not (problem := advice(error)):
            raise
        code = 1
    print(f"hwan: {problem}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
