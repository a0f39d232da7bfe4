"""train."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
    from hwan import api

    run = api.train(**vars(given), progress=True)
    print(
        f"{run}: trained\n  report     {run / 'report.html'}\n  test       hwan evaluate {run}\n"
        f"  translate  hwan translate {run} IMAGES --out DIR"
    )
    return 0
