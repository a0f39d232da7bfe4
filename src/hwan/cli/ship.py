"""translate, export, import."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from hwan.cli import Direction, parse
from hwan.config import Precision
from hwan.errors import UsageError, at_least, require
from hwan.files import read_json

if TYPE_CHECKING:
    from hwan.inference.translate import Engine


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
    """Of a run: ab (if not said) or ba."""
    format: str = ""
    """Write every file in this format (.png, .tiff, .npy, .jpg …); else each in its own."""
    overwrite: bool = False
    """Replace earlier translations."""
    resume: bool = False
    """Keep earlier translations, and make those that are missing."""
    batch: int = 0
    """Pictures of one size that go through the network together: 0 takes 1 on a CPU, 8 elsewhere."""
    tile: int = 0
    """Translate in strips of so many pixels squared, in bounded memory; 0 does so for images above two
    million pixels (512). The same picture, but for rounding."""
    smooth: bool = False
    """Of videos: against flicker, statistics averaged over frames, and memory where nothing moves."""
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
    from hwan.inference.batch import FileResult, translate_files
    from hwan.inference.outputs import plan_outputs, unfinished
    from hwan.inference.translate import load
    from hwan.inference.video import find_videos, has_images, is_video, open_video, translate_video
    from hwan.training.progress import track

    require(
        not (given.overwrite and given.resume),
        "--overwrite makes all anew, --resume what is missing",
        "both",
        "give one of them",
    )
    at_least("translate", given, batch=0)
    suffix = "." + given.format.lower().lstrip(".") if given.format else ""
    direction = given.direction or ""
    translator = load(
        given.run, given.device, direction, given.tile, given.precision, _engine(given.engine)
    )
    kind, batch = translator.spec.format_out, given.batch or (1 if translator.on_cpu else 8)
    keep = given.overwrite or given.resume
    videos = find_videos(given.inputs, given.out, keep)
    stills = [i for i in given.inputs if not is_video(i) and (not videos or has_images(i))]
    images = plan_outputs(stills, given.out, suffix, keep, kind) if stills or not videos else []
    if given.resume and (done := len(images) + len(videos)):
        images, videos = unfinished(images), unfinished(videos)
        print(f"{done - len(images) - len(videos)} of {done} are there already")
    clips = [open_video(source, target) for source, target in videos]
    failed, notes = [], Counter[str]()
    made = translate_files(translator, images, batch)
    for outcome in track(made, len(images), "translating") if images else ():
        notes.update(outcome.notes)
        if outcome.error:
            failed.append(outcome)
    for clip in clips:
        try:
            for _ in track(
                translate_video(translator, clip, batch, given.smooth),
                clip.frames,
                clip.source.name,
            ):
                pass
        except (UsageError, OSError) as error:
            reason = str(error.received) if isinstance(error, UsageError) else str(error)
            failed.append(FileResult(clip.source, clip.target, reason))
    for kind_of, all_of in (("images", images), ("videos", clips)):
        if all_of or (kind_of == "images" and not clips):
            sources = {item[0] if isinstance(item, tuple) else item.source for item in all_of}
            done = len(all_of) - sum(outcome.source in sources for outcome in failed)
            print(f"{done} of {len(all_of)} {kind_of} translated into {given.out}")
    for note, times in notes.items():
        print(f"  {times} x {note}")
    for outcome in failed:
        print(f"  failed: {outcome.source}: {outcome.error}", file=sys.stderr)
    return 1 if failed else 0


def _engine(name: str) -> Engine | None:
    if name != "onnx":
        return None
    from hwan.export import onnx_engine

    return onnx_engine


@dataclass(frozen=True)
class Export:
    """Write a generator for others: ONNX or a torch.export program, both checked against PyTorch; a
    page that runs it in the browser; a folder with a model card; or a checkpoint that
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
    """Of a run: ab (if not said) or ba."""
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    """Of onnx: int8 is calibrated on --data."""
    images: bool = False
    """Of onnx: pixels (B, H, W, C) in and out, any H and W, with everything around the network in the
    file; else (B, C, H, W) in [-1, 1], in multiples of the metadata's hwan.multiple."""
    data: tuple[Path, ...] = ()
    """Of onnx in fp16 or int8: a data set, or folders of images, to calibrate and compare on; a run's
    own, if not said."""
    licence: str = ""
    """Of folder: what the model card states, by the hub's short names (apache-2.0, cc-by-4.0, other)."""
    samples: tuple[Path, ...] = ()
    """Of web: images and folders to try on the page, in place of hwan's photographs."""
    runtime: Path | None = None
    """Of web: an unpacked onnxruntime-web; else npm fetches it once."""


def export(args: list[str]) -> int:
    given = parse(Export, "export", args)
    from hwan.inference.translate import find_generator

    plain = given.precision == "fp32" and not given.images and not given.data
    require(
        plain or given.to == "onnx",
        "--precision, --images and --data are of --to onnx",
        f"--to {given.to}",
        "leave them out",
    )
    folder = find_generator(given.run, given.direction or "")
    if given.to == "reference":
        from hwan.interop import export_reference

        exported = export_reference(folder, given.out)
        print(f"{exported.path}\n  the reference reads it with {exported.options}")
        return 0
    if given.to == "web":
        return _export_web(folder, given)
    if given.to == "folder":
        from hwan.inference.model_card import export_folder

        print(f"{export_folder(folder, given.out, given.licence)}: a generator with its model card")
        return 0
    from hwan.export import export_onnx, export_program

    data, told = given.data, given.run / "data.json"
    if given.precision != "fp32" and not data and told.is_file():
        data = tuple(Path(path) for path in read_json(told)["data"])
    path, found = (
        export_program(folder, given.out)
        if given.to == "torch"
        else export_onnx(folder, given.out, given.precision, given.images, data)
    )
    print(f"{path}  {path.stat().st_size / 2**20:.1f} MB")
    print(f"  {'input':>16}  largest and mean difference  PyTorch  this file (s)")
    for row in found:
        shape = "x".join(map(str, row.shape))
        print(
            f"  {shape:>16}  {row.max_error:18.1e}  {row.mean_error:7.1e}"
            f"  {row.seconds_torch:7.3f}  {row.seconds:7.3f}"
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
    from hwan.evaluation.run_page import describe_folder
    from hwan.interop import import_weights

    import_weights(given.file, given.out, given.direction, given.eval)
    print(describe_folder(given.out))
    return 0
