"""The command line: verbs parse, call and print. Exit codes: 0 done, 1 failed, 2 bad usage or input,
130 stopped by Ctrl-C with everything saved."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from hwan.cli import ASK, evaluate, info, plan, serve, ship, study, train
from hwan.errors import Failure, UsageError, nearest


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
    try:
        if args[0] not in VERBS:
            raise UsageError("a command is one of hwan's", args[0], nearest(args[0], VERBS))
        return VERBS[args[0]](args[1:])
    except UsageError as error:
        print(f"hwan: {error}", file=sys.stderr)
        return 2
    except (Failure, OSError) as error:
        print(f"hwan: {error}", file=sys.stderr)
        return 1
    except RuntimeError as error:
        from hwan.runtime import advice  # with torch, which has raised it

        if not (told := advice(error)):
            raise
        print(f"hwan: {told}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("hwan: stopped", file=sys.stderr)
        return 130


VERBS: dict[str, Callable[[list[str]], int]] = {
    "demo": train.demo,
    "data": info.data,
    "plan": plan.plan,
    "train": train.train,
    "evaluate": evaluate.evaluate,
    "translate": ship.translate,
    "export": ship.export,
    "serve": serve.serve,
    "import": ship.import_,
    "recipes": info.recipes,
    "info": info.info,
    "study": study.study,
}
HELP = """\
usage: hwan COMMAND [OPTIONS]        (hwan COMMAND --help for the options)

  demo                               the whole road on embedded pictures, in minutes on a CPU
  data check DIR | A B               what is in a data set, what is broken, doubled or leaked
  recipes                            named configurations
  plan RECIPE --data DIR             memory and time before training, and what fits
  train RECIPE --data DIR --out RUN  two folders of images to two trained generators
  train RUN --resume                 go on with a stopped training, exactly
  evaluate RUN                       the test: figures, baselines, every picture, a report
  translate RUN INPUT... --out DIR   images, folders and video, of any size
  export RUN --to FORM --out DIR     ONNX, a page, a program, a model folder, the reference's file
  serve RUN...                       over HTTP, with a page for people
  import FILE --out GENERATOR        the reference's checkpoints and Keras' weights
  study [CLAIM... | all]             the study note's claims, tested by experiments
  info RUN                           what a run or a generator is

Exit codes: 0 done, 1 failed, 2 bad usage or input, 130 stopped by Ctrl-C with everything saved."""


if __name__ == "__main__":
    sys.exit(main())
