"""train."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from hwan.cli.options import OverConfig, parse_over
from hwan.config import load
from hwan.errors import require


@dataclass(frozen=True)
class Train(OverConfig):
    """Train on two folders of images. Ctrl-C saves; `hwan train RUN --resume` goes on exactly.
    --help shows the options that people change, --help-all every option."""

    data: tuple[Path, ...] = ()
    """A folder with trainA and trainB (and testA, testB), or the two folders A B."""
    out: Path | None = None
    """The run folder to make; with --resume it is the one given."""
    resume: bool = False
    """Go on with the run folder given instead of a recipe."""
    start: Annotated[tuple[Path, ...], arg(name="from")] = ()
    """Begin with the networks of a run, of a generator folder, or of checkpoints (.pth) that hwan import
    reads; of two folders with one direction each."""
    minutes: float = 0.0
    """Train for about so many minutes instead of train.epochs (0)."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    tensorboard: bool = False
    """Also write TensorBoard's event files, into OUT/tensorboard."""


def train(args: list[str]) -> int:
    resume = "--resume" in args[1:]
    folder = Path(args[0]) if resume else None
    saved = load(folder / "config.json") if folder else None
    given = parse_over("train", args, lambda config: Train(config, out=folder), saved)
    alone = folder is None or given.out == folder
    expected = "no --out with --resume, which writes into the run folder"
    require(alone, expected, f"--out {given.out}", "leave --out out")
    require(given.out is not None, "a run folder to write into", "no --out", "add --out runs/NAME")
    fix = "add --data FOLDER, or --data A B"
    require(bool(given.data) or resume, "images to train on", "no --data", fix)
    own = [arg for arg in args if arg.startswith("--generator.")] if given.start else []
    expected = "no --generator options beside --from, whose generator has its own"
    require(not own, expected, " ".join(own), "leave them out")
    from hwan import api

    run = api.train(**vars(given), progress=True)
    longer = 1.5 * load(run / "config.json").train.epochs
    print(
        f"{run}: trained\n  report     {run / 'report.html'}\n  test       hwan evaluate {run}\n"
        f"  translate  hwan translate {run} IMAGES --out DIR\n"
        f"  longer     hwan train {run} --resume --train.epochs {longer:g}"
    )
    return 0
