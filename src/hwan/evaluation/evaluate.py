"""The test: every held-out image translated, measured, and set against doing nothing clever."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hwan.config import Pairing, PixelFormat
from hwan.data.cache import open_cache
from hwan.data.folders import ImageFolder, Layout, evenly, list_images, locate
from hwan.errors import UsageError
from hwan.evaluation.results import BEST as BEST
from hwan.evaluation.results import CHOICE
from hwan.evaluation.results import OURS as OURS
from hwan.evaluation.results import ImageRow as ImageRow
from hwan.evaluation.results import Summary as Summary
from hwan.evaluation.results import summarise as summarise
from hwan.evaluation.results import write_results as write_results
from hwan.evaluation.source import EvaluationSource, read_source
from hwan.files import read_json
from hwan.imaging.codecs import SUFFIXES
from hwan.imaging.pixels import Pixels, from_unit, resize, save, suffix_for, to_tensor, to_unit
from hwan.inference.translate import Translator, is_generator, load
from hwan.metrics.baselines import Statistics, lab_statistics, mean_image, reinhard
from hwan.metrics.labels import confusion, label_figures
from hwan.metrics.pairwise import COARSEST, WINDOW, l1, ms_ssim, psnr, ssim

Measure = Callable[[Tensor, Tensor], Tensor]
PAIRED: dict[str, Measure] = {"ssim": ssim, "ms_ssim": ms_ssim, "psnr": psnr, "l1": l1}
LEAST = {"ssim": WINDOW, "ms_ssim": COARSEST, "lpips": 32}  # sides, pixels
THUMB = 32  # side of what diversity is measured on


@dataclass(frozen=True)
class Side:
    """What one direction reads, and what its output is held against: the truth of each image, or the
    real test images of the target domain (``reals``)."""

    direction: str
    test: ImageFolder
    truth: ImageFolder | None
    reals: ImageFolder | None
    trained: ImageFolder
    format_in: PixelFormat
    format_out: PixelFormat

    def truth_of(self, name: Path) -> Pixels | None:
        """What test image ``name`` should become, where that is known: the file of its name, else the
        one that differs in its suffix alone."""
        if self.truth is None:
            return None
        exact = self.truth.folder / name
        same = (
            [exact] if exact.is_file() else sorted(exact.parent.glob(f"{glob.escape(name.stem)}.*"))
        )
        found = next((path for path in same if path.suffix.lower() in SUFFIXES), None)
        return self.truth.read(found, self.format_out).pixels if found else None


def sides(layout: Layout, tested: EvaluationSource) -> tuple[Side, ...]:
    """The directions of ``tested``. Raises ``UsageError`` where there is no test folder."""
    a, b = tested.data.format_a, tested.data.format_b
    found = []
    for direction in tested.directions:
        ahead = direction == "ab"
        test = layout.test_a if ahead else layout.test_b
        if test is None:
            raise UsageError(
                "the test needs held-out images in testA and testB (of pairs in one file: test or val)",
                f"{layout.train_a.folder.parent} without them",
                "set some images of each domain aside there; never test on trained ones",
            )
        if ahead:
            found.append(Side("ab", test, layout.truth_b, layout.test_b, layout.train_b, a, b))
        else:
            found.append(Side("ba", test, layout.truth_a, layout.test_a, layout.train_a, b, a))
    return tuple(found)


def data_folders(run: Path, data: Sequence[Path] = ()) -> tuple[Path, ...]:
    """``data`` where given, else the folders that a run was trained on; a generator names none."""
    if not data and is_generator(run):
        raise UsageError(
            "a generator folder does not say what data to test it on",
            f"{run} without --data",
            "add --data FOLDER (with --pairs where A and B belong together), or test the run it came from",
        )
    return tuple(data) or tuple(Path(path) for path in read_json(run / "data.json")["data"])


def run_data(
    run: Path, data: Sequence[Path] = (), pairs: Pairing | None = None, swap: bool = False
) -> Layout:
    """The data set of a run: ``data`` where given, else what it was trained on. ``pairs`` and ``swap``
    as ``read_source`` has them."""
    about = read_source(run, pairs, swap).data
    return locate(data_folders(run, data), about.pairs, about.swap)


def count(layout: Layout, tested: EvaluationSource) -> int:
    """How many rows ``evaluate`` will yield at most."""
    return sum(len(list_images(side.test.folder)) for side in sides(layout, tested))


def evaluate(
    run: Path,
    layout: Layout,
    device: str = "auto",
    perceptual: Measure | None = None,
    palettes: Mapping[str, np.ndarray] | None = None,
) -> Iterator[ImageRow]:
    """Translate and measure all test images of every direction of ``run`` (a run folder, or a generator
    folder: its one direction), one row each.

    Each translation is written to ``run/evaluation/{ab,ba}/NAME.png`` (.tiff where PNG does not hold
    it), and, of a run that kept its best checkpoint, that one's to ``run/evaluation/best/…``. SSIM,
    MS-SSIM, PSNR, L1 and, with ``perceptual``, LPIPS are taken where the truth is known
    (``truthB/NAME`` for testA/NAME, or its partner in a set of pairs), on pictures of the original
    size and depth, for hwan and for three baselines: the input itself, the mean training picture of
    the target domain, and Reinhard colour transfer to that domain. Pixels are counted by class where
    ``palettes[direction]`` has the colours of label maps. ``cycle_l1`` is the error there and back,
    nan without a way back. Both L1 are shares of the range, 0 to 1. Unreadable files are passed over.

    Raises ``UsageError`` for a folder that is neither, and data without test folders.
    """
    config = read_source(run)
    both = sides(layout, config)
    translators = {side.direction: load(run, device, side.direction) for side in both}
    measures = PAIRED | ({"lpips": perceptual} if perceptual else {})
    for side in both:
        there, back = translators[side.direction], translators.get(side.direction[::-1])
        best = load_best(run, side.direction, device)
        palette = (palettes or {}).get(side.direction)
        readable = False
        for name, source in readings(side.test, side.format_in):
            readable = True
            outputs = {OURS: there.pixels(source)} | ({BEST: best.pixels(source)} if best else {})
            for system, picture in outputs.items():
                save(picture, translation(run, side, name, system))
            truth = side.truth_of(name)
            found, tables = {}, {}
            if truth is not None:
                truth = _fitted(truth, name, outputs[OURS], config.data.fit)
                systems = {**outputs, **baseline_outputs(source, side, config, truth.shape)}
                for system, picture in systems.items():
                    found[system] = figures(measures, picture, truth, side.format_out)
                    if palette is not None:
                        tables[system] = confusion(picture, truth, palette)
                        own = label_figures(tables[system])
                        found[system]["pixel_accuracy"] = own["pixel_accuracy"]
            cycle = float("nan")
            if back:
                pictures = (back.pixels(outputs[OURS]), source)
                cycle = float(l1(*(_tensor(x, side.format_in) for x in pictures)))
            small = [resize(picture, THUMB, THUMB) for picture in (source, outputs[OURS])]
            yield ImageRow(side.direction, str(name), found, cycle, small[0], small[1], tables)
        if not readable:
            raise UsageError(
                "every test folder holds readable images",
                f"none for {side.direction} in {side.test.folder}",
                "`hwan data check` lists broken ones",
            )


def readings(source: ImageFolder, pixel_format: PixelFormat) -> Iterator[tuple[Path, Pixels]]:
    """The readable images of a folder, with their names in it."""
    for file in list_images(source.folder):
        try:
            pixels = source.read(file, pixel_format).pixels
        except UsageError:
            continue
        yield file.relative_to(source.folder), pixels


def some_readings(source: ImageFolder, pixel_format: PixelFormat, count: int) -> Iterator[Pixels]:
    """The readable of ``count`` images evenly chosen from a folder."""
    for file in evenly(list_images(source.folder), count):
        try:
            yield source.read(file, pixel_format).pixels
        except UsageError:
            continue


def load_best(run: Path, direction: str, device: str) -> Translator | None:
    """The generator of the best checkpoint, where the training kept one (``train.best``)."""
    folder = run / "best" / f"generator_{direction}"
    return load(folder, device) if is_generator(folder) else None


def describe_best(run: Path) -> dict[str, str]:
    """How the best checkpoint was chosen, for the protocol; empty of a run that kept none."""
    path = run / "best" / "ranking.json"
    if not path.is_file():
        return {}
    found = read_json(path)
    tops = (f"{d} at {rows[0]['images']} images" for d, rows in found["ranking"].items() if rows)
    return {CHOICE: f"by {found['figure']} on the validation images: {', '.join(tops)}"}


@lru_cache(maxsize=4)
def domain(side: Side, config: EvaluationSource) -> tuple[Statistics, Pixels]:
    """Colour statistics and mean picture of the training images of the target domain."""
    cache = open_cache(side.trained, config.data, side.format_out)
    pictures = [cache[i] for i in range(len(cache))]
    size = config.data.size
    return lab_statistics(pictures, side.format_out), mean_image(pictures, size, size)


def baseline_outputs(
    source: Pixels, side: Side, config: EvaluationSource, shape: tuple[int, ...]
) -> dict[str, Pixels]:
    """What the baselines make of ``source``, as pixels of the target domain of ``shape`` (H, W, C)."""
    statistics, mean = domain(side, config)
    height, width, channels = shape
    found = {
        "mean picture": resize(mean, height, width),
        "Reinhard": reinhard(source, statistics, side.format_in, side.format_out),
    }
    if source.shape[2] in (1, channels):  # grey is shown as grey in any number of channels
        shown = from_unit(to_unit(source, side.format_in), side.format_out)
        found["input as it is"] = shown.repeat(channels // shown.shape[2], axis=2)
    return found


def translation(run: Path, side: Side, name: Path, system: str = OURS) -> Path:
    """Where the test writes its translation of image ``name``, without loss: "a.jpg" as "a.jpg.png"."""
    ending = suffix_for(side.format_out)
    kept = name if name.suffix == ending else name.with_name(name.name + ending)
    folder = run / "evaluation" / "best" if system == BEST else run / "evaluation"
    return folder / side.direction / kept


def _fitted(truth: Pixels, name: Path, output: Pixels, fit: str) -> Pixels:
    if fit == "stretch" and truth.shape[:2] != output.shape[:2]:
        return resize(truth, *output.shape[:2])  # trained as pairs by being stretched to one shape
    if output.shape != truth.shape:
        raise UsageError(
            "a truth has the size of its test image",
            f"{name}: {truth.shape[:2]}, translated {output.shape[:2]}",
            "give the picture that belongs to it",
        )
    return truth


def figures(
    measures: Mapping[str, Measure], picture: Pixels, truth: Pixels, pixel_format: PixelFormat
) -> dict[str, float]:
    """Every figure of ``measures`` that pictures of this size and these channels have."""
    a, b = _tensor(picture, pixel_format), _tensor(truth, pixel_format)
    side, channels = min(a.shape[2:]), a.shape[1]  # one tiny image does not stop a test
    fits = {name: measure for name, measure in measures.items() if side >= LEAST.get(name, 1)}
    if channels not in (1, 3):
        fits.pop("lpips", None)
    return {"ssim": float("nan")} | {name: float(fits[name](a, b)) for name in fits}


def _tensor(pixels: Pixels, pixel_format: PixelFormat) -> Tensor:
    return to_tensor(torch.from_numpy(np.ascontiguousarray(pixels))[None], pixel_format.range)


def real_thumbs(layout: Layout, tested: EvaluationSource) -> list[Pixels]:
    """The test images of the target domain, made small, where one way alone is tested."""
    side, *back = sides(layout, tested)
    if back or side.reals is None:
        return []
    return [resize(pixels, THUMB, THUMB) for _, pixels in readings(side.reals, side.format_out)]
