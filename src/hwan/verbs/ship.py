"""translate, export, import."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from hwan.verbs import Direction, parse


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
    """Write a generator for other programs: ONNX, checked against PyTorch; a page that runs it in the
    browser; or a checkpoint that pytorch-CycleGAN-and-pix2pix loads."""

    run: Positional[Path]
    """A run folder or a generator folder."""
    out: Path
    """The folder to write to; of reference also a .pth file."""
    to: Literal["onnx", "web", "reference"] = "onnx"
    """The form: onnx; web, a folder for any static server; or reference, for
    pytorch-CycleGAN-and-pix2pix."""
    direction: Direction | None = None
    """Of a run: ab (if not said) or ba."""
    samples: tuple[Path, ...] = ()
    """Of web: images and folders to try on the page, in place of hwan's photographs."""
    runtime: Path | None = None
    """Of web: an unpacked onnxruntime-web; else npm fetches it once."""


def export(args: list[str]) -> int:
    given = parse(Export, "export", args)
    from hwan.translate import find_generator

    folder = find_generator(given.run, given.direction or "")
    if given.to == "reference":
        from hwan.interop import export_reference

        exported = export_reference(folder, given.out)
        print(f"{exported.path}\n  the reference reads it with {exported.options}")
        return 0
    if given.to == "web":
        return _export_web(folder, given)
    from hwan.export import export_onnx

    path, parities = export_onnx(folder, given.out)
    print(path)
    for parity in parities:
        print(
            f"  {'x'.join(map(str, parity.shape)):>16}  largest difference from PyTorch "
            f"{parity.max_error:.1e}, mean {parity.mean_error:.1e}"
        )
    return 0


def _export_web(folder: Path, given: Export) -> int:
    from hwan.web.bundle import export_web

    sizes = export_web(folder, given.out, given.runtime, given.samples)
    print(f"{given.out}: {len(sizes)} files, {sum(sizes.values()) / 1e6:.1f} MB")
    print(f"  see it: python3 -m http.server -d {given.out} 8001, then http://127.0.0.1:8001/")
    return 0


@dataclass(frozen=True)
class Import:
    """Make a generator folder of weights trained elsewhere: a checkpoint of
    pytorch-CycleGAN-and-pix2pix (.pth), or Keras weights of its CycleGAN example (.weights.h5,
    .keras, .h5). The architecture is told from the tensors."""

    file: Positional[Path]
    """The file."""
    out: Path
    """The generator folder to make."""
    direction: Literal["auto", "ab", "ba"] = "auto"
    """ab or ba; auto tells from the file's name (latest_net_G_B.pth, gen_F: ba), else ab. Of a Keras
    file with both generators, ab takes gen_G, ba gen_F."""
    eval: bool = True
    """Of a checkpoint: translate as the reference's test.py --eval. --no-eval is test.py without it,
    as pix2pix: dropout goes on, batch norm uses each image's own statistics."""


def import_(args: list[str]) -> int:
    given = parse(Import, "import", args)
    from hwan.interop import import_weights
    from hwan.run_report import describe_folder

    import_weights(given.file, given.out, given.direction, given.eval)
    print(describe_folder(given.out))
    return 0
