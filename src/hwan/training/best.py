"""The best checkpoint: at every tick the generators are measured on validation images and ranked.

RUN/best/ranking.json  every tick's figure by direction, the best first
RUN/best/generator_ab  generator_ba  each as it was at its own best tick
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hwan.config import Config
from hwan.data.augment import centre_crop
from hwan.data.cache import Cache
from hwan.data.sets import TrainingSet
from hwan.errors import UsageError
from hwan.evaluation.results import mean
from hwan.files import read_json, write_json
from hwan.imaging.pixels import to_pixels, to_tensor
from hwan.metrics.distribution import frechet, kernel
from hwan.metrics.features import INCEPTION, Features, find, load_inception, where_to_put
from hwan.metrics.records import METRICS
from hwan.metrics.sliced import COARSEST, Patches, join, patches, reference, side_for, sliced
from hwan.training.loop import Training
from hwan.training.samples import singly

MOST = 64  # images of each domain


class ValidationFigures:
    """Measures a training's generators by ``train.best`` on centre crops of the validation images, which
    stay the same; draws nothing random."""

    def __init__(self, images: TrainingSet, config: Config) -> None:
        self.figure, data = config.train.best, config.data
        if data.size < COARSEST:
            raise UsageError(f"train.best measures crops of at least {COARSEST} pixels", data.size,
                             "give a larger --data.size")  # fmt: skip
        self.limits = {"a": data.range_a, "b": data.range_b}
        self.kinds = {"a": data.format_a, "b": data.format_b}
        numbers = {
            "a": _evenly([i for i, _ in images.match] if images.match else range(len(images.a))),
            "b": _evenly([j for _, j in images.match] if images.match else range(len(images.b))),
        }
        caches = {"a": images.a, "b": images.b}
        self.pixels = {k: _crops(caches[k], numbers[k], data.size) for k in ("a", "b")}
        self.real = {k: self._tensor(self.pixels[k], k) for k in ("a", "b")}
        self.features = _features() if self.figure in ("kid", "fid") else None
        self.known = {k: self._described(self.real[k], k) for k in ("a", "b")}
        least = min(len(pixels) for pixels in self.pixels.values())
        if least < 2:
            raise UsageError("train.best measures on at least 2 images of each domain", least,
                             "add validation images")  # fmt: skip

    def _tensor(self, pixels: np.ndarray, domain: str) -> Tensor:
        return to_tensor(torch.from_numpy(pixels), self.limits[domain])

    def _described(self, images: Tensor, domain: str) -> Tensor | Patches:
        """A set as the figure sees it: itself, its patches, its features."""
        if self.features:
            return self.features.of(to_pixels(images, self.kinds[domain]), self.kinds[domain])
        if self.figure == "swd":
            return _patches(images)
        return images

    @torch.no_grad()
    def __call__(self, training: Training) -> dict[str, float]:
        """The figure of each direction, as ``swd_ab``."""
        found = {}
        devices = [training.device] if training.device.type == "cuda" else []
        for name, net in training.generators.items():
            direction = name.removeprefix("generator_")
            net.eval()
            with torch.random.fork_rng(devices):  # a generator may drop out when translating
                fakes = torch.cat([
                    singly(net, real[None].to(training.device)).float().cpu()
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
        return mean(list(sliced(described, reference(known, fakes.shape[1])).values()))


def _evenly(numbers: range | list[int]) -> list[int]:
    some = min(MOST, len(numbers))
    return [numbers[i * len(numbers) // some] for i in range(some)]


def _crops(cache: Cache, numbers: list[int], size: int) -> np.ndarray:
    return np.stack([centre_crop(cache[i], size) for i in numbers])


def _patches(images: Tensor) -> Patches:
    side = side_for([images.shape[2]])  # of crops whose side is no power of two, a corner
    return join([patches(image[:, :side, :side], i, len(images)) for i, image in enumerate(images)])


def _features() -> Features:
    path = find(INCEPTION)
    if path is None:
        raise UsageError("train.best fid and kid see by Inception, whose weights hwan does not download",
                         "none found", f"{where_to_put(INCEPTION)}, or give --train.best swd")  # fmt: skip
    return load_inception(path)


def ranked(folder: Path, figure: str, seen: int, figures: Mapping[str, float]) -> list[str]:
    """Add a tick's ``figures`` to ``folder/ranking.json``; the directions that they are the best of.

    Rows from ``seen`` on, of a training that was stopped before it saved its state, come again.
    """
    if not figures:
        return []
    path = folder / "ranking.json"
    written: dict[str, Any] = read_json(path) if path.is_file() else {}
    # A ranking by another figure is none.
    before = written["ranking"] if written.get("figure") == figure else {}
    sign = 1 if METRICS[figure].better == "low" else -1
    ranking, won = {}, []
    for name, value in figures.items():
        direction = name.removeprefix(f"{figure}_")
        rows = [row for row in before.get(direction, []) if row["images"] < seen]
        if math.isfinite(value):
            rows.append({"images": seen, "value": value})
        # Of equals the earlier is kept.
        ranking[direction] = sorted(rows, key=lambda row: (sign * row["value"], row["images"]))
        if rows and ranking[direction][0]["images"] == seen:
            won.append(direction)
    write_json(path, {"figure": figure, "ranking": ranking})
    return won
