"""export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from hwan.cli.options import Direction, parse


@dataclass(frozen=True)
class Export:
    """Write a generator for other programs: ONNX or a torch.export program, both checked against PyTorch;
    a page that runs it in the browser; a folder with a model card; or a checkpoint that
    pytorch-CycleGAN-and-pix2pix loads."""

    run: Positional[Path]
    """A run folder or a generator folder."""
    out: Path
    """The folder to write to; of reference also a .pth file."""
    to: Literal["onnx", "torch", "web", "folder", "reference"] = "onnx"
    """The form: onnx; torch, a .pt2 that PyTorch runs without hwan; web, a folder for any static
    server; folder, the generator folder with a model card (README.md) for the model hub; or
    reference, for pytorch-CycleGAN-and-pix2pix."""
    direction: Direction | None = None
    """For a run folder: ab (without it) or ba."""
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    """For onnx: int8 is calibrated on --data."""
    images: bool = False
    """For onnx: pixels (B, H, W, C) in and out, any H and W, with everything around the network in the
    file; without it (B, C, H, W) in [-1, 1], in multiples of the metadata's hwan.multiple."""
    data: tuple[Path, ...] = ()
    """For onnx in fp16 or int8: a data set, or folders of images, to calibrate and compare on; without it,
    the run's own."""
    licence: str = ""
    """For folder: the licence in the model card, by the hub's short name (apache-2.0, cc-by-4.0, other)."""
    samples: tuple[Path, ...] = ()
    """For web: images and folders to try on the page, in place of hwan's photographs."""
    runtime: Path | None = None
    """For web: an unpacked onnxruntime-web; without it, npm fetches it once."""


def export(args: list[str]) -> int:
    given = parse(Export, "export", args)
    from hwan import api

    made = api.export(**vars(given))
    if given.to == "reference":
        print(f"{made.path}\n  the reference reads it with {made.options}")
    elif given.to == "web":
        print(f"{made.path}: {len(made.files)} files, {sum(made.files.values()) / 1e6:.1f} MB")
        print(f"  see it: python3 -m http.server -d {made.path} 8001, then http://127.0.0.1:8001/")
    elif given.to == "folder":
        print(f"{made.path}: a generator with its model card")
    else:
        print(f"{made.path}  {made.path.stat().st_size / 2**20:.1f} MB")
        print(f"  {'input':>16}  largest and mean difference  PyTorch  this file (s)")
    for row in made.parities:
        shape = "x".join(map(str, row.shape))
        errors = f"{row.max_error:18.1e}  {row.mean_error:7.1e}"
        print(f"  {shape:>16}  {errors}  {row.seconds_torch:7.3f}  {row.seconds:7.3f}")
    return 0
