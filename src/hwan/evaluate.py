"""The test: every held-out image translated, measured, and set against doing nothing clever."""

from __future__ import annotations

import csv
import glob
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hwan import config as configs
from hwan.config import Config, Kind, read_json
from hwan.data.cache import open_cache
from hwan.data.folders import Layout, Source, list_images, locate
from hwan.errors import UsageError
from hwan.formats import SUFFIXES
from hwan.image import Pixels, resize, save, suffix_for, to_tensor, write_atomic
from hwan.metrics.baselines import Statistics, lab_statistics, mean_image, reinhard
from hwan.metrics.health import diversity
from hwan.metrics.pairwise import WINDOW, l1, psnr, ssim
from hwan.translate import load

OURS = "hwan"
PAIRED = {"ssim": ssim, "psnr": psnr, "l1": l1}
THUMB = 32  # side of what diversity is measured on


@dataclass(frozen=True)
class Row:
    """One test image. ``figures[system][metric]`` is empty where no truth is known."""

    direction: str
    name: str
    figures: Mapping[str, Mapping[str, float]]
    cycle_l1: float
    source_small: Pixels
    output_small: Pixels


@dataclass(frozen=True)
class Summary:
    """One direction: means over its images. ``beaten`` says whether hwan's SSIM is above every
    baseline's; None where no truth is known."""

    images: int
    systems: dict[str, dict[str, float]]
    cycle_l1: float
    diversity: float
    beaten: bool | None


@dataclass(frozen=True)
class Side:
    """What one direction reads, and what its output is held against."""

    direction: str
    test: Source
    truth: Source | None
    trained: Source
    kind_in: Kind
    kind_out: Kind

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
        return self.truth.read(found, self.kind_out).pixels if found else None


def sides(layout: Layout, config: Config) -> tuple[Side, ...]:
    """The directions of ``config``'s method. Raises ``UsageError`` where there is no test folder."""
    if layout.test_a is None or (layout.test_b is None and "ba" in config.directions):
        raise UsageError(
            "the test needs held-out images in testA and testB (of pairs in one file: test or val)",
            f"{layout.train_a.folder.parent} without them",
            "set some images of each domain aside there; never test on trained ones",
        )
    a, b = config.data.kind_a, config.data.kind_b
    there = Side("ab", layout.test_a, layout.truth_b, layout.train_b, a, b)
    if layout.test_b is None or "ba" not in config.directions:
        return (there,)
    return there, Side("ba", layout.test_b, layout.truth_a, layout.train_a, b, a)


def run_data(run: Path, data: Sequence[Path] = ()) -> Layout:
    """The data set of a run: ``data`` where given, else what it was trained on."""
    config = configs.load(run / "config.json").data
    folders = list(data) or [Path(path) for path in read_json(run / "data.json")["data"]]
    return locate(folders, config.pairs, config.swap)


def count(layout: Layout, config: Config) -> int:
    """How many rows ``evaluate`` will yield at most."""
    return sum(len(list_images(side.test.folder)) for side in sides(layout, config))


def evaluate(run: Path, layout: Layout, device: str = "auto") -> Iterator[Row]:
    """Translate and measure all test images of every direction of ``run``, one row each.

    Each translation is written to ``run/evaluation/{ab,ba}/NAME.png`` (.tiff where PNG does not hold
    it). SSIM, PSNR and L1 are taken where the truth is known (``truthB/NAME`` for testA/NAME, or its
    partner in a set of pairs), on pictures of the original size and depth, for hwan and for three
    baselines: the input itself, the mean training picture of the target domain, and Reinhard colour
    transfer to that domain. ``cycle_l1`` is the error there and back, nan without a way back. Both L1
    are shares of the range, 0 to 1. Unreadable files are passed over.

    Raises ``UsageError`` for a folder that is no run, and data without test folders.
    """
    config = configs.load(run / "config.json")
    both = sides(layout, config)
    translators = {side.direction: load(run, device, side.direction) for side in both}
    for side in both:
        there, back = translators[side.direction], translators.get(side.direction[::-1])
        statistics, mean = _domain(side, config) if side.truth else (None, None)
        readable = False
        for file in list_images(side.test.folder):
            try:
                source = side.test.read(file, side.kind_in).pixels
            except UsageError:
                continue
            readable = True
            name = file.relative_to(side.test.folder)
            output = there.pixels(source)
            save(output, translation(run, side, name))
            truth = side.truth_of(name)
            figures = {}
            if truth is not None and statistics is not None and mean is not None:
                figures = _against(
                    truth, name, side, source, output, mean, statistics, config.data.fit
                )
            cycle = float("nan")
            if back:
                pictures = (back.pixels(output), source)
                cycle = _figure(l1, *(_tensor(x, side.kind_in) for x in pictures))
            small = [resize(picture, THUMB, THUMB) for picture in (source, output)]
            yield Row(side.direction, str(name), figures, cycle, *small)
        if not readable:
            raise UsageError(
                "every test folder holds readable images",
                f"none for {side.direction} in {side.test.folder}",
                "`hwan data check` lists broken ones",
            )


def _domain(side: Side, config: Config) -> tuple[Statistics, Pixels]:
    """Colour statistics and mean picture of the training images of the target domain."""
    cache = open_cache(side.trained, config.data, side.kind_out)
    pictures = [cache[i] for i in range(len(cache))]
    size = config.data.size
    return lab_statistics(pictures, side.kind_out), mean_image(pictures, size, size)


def translation(run: Path, side: Side, name: Path) -> Path:
    """Where the test writes its translation of image ``name``, without loss: "a.jpg" as "a.jpg.png"."""
    ending = suffix_for(side.kind_out)
    kept = name if name.suffix == ending else name.with_name(name.name + ending)
    return run / "evaluation" / side.direction / kept


def _against(
    truth: Pixels, name: Path, side: Side, source: Pixels, output: Pixels, mean: Pixels,
    statistics: Statistics, config_fit: str,
) -> dict[str, dict[str, float]]:  # fmt: skip
    height, width, channels = truth.shape
    if config_fit == "stretch" and truth.shape[:2] != output.shape[:2]:
        truth = resize(truth, *output.shape[:2])  # trained as pairs by being stretched to one shape
        height, width = output.shape[:2]
    if output.shape != truth.shape:
        raise UsageError(
            "a truth has the size of its test image",
            f"{name}: {truth.shape[:2]}, translated {output.shape[:2]}",
            "give the picture that belongs to it",
        )
    pictures = {
        OURS: output,
        "mean picture": resize(mean, height, width),
        "Reinhard": reinhard(source, statistics, side.kind_in, side.kind_out),
    }
    systems = {system: _tensor(picture, side.kind_out) for system, picture in pictures.items()}
    shown = _tensor(source, side.kind_in)
    if source.shape[2] in (1, channels):  # grey is shown as grey in any number of channels
        systems["input as it is"] = shown.expand(-1, channels, -1, -1)
    true = _tensor(truth, side.kind_out)
    return {
        system: {metric: _figure(measure, picture, true) for metric, measure in PAIRED.items()}
        for system, picture in systems.items()
    }


def _tensor(pixels: Pixels, kind: Kind) -> Tensor:
    return to_tensor(torch.from_numpy(np.ascontiguousarray(pixels))[None], kind.range)


def _figure(metric: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> float:
    if metric is ssim and min(a.shape[2:]) < WINDOW:
        return float("nan")  # one tiny image does not stop a test
    return float(metric(a, b))


def summarise(rows: Sequence[Row], reals: Sequence[Pixels] = ()) -> dict[str, Summary]:
    """Means by direction. Diversity is set against the real test images of the target domain: what the
    way back was tested on, or (one-way methods) ``reals``, as ``real_thumbs`` reads them."""
    if not rows:
        raise UsageError("the test folders hold readable images", "none",
                         "`hwan data check` lists broken ones")  # fmt: skip
    inputs = {d: [row.source_small for row in rows if row.direction == d] for d in ("ab", "ba")}
    found = {}
    for direction in dict.fromkeys(row.direction for row in rows):
        here = [row for row in rows if row.direction == direction]
        known = [row.figures for row in here if row.figures]
        systems = {
            system: {metric: _mean_known([f[system][metric] for f in known]) for metric in PAIRED}
            for system in (known[0] if known else {})
        }
        beaten = None
        if known:
            beaten = all(systems[OURS]["ssim"] > s["ssim"] for k, s in systems.items() if k != OURS)
        outputs = [row.output_small for row in here]
        spread = _diversity(outputs, inputs[direction[::-1]] or reals)
        cycle = _mean([row.cycle_l1 for row in here])
        found[direction] = Summary(len(here), systems, cycle, spread, beaten)
    return found


def real_thumbs(layout: Layout, config: Config) -> list[Pixels]:
    """The test images of domain B, made small, for a method that never reads them."""
    if "ba" in config.directions or layout.test_b is None:
        return []
    thumbs = []
    for file in list_images(layout.test_b.folder):
        try:
            pixels = layout.test_b.read(file, config.data.kind_b).pixels
        except UsageError:
            continue
        thumbs.append(resize(pixels, THUMB, THUMB))
    return thumbs


def _diversity(outputs: Sequence[Pixels], reals: Sequence[Pixels]) -> float:
    if min(len(outputs), len(reals)) < 2 or outputs[0].shape != reals[0].shape:
        return float("nan")
    return diversity(*(to_tensor(torch.from_numpy(np.stack(x))) for x in (outputs, reals)))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _mean_known(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return _mean(known) if known else float("nan")


def write_results(rows: Sequence[Row], summaries: Mapping[str, Summary], folder: Path) -> None:
    """``results.json``: the summaries; ``images.csv``: a line per image, system and metric.

    JSON has no nan and no infinity (the PSNR of equal pictures): both become null there.
    """
    text = json.dumps(_standard({d: vars(s) for d, s in summaries.items()}), indent=2)
    write_atomic(folder / "results.json", (text + "\n").encode())
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["direction", "name", "system", "metric", "value"])
    for row in rows:
        writer.writerow([row.direction, row.name, OURS, "cycle_l1", row.cycle_l1])
        for system, figures in row.figures.items():
            writer.writerows([row.direction, row.name, system, *item] for item in figures.items())
    write_atomic(folder / "images.csv", out.getvalue().encode())


def _standard(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _standard(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
