"""translate."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from hwan.cli.options import Direction, parse
from hwan.config import Precision


@dataclass(frozen=True)
class Translate:
    """Translate images, folders and videos of any size; names, sizes and structure are kept."""

    run: Positional[Path]
    """A run folder or a generator folder."""
    inputs: Positional[tuple[Path, ...]]
    """Images, videos (MP4 MOV MKV WebM AVI) and folders of them."""
    out: Path
    """The folder to write to."""
    direction: Direction | None = None
    """For a run folder: ab (without it) or ba."""
    format: str = ""
    """Write every file in this format (.png, .tiff, .npy, .jpg …); else each in its own."""
    overwrite: bool = False
    """Replace earlier translations."""
    resume: bool = False
    """Keep earlier translations, and make those that are missing."""
    batch: int = 0
    """How many pictures of one size go through the network together; 0 takes 1 on a CPU, 8 elsewhere."""
    tile: int = 0
    """Translate in tiles of this side, in bounded memory; 0 does so (512) for images above two million
    pixels. The picture is the same but for rounding."""
    smooth: bool = False
    """For videos: less flicker, by statistics averaged over frames and by keeping what does not move."""
    hints: Path | None = None
    """Colour hints for a generator trained with data.hints: a picture with transparency (RGBA), of the size
    of the one to translate, or a folder of them with the names of the pictures."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: Precision = "fp32"
    """bf16 is about twice as fast on a CPU or GPU that has it, and a level or so off; fp16 for older GPUs;
    auto takes one of them on a GPU, fp32 on a CPU."""
    engine: Literal["torch", "onnx"] = "torch"
    """onnx runs the network in ONNX Runtime on the CPU, one picture after another: seconds to start; the
    same pictures, faster or slower by processor and network."""


def translate(args: list[str]) -> int:
    given = parse(Translate, "translate", args)
    from hwan import api

    done = api.translate(**vars(given), progress=True)
    outcomes = done.images + done.videos
    if given.resume and (total := len(outcomes) + done.present):
        print(f"{done.present} of {total} are there already")
    for kind, some in (("images", done.images), ("videos", done.videos)):
        if some or (kind == "images" and not done.videos):
            made = sum(not outcome.error for outcome in some)
            print(f"{made} of {len(some)} {kind} translated into {given.out}")
    for note, times in Counter(note for outcome in outcomes for note in outcome.notes).items():
        print(f"  {times} x {note}")
    failed = [outcome for outcome in outcomes if outcome.error]
    for outcome in failed:
        print(f"  failed: {outcome.source}: {outcome.error}", file=sys.stderr)
    return 1 if failed else 0
