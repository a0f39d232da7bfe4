"""The outputs of a run as a set, against the real test images: FID, KID, precision and recall, density
and coverage, sliced Wasserstein, each also for the baselines and for real pictures of the training.

Read from the translations that ``evaluate`` has written, so what is measured is what is on the disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hwan.config import PixelFormat
from hwan.data.folders import Layout
from hwan.evaluation.evaluate import (
    Side,
    baseline_outputs,
    readings,
    sides,
    some_readings,
    translation,
)
from hwan.evaluation.results import BEST, OURS, REAL, Distribution, ImageRow, mean
from hwan.evaluation.source import EvaluationSource, read_source
from hwan.imaging.pixels import Pixels, decode, to_unit
from hwan.metrics.distribution import frechet, kernel, manifold
from hwan.metrics.features import BATCH, Features, clean_resize
from hwan.metrics.sliced import LINES, PATCHES, Patches, join, patches, reference, side_for, sliced


class Sample:
    """A set of pictures as it comes: its features and its patches, not the pictures."""

    def __init__(
        self, count: int, pixel_format: PixelFormat, features: Features | None, side: int
    ) -> None:
        self.count, self.kind, self.network, self.side = count, pixel_format, features, side
        self.waiting: list[Pixels] = []
        self.vectors: list[Tensor] = []
        self.parts: list[Patches] = []

    def add(self, picture: Pixels) -> None:
        if self.side:
            values = clean_resize(to_unit(picture, self.kind).astype(np.float32), self.side)
            square = torch.from_numpy(values).permute(2, 0, 1) * 2 - 1
            self.parts.append(patches(square, len(self.parts), self.count))
        if self.network:
            self.waiting.append(picture)
            if len(self.waiting) == BATCH:
                self._flush()

    def _flush(self) -> None:
        if not self.network or not self.waiting:
            return
        first = self.waiting[0]
        if all(np.array_equal(first, other) for other in self.waiting[1:]):  # the mean picture
            vectors = self.network.of([first], self.kind).expand(len(self.waiting), -1)
        else:
            vectors = self.network.of(self.waiting, self.kind)
        self.vectors.append(vectors)
        self.waiting = []

    @property
    def features(self) -> Tensor:
        self._flush()
        return torch.cat(self.vectors)

    @property
    def patches(self) -> Patches:
        return join(self.parts)


def distributions(
    run: Path, layout: Layout, rows: Sequence[ImageRow], features: Features | None
) -> dict[str, Distribution]:
    """The figures of every direction of ``run``, whose translations ``evaluate`` has written.

    Without ``features`` the sliced Wasserstein distance alone. ``real, trained on`` is as many real
    pictures of the training, evenly chosen: what a perfect translator reaches at these counts.
    """
    config = read_source(run)
    found = {}
    for side in sides(layout, config):
        names = [Path(row.name) for row in rows if row.direction == side.direction]
        found[side.direction] = _measure(run, side, config, names, features)
    return found


def _measure(
    run: Path,
    side: Side,
    config: EvaluationSource,
    names: Sequence[Path],
    features: Features | None,
) -> Distribution:
    kind, left_out = side.format_out, []
    sizes = [min(p.shape[:2]) for _, p in readings(side.reals, kind)] if side.reals else []
    if side.reals is None or min(len(sizes), len(names)) < 2:
        return Distribution({}, {}, (
            f"Figures of whole sets were left out ({side.direction}): they need 2 translations and 2 "
            f"real test images of the target domain; there are {len(names)} and {len(sizes)}.",
        ))  # fmt: skip
    if features and kind.channels not in (1, features.channels):
        left_out.append(
            f"Figures by {features.name} were left out ({side.direction}): it takes "
            f"{features.channels} channels, and the pictures have {kind.channels}."
        )
        features = None
    finest = side_for(sizes)
    if not finest:
        left_out.append(f"The sliced Wasserstein distance was left out ({side.direction}): pictures "
                        "are under 16 pixels.")  # fmt: skip
    reals = Sample(len(sizes), kind, features, finest)
    for _, picture in readings(side.reals, kind):
        reals.add(picture)
    samples: dict[str, Sample] = {}
    for pictures in _pictures(run, side, config, names):
        for system, picture in pictures.items():
            samples.setdefault(system, Sample(len(names), kind, features, finest)).add(picture)
    trained = list(some_readings(side.trained, kind, len(names)))
    if len(trained) > 1:
        samples[REAL] = Sample(len(trained), kind, features, finest)
        for picture in trained:
            samples[REAL].add(picture)
    protocol = {
        "outputs": f"{len(names)} translations of {side.test.folder.name}",
        "reals": f"{len(sizes)} images of {side.reals.folder.name}",
        **(features.protocol if features else {}),
    }
    if finest:
        protocol["sliced Wasserstein"] = (
            f"{PATCHES} patches 7x7 of a Laplacian pyramid from {finest} to 16 pixels (resized clean), "
            f"{LINES} lines, in standard deviations of the reals; the mean of its levels"
        )
    return Distribution(compare(samples, reals, features, kind), protocol, tuple(left_out))


def _pictures(
    run: Path, side: Side, config: EvaluationSource, names: Sequence[Path]
) -> Iterator[dict[str, Pixels]]:
    """Of every test image what each system makes of it."""
    for name in names:
        found = {
            system: decode(file, side.format_out).pixels
            for system in (OURS, BEST)
            if (file := translation(run, side, name, system)).is_file()
        }
        source = side.test.read(side.test.folder / name, side.format_in).pixels
        shape = (*source.shape[:2], side.format_out.channels)
        yield {**found, **baseline_outputs(source, side, config, shape)}


def compare(
    samples: Mapping[str, Sample],
    reals: Sample,
    features: Features | None,
    pixel_format: PixelFormat,
) -> dict[str, dict[str, float]]:
    """Every figure of the ``samples`` against the ``reals``, by system and metric."""
    found: dict[str, dict[str, float]] = {system: {} for system in samples}
    if features:
        distance, discrepancy = features.distances
        for system, sample in samples.items():
            pair = sample.features, reals.features
            value, error = kernel(*pair)
            found[system] |= {
                distance: frechet(*pair),
                discrepancy: value,
                f"{discrepancy}_se": error,
                **manifold(*pair),
            }
    if reals.side:
        known = reference(reals.patches, pixel_format.channels)
        for system, sample in samples.items():
            gaps = sliced(sample.patches, known)
            found[system] |= {
                "swd": mean(list(gaps.values())),
                **{f"swd_{side}": gap for side, gap in gaps.items()},
            }
    return found
