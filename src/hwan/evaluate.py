"""The test: every held-out image translated, measured, and set against doing nothing clever."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hwan import config as configs
from hwan.config import Config, Kind, read_json
from hwan.data.cache import open_cache
from hwan.data.folders import Layout, list_images, locate
from hwan.errors import UsageError
from hwan.image import Pixels, decode, resize, save, suffix_for, to_tensor, write_atomic
from hwan.metrics.baselines import Statistics, lab_statistics, mean_image, reinhard
from hwan.metrics.health import diversity
from hwan.metrics.pairwise import l1, psnr, ssim
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
    test: Path
    truth: Path | None
    trained: Path
    kind_in: Kind
    kind_out: Kind


def sides(layout: Layout, config: Config) -> tuple[Side, Side]:
    """Both directions of a data set. Raises ``UsageError`` where there are no test folders."""
    if layout.test_a is None or layout.test_b is None:
        raise UsageError(
            "the test needs held-out images in testA and testB",
            f"{layout.train_a.parent} without them",
            "set some images of each domain aside there; never test on trained ones",
        )
    a, b = config.data.kind_a, config.data.kind_b
    return (
        Side("ab", layout.test_a, layout.truth_b, layout.train_b, a, b),
        Side("ba", layout.test_b, layout.truth_a, layout.train_a, b, a),
    )


def run_data(run: Path, data: Sequence[Path] = ()) -> Layout:
    """The data set of a run: ``data`` where given, else what it was trained on."""
    return locate(list(data) or [Path(path) for path in read_json(run / "data.json")["data"]])


def count(layout: Layout, config: Config) -> int:
    """How many rows ``evaluate`` will yield at most."""
    return sum(len(list_images(side.test)) for side in sides(layout, config))


def evaluate(run: Path, layout: Layout, device: str = "auto") -> Iterator[Row]:
    """Translate and measure all test images of both directions of ``run``, one row each.

    Each translation is written to ``run/evaluation/{ab,ba}/NAME.png`` (.tiff where PNG does not hold
    it). SSIM, PSNR and L1 are taken where ``truthB/NAME`` (for testA/NAME) or ``truthA`` is there, on
    pictures of the original size and depth, for hwan and for three baselines: the input itself, the
    mean training picture of the target domain, and Reinhard colour transfer to that domain.
    ``cycle_l1`` is the error there and back. Both L1 are shares of the range, 0 to 1.
    Unreadable files are passed over.

    Raises ``UsageError`` for a folder that is no run, and data without test folders.
    """
    config = configs.load(run / "config.json")
    translators = {d: load(run, device, d) for d in ("ab", "ba")}
    for side in sides(layout, config):
        there, back = translators[side.direction], translators[side.direction[::-1]]
        truths = truth_names(side)
        domain = open_cache(side.trained, config.data, side.kind_out)
        pictures = [domain[i] for i in range(len(domain))]
        statistics = lab_statistics(pictures, side.kind_out) if truths else None
        mean = mean_image(pictures, config.data.size, config.data.size) if truths else None
        for file in list_images(side.test):
            try:
                source = decode(file, side.kind_in).pixels
            except UsageError:
                continue
            name = file.relative_to(side.test)
            output = there.pixels(source)
            save(output, translation(run, side, name))
            figures = {}
            if (
                (truth := truths.get(name) or truths.get(name.with_suffix("")))
                and mean is not None
                and statistics
            ):
                figures = _against(truth, side, source, output, mean, statistics)
            yield Row(
                side.direction,
                str(name),
                figures,
                _figure(l1, *(_tensor(x, side.kind_in) for x in (back.pixels(output), source))),
                resize(source, THUMB, THUMB),
                resize(output, THUMB, THUMB),
            )


def truth_names(side: Side) -> dict[Path, Path]:
    """Each known truth by its relative path, with the suffix and without."""
    if side.truth is None:
        return {}
    exact = {path.relative_to(side.truth): path for path in list_images(side.truth)}
    return {name.with_suffix(""): path for name, path in exact.items()} | exact


def translation(run: Path, side: Side, name: Path) -> Path:
    """Where the test writes its translation of image ``name``, without loss: a PNG, "a.jpg" as
    "a.jpg.png", or a TIFF where PNG does not hold it."""
    ending = suffix_for(side.kind_out)
    whole = name.name + ("" if name.suffix == ending else ending)
    return run / "evaluation" / side.direction / name.with_name(whole)


def _against(
    path: Path, side: Side, source: Pixels, output: Pixels, mean: Pixels, statistics: Statistics
) -> dict[str, dict[str, float]]:
    truth = decode(path, side.kind_out).pixels
    height, width, channels = truth.shape
    if output.shape != truth.shape:
        raise UsageError(
            "a truth has the size of its test image",
            f"{path}: {truth.shape[:2]}, translated {output.shape[:2]}",
            "give the picture that belongs to it",
        )
    pictures = {
        OURS: output,
        "mean picture": resize(mean, height, width),
        "Reinhard": reinhard(source, statistics, side.kind_in, side.kind_out),
    }
    systems = {name: _tensor(picture, side.kind_out) for name, picture in pictures.items()}
    if source.shape[2] == channels:
        systems["input as it is"] = _tensor(source, side.kind_in)
    true = _tensor(truth, side.kind_out)
    return {
        system: {name: _figure(metric, picture, true) for name, metric in PAIRED.items()}
        for system, picture in systems.items()
    }


def _tensor(pixels: Pixels, kind: Kind) -> Tensor:
    return to_tensor(torch.from_numpy(np.ascontiguousarray(pixels))[None], kind.range)


def _figure(metric: object, a: Tensor, b: Tensor) -> float:
    assert callable(metric)
    return float(metric(a, b))


def summarise(rows: Sequence[Row]) -> dict[str, Summary]:
    """Means by direction. Diversity is set against the real test images of the target domain."""
    found = {}
    small = {
        d: [(r.source_small, r.output_small) for r in rows if r.direction == d]
        for d in ("ab", "ba")
    }
    for direction, mine in small.items():
        here = [row for row in rows if row.direction == direction]
        if not here:
            raise UsageError(
                "both test folders hold readable images",
                f"none for {direction}",
                "`hwan data check` lists broken ones",
            )
        known = [row.figures for row in here if row.figures]
        systems = {
            system: {metric: _mean([f[system][metric] for f in known]) for metric in PAIRED}
            for system in (known[0] if known else {})
        }
        beaten = None
        if known:
            beaten = all(systems[OURS]["ssim"] > s["ssim"] for k, s in systems.items() if k != OURS)
        outputs, reals = [out for _, out in mine], [real for real, _ in small[direction[::-1]]]
        spread = float("nan")
        if min(len(outputs), len(reals)) > 1:
            # Of any range, as long as both have the same.
            spread = diversity(
                *(to_tensor(torch.from_numpy(np.stack(x))) for x in (outputs, reals))
            )
        found[direction] = Summary(
            len(here), systems, _mean([r.cycle_l1 for r in here]), spread, beaten
        )
    return found


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


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
