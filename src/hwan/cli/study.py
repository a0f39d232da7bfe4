"""study: list and run the claims of the note."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from hwan.cli.options import HELP, parse
from hwan.errors import Count, Whole, check_options, nearest, require

if TYPE_CHECKING:
    from hwan.study.claim import Claim


@dataclass(frozen=True)
class Study:
    """Test the note's claims by controlled experiments. Without a name the claims are listed."""

    claims: Positional[tuple[str, ...]]
    """Names of claims, or all."""
    seeds: Count = 3
    """Trainings of each variant; with fewer than 2 no verdict is given."""
    scale: Literal["small", "full"] = "small"
    """small: minutes a claim on two CPU cores; full: the paper's networks, for a GPU."""
    data: tuple[Path, ...] = ()
    """Your own data set (trainA trainB testA testB) in place of the embedded pictures."""
    out: Path = Path("hwan-study")
    """Folder for cells, report and results."""
    resume: bool = False
    """Keep finished cells and continue interrupted trainings, instead of making all anew."""
    processes: Whole = 0
    """Cells made in parallel; 0: as many as cores, or one on a GPU."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""

    def __post_init__(self) -> None:
        check_options("study", self)


def study(args: list[str]) -> int:
    if not args or args[0] in HELP:
        list_claims()
    return run(parse(Study, "study", args)) if args else 0


def list_claims() -> None:
    """The claims in the note's words and order."""
    from hwan.study.claims import CLAIMS

    width = max(60, min(100, shutil.get_terminal_size().columns) - 14)
    for claim in CLAIMS.values():
        texts = (claim.note, claim.english, f"Tested: {claim.hypothesis}")
        lines = [line for text in texts for line in textwrap.wrap(text, width)]
        print(f"{claim.name:14}" + f"\n{'':14}".join(lines) + "\n")
    print("hwan study NAME...    runs claims        hwan study all    runs every one")


def pick(names: tuple[str, ...]) -> list[Claim]:
    """The claims of these names, in the note's order. Raises ``UsageError`` with the nearest name."""
    from hwan.study.claims import CLAIMS

    for name in names or ("",):
        known, fix = name in ("all", *CLAIMS), nearest(name, CLAIMS)
        require(known, "the name of a claim, or all", name or "none", fix)
    return [c for c in CLAIMS.values() if "all" in names or c.name in names]


def run(given: Study) -> int:
    """Make the cells, write the page, and print the verdicts."""
    chosen = pick(given.claims)
    from hwan.data.folders import locate
    from hwan.runtime import pick_device
    from hwan.study.cells import Settings
    from hwan.study.claim import SCALES
    from hwan.study.engine import jobs, make
    from hwan.study.report import write_study

    if given.data:
        locate(given.data)  # refuses what is no data set
    device = pick_device(given.device).type
    processes = given.processes or (os.cpu_count() or 1 if device == "cpu" else 1)
    data = tuple(folder.resolve() for folder in given.data)
    settings = Settings(given.out.resolve(), SCALES[given.scale], data, device)
    work = [job for claim in chosen for job in jobs(claim, given.seeds, settings)]
    began, reused = time.monotonic(), 0
    try:
        for done in make(work, processes, given.resume):
            job, reused = done.job, reused + done.reused
            what = "kept"
            if not done.reused:
                pace = (time.monotonic() - began) / (done.count - reused)
                left = pace * (done.total - done.count) / 60
                what = f"{done.cpu_seconds:.1f} CPU s, about {left:.0f} min left"
            where = f"{job.claim.name}: {job.variant.name}, seed {job.seed}"
            print(f"{done.count}/{done.total}  {where}  {what}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print(f"stopped; finished cells are kept in {given.out}, go on with --resume")
        return 130
    results = write_study(given.out, given.seeds, settings, chosen, command(given))
    for result in results:
        if result.claim in chosen:
            print(f"{result.claim.name:14}{result.verdict.word} ({result.verdict.score})")
            for check in result.verdict.checks:
                effect = f"{check.effect} ({check.interval})"
                print(f"{'':14}{check.outcome:13} {check.prediction.text}: {effect}")
    print(f"report: {given.out / 'study.html'}")
    return 0


def command(given: Study) -> str:
    """The command that repeats the study; NAME stands for a claim."""
    parts = ["hwan study NAME", f"--seeds {given.seeds}"]
    parts += [f"--scale {given.scale}"] * (given.scale != "small")
    parts += ["--data " + " ".join(map(str, given.data))] * bool(given.data)
    return " ".join(parts)
