"""``hwan COMMAND``: finds the command, and turns errors into a line on stderr and an exit code."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from hwan.cli import (
    data,
    demo,
    evaluate,
    export,
    import_,
    info,
    plan,
    recipes,
    serve,
    study,
    train,
    translate,
)
from hwan.cli.options import HELP
from hwan.config.renamed import RenamedOption
from hwan.errors import Failure, Stopped, UsageError, nearest

Command = Callable[[list[str]], int]
USAGE: tuple[tuple[Command, str, str], ...] = (
    (demo.demo, "demo", "everything on embedded pictures, in minutes on a CPU"),
    (data.data, "data check DIR | A B", "what is in a data set: broken, duplicate and leaked images"),
    (recipes.recipes, "recipes", "named configurations"),
    (plan.plan, "plan RECIPE --data DIR", "memory and time before training, and what fits"),
    (train.train, "train RECIPE --data DIR --out RUN", "two folders of images to two trained generators"),
    (train.train, "train RUN --resume", "go on exactly with a stopped training"),
    (evaluate.evaluate, "evaluate RUN", "the test: figures, baselines, every picture, a report"),
    (translate.translate, "translate RUN INPUT... --out DIR", "images, folders and video, of any size"),
    (export.export, "export RUN --to FORM --out DIR",
     "ONNX, a page, a program, a model folder, the reference's file"),
    (serve.serve, "serve RUN...", "over HTTP, with a page for people"),
    (import_.import_, "import FILE --out GENERATOR", "the reference's checkpoints and Keras' weights"),
    (study.study, "study [CLAIM... | all]", "the study note's claims, tested by experiments"),
    (info.info, "info RUN", "what a run or a generator is"),
)  # fmt: skip
VERBS: dict[str, Command] = {usage.split()[0]: command for command, usage, _ in USAGE}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 done, 1 failed, 2 bad usage or input, 130 stopped."""
    args = list(sys.argv[1:] if arguments is None else arguments)
    if not args or args[0] in HELP:
        lines = (f"  {usage:35}{text}" for _, usage, text in USAGE)
        print("usage: hwan COMMAND [OPTIONS]        (hwan COMMAND --help for the options)\n", *lines,
              "\nExit codes: 0 done, 1 failed, 2 bad usage or input, 130 stopped by Ctrl-C with everything "
              "saved.", sep="\n")  # fmt: skip
        return 0
    if args[0] == "--version":
        from hwan import __version__

        print(f"hwan {__version__}")
        return 0
    with warnings.catch_warnings():
        warnings.simplefilter("default", RenamedOption)
        warnings.showwarning = _notes(warnings.showwarning)
        return _run(args[0], args[1:])


def _run(name: str, args: list[str]) -> int:
    try:
        if name not in VERBS:
            raise UsageError("a command of hwan's", name, nearest(name, VERBS))
        return VERBS[name](args)
    except Stopped as stop:
        print(stop)
        return 130
    except KeyboardInterrupt:
        problem, code = "stopped", 130
    except UsageError as error:
        problem, code = str(error), 2
    except (Failure, OSError) as error:
        problem, code = str(error), 1
    except RuntimeError as error:
        from hwan.runtime import advice  # with torch, which has raised it

        if not (problem := advice(error)):
            raise
        code = 1
    print(f"hwan: {problem}", file=sys.stderr)
    return code


def _notes(others: Callable[..., Any]) -> Callable[..., None]:
    """How warnings are shown: a renamed option as one plain line, ``others`` as before."""

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, RenamedOption):
            print(f"note: {message}", file=sys.stderr)
        else:
            others(message, category, *where, **more)

    return show


if __name__ == "__main__":
    sys.exit(main())
