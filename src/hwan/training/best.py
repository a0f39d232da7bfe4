"""The best generators: at every tick they are measured on validation images and ranked.

RUN/best/ranking.json  every tick's figure by direction, the best first
RUN/best/generator_ab  generator_ba  each as it was at its own best tick
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hwan.config import Config, PixelFormat
from hwan.data.augment import centre_crop
from hwan.data.folders import evenly
from hwan.data.sets import TrainingSet
from hwan.errors import UsageError, require
from hwan.files import read_json, write_json
from hwan.imaging.pixels import to_pixels, to_tensor
from hwan.metrics.distribution import frechet, kernel
from hwan.metrics.features import INCEPTION, Features, find, load_inception, where_to_put
from hwan.metrics.records import METRICS
from hwan.metrics.sliced import COARSEST, Patches, join, patches, reference, side_for, sliced
from hwan.nets.folder import direction_of
from hwan.training.health import translating
from hwan.training.state import Training

MOST = 64  # images of each domain


class ValidationFigures:
    """Measures a training's generators by ``train.best`` on centre crops of the validation images.

    The crops stay the same, and nothing random is drawn.
    """

    def __init__(self, images: TrainingSet, config: Config) -> None:
        self.figure, data = config.train.best, config.data
        expected = f"data.size of at least {COARSEST} for train.best"
        require(data.size >= COARSEST, expected, data.size, "give a larger --data.size")
        everything = range(len(images.a)), range(len(images.b))
        numbers_a, numbers_b = zip(*images.match, strict=True) if images.match else everything
        features = _features() if self.figure in ("kid", "fid") else None
        self.real: dict[str, Tensor] = {}
        self.figure_of: dict[str, Callable[[Tensor], float]] = {}
        for domain, cache, numbers, pixel_format in (
            ("a", images.a, numbers_a, data.format_a),
            ("b", images.b, numbers_b, data.format_b),
        ):
            crops = np.stack([centre_crop(cache[i], data.size) for i in evenly(numbers, MOST)])
            self.real[domain] = real = to_tensor(torch.from_numpy(crops), pixel_format.range)
            self.figure_of[domain] = _figure_beside(real, pixel_format, self.figure, features)
        least = min(len(real) for real in self.real.values())
        expected = "at least 2 validation images of each domain for train.best"
        require(least >= 2, expected, least, "add validation images")

    @torch.no_grad()
    def __call__(self, training: Training) -> dict[str, float]:
        """The figure of each direction, as ``swd_ab``."""
        found = {}
        for name, net in training.generators.items():
            direction = direction_of(name)
            with translating(training):
                fakes = [net(x[None].to(training.device)) for x in self.real[direction[0]]]
            figure_of = self.figure_of[direction[1]]
            found[f"{self.figure}_{direction}"] = figure_of(torch.cat(fakes).float().cpu())
        return found


def ticks_without_gain(folder: Path) -> int:
    """How many measurements in a row, up to the last one, brought no direction of ``folder/ranking.json`` a
    better figure."""
    ranking: dict[str, Any] = read_json(folder / "ranking.json")["ranking"]
    later = (
        sum(row["images"] > rows[0]["images"] for row in rows) for rows in ranking.values() if rows
    )
    return min(later, default=0)


def _figure_beside(
    real: Tensor, pixel_format: PixelFormat, figure: str, features: Features | None
) -> Callable[[Tensor], float]:
    """A function from generated images to their ``figure`` beside ``real``, which are described once."""
    if measure := METRICS[figure].measure:
        return lambda fakes: float(measure(fakes, real).mean())
    if features is None:
        patches_of_real = reference(_patches(real), real.shape[1])
        return lambda fakes: fmean(sliced(_patches(fakes), patches_of_real).values())

    def described(images: Tensor) -> Tensor:
        return features.of(to_pixels(images, pixel_format), pixel_format)

    known = described(real)
    if figure == "fid":
        return lambda fakes: frechet(described(fakes), known)
    return lambda fakes: kernel(described(fakes), known)[0]


def _patches(images: Tensor) -> Patches:
    side = side_for([images.shape[2]])  # a corner, if the crops' side is no power of two
    return join([patches(image[:, :side, :side], i, len(images)) for i, image in enumerate(images)])


def _features() -> Features:
    if path := find(INCEPTION):
        return load_inception(path)
    expected = "Inception's weights for train.best fid and kid, which hwan does not download"
    raise UsageError(expected, "none found", f"{where_to_put(INCEPTION)}, or give --train.best swd")


def ranked(folder: Path, figure: str, seen: int, figures: Mapping[str, float]) -> list[str]:
    """Add a tick's ``figures`` to ``folder/ranking.json``; return the directions with a new best.

    Rows from ``seen`` on are dropped: a training that was stopped before it saved its state repeats them.
    """
    if not figures:
        return []
    path = folder / "ranking.json"
    written: dict[str, Any] = read_json(path) if path.is_file() else {}
    # A ranking by another figure does not count.
    before = written["ranking"] if written.get("figure") == figure else {}
    sign = 1 if METRICS[figure].better == "low" else -1
    ranking = {}
    for name, value in figures.items():
        direction = name.removeprefix(f"{figure}_")
        rows = [row for row in before.get(direction, []) if row["images"] < seen]
        rows += [{"images": seen, "value": value}] if math.isfinite(value) else []
        # The earlier of two equals is kept.
        ranking[direction] = sorted(rows, key=lambda row: (sign * row["value"], row["images"]))
    write_json(path, {"figure": figure, "ranking": ranking})
    return [direction for direction, rows in ranking.items() if rows and rows[0]["images"] == seen]
