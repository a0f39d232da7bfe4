"""The best generators: at every tick they are measured on validation images and ranked.

RUN/best/ranking.json  every tick's figure by direction, the best first
RUN/best/generator_ab  generator_ba  each as it was at its own best tick
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hwan.config import Config
from hwan.data.augment import centre_crop
from hwan.data.cache import Cache
from hwan.data.folders import evenly
from hwan.data.sets import TrainingSet
from hwan.errors import UsageError
from hwan.files import read_json, write_json
from hwan.imaging.pixels import to_pixels, to_tensor
from hwan.metrics.distribution import frechet, kernel
from hwan.metrics.features import INCEPTION, Features, find, load_inception, where_to_put
from hwan.metrics.records import METRICS
from hwan.metrics.sliced import COARSEST, Patches, join, patches, reference, side_for, sliced
from hwan.nets.folder import direction_of
from hwan.training.health import one_by_one
from hwan.training.state import Training

MOST = 64  # images of each domain


class ValidationFigures:
    """Measures a training's generators by ``train.best`` on centre crops of the validation images.

    The crops stay the same, and nothing random is drawn.
    """

    def __init__(self, images: TrainingSet, config: Config) -> None:
        self.figure, data = config.train.best, config.data
        if data.size < COARSEST:
            raise UsageError(f"data.size of at least {COARSEST} for train.best", data.size,
                             "give a larger --data.size")  # fmt: skip
        self.formats = {"a": data.format_a, "b": data.format_b}
        everything = range(len(images.a)), range(len(images.b))
        of_a, of_b = zip(*images.match, strict=True) if images.match else everything
        crops = {
            "a": (_crops(images.a, of_a, data.size), data.range_a),
            "b": (_crops(images.b, of_b, data.size), data.range_b),
        }
        self.real = {k: to_tensor(torch.from_numpy(x), limits) for k, (x, limits) in crops.items()}
        self.features = _features() if self.figure in ("kid", "fid") else None
        self.known = {domain: self._described(real, domain) for domain, real in self.real.items()}
        least = min(len(real) for real in self.real.values())
        if least < 2:
            raise UsageError("at least 2 validation images of each domain for train.best", least,
                             "add validation images")  # fmt: skip

    def _described(self, images: Tensor, domain: str) -> Tensor | Patches:
        """What the figure compares: the images, their patches or their features."""
        if self.features:
            pixel_format = self.formats[domain]
            return self.features.of(to_pixels(images, pixel_format), pixel_format)
        if self.figure == "swd":
            return _patches(images)
        return images

    @torch.no_grad()
    def __call__(self, training: Training) -> dict[str, float]:
        """The figure of each direction, as ``swd_ab``."""
        found = {}
        devices = [training.device] if training.device.type == "cuda" else []
        for name, net in training.generators.items():
            direction = direction_of(name)
            net.eval()
            with torch.random.fork_rng(devices):  # dropout may be on while translating
                fakes = torch.cat([
                    one_by_one(net, real[None].to(training.device)).float().cpu()
                    for real in self.real[direction[0]]
                ])  # fmt: skip
            found[f"{self.figure}_{direction}"] = self._value(fakes, direction[1])
        training.method.train()
        return found

    def _value(self, fakes: Tensor, domain: str) -> float:
        real = self.real[domain]
        if measure := METRICS[self.figure].measure:
            return float(measure(fakes, real).mean())
        described, known = self._described(fakes, domain), self.known[domain]
        if isinstance(described, Tensor) and isinstance(known, Tensor):
            if self.figure == "fid":
                return frechet(described, known)
            return kernel(described, known)[0]
        assert isinstance(described, dict)
        assert isinstance(known, dict)
        return fmean(sliced(described, reference(known, fakes.shape[1])).values())


def _crops(cache: Cache, numbers: Sequence[int], size: int) -> np.ndarray:
    return np.stack([centre_crop(cache[i], size) for i in evenly(numbers, MOST)])


def _patches(images: Tensor) -> Patches:
    side = side_for([images.shape[2]])  # a corner, if the crops' side is no power of two
    return join([patches(image[:, :side, :side], i, len(images)) for i, image in enumerate(images)])


def _features() -> Features:
    path = find(INCEPTION)
    if path is None:
        raise UsageError("Inception's weights for train.best fid and kid, which hwan does not download",
                         "none found", f"{where_to_put(INCEPTION)}, or give --train.best swd")  # fmt: skip
    return load_inception(path)


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
    ranking, won = {}, []
    for name, value in figures.items():
        direction = name.removeprefix(f"{figure}_")
        rows = [row for row in before.get(direction, []) if row["images"] < seen]
        if math.isfinite(value):
            rows.append({"images": seen, "value": value})
        # The earlier of two equals is kept.
        ranking[direction] = sorted(rows, key=lambda row: (sign * row["value"], row["images"]))
        if rows and ranking[direction][0]["images"] == seen:
            won.append(direction)
    write_json(path, {"figure": figure, "ranking": ranking})
    return won
