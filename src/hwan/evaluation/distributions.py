"""The outputs of a run as a set, against the real test images: FID, KID, precision and recall, density
and coverage, sliced Wasserstein, each also for the baselines and for real pictures of the training.

They are computed from the translations that ``evaluate`` has written, so from what is on the disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from hwan.config import PixelFormat
from hwan.data.folders import Layout
from hwan.evaluation.images import (
    baselines_of,
    readable_images,
    some_images,
    translation,
    translation_path,
)
from hwan.evaluation.results import BEST, OURS, REAL, Distribution, ImageRow
from hwan.evaluation.source import DirectionData, EvaluationSource, direction_data, read_source
from hwan.imaging.pixels import Pixels
from hwan.metrics.distribution import frechet, kernel, manifold
from hwan.metrics.features import Features
from hwan.metrics.sliced import LINES, PATCHES, Patches, join, patches, reference, side_for, sliced

Sample = tuple[Tensor, Patches]
"""A set of pictures by its features (N, D), without a network (0, 0), and its patches, {} where the
pictures are too small for them."""


def sample(
    images: Iterable[Pixels], count: int, pixel_format: PixelFormat, net: Features | None, side: int
) -> Sample:
    """The features and patches of ``count`` images, read one by one and not kept. ``side``: the finest
    side of the patches' pyramid, pixels; 0 leaves patches out."""
    parts: list[Patches] = []
    probe = Features("", "", torch.nn.Identity(), side, pixel_format.channels)

    def cut() -> Iterator[Pixels]:
        for picture in images:
            if side:
                parts.append(patches(probe.square(picture, pixel_format), len(parts), count))
            yield picture

    read = cut()
    features = net.of(read, pixel_format) if net else torch.zeros(0, 0)
    for _ in read:  # without a network nothing has read them yet
        pass
    return features, join(parts) if parts else {}


def distributions(
    run: Path, layout: Layout, rows: Sequence[ImageRow], features: Features | None
) -> dict[str, Distribution]:
    """The figures of every direction of ``run``, whose translations ``evaluate`` has written.

    Without ``features`` the sliced Wasserstein distance alone. ``real, trained on`` is as many real
    pictures of the training, evenly chosen: what a perfect translator reaches at these counts.
    """
    source = read_source(run)
    found = {}
    for data in direction_data(layout, source):
        names = [Path(row.name) for row in rows if row.direction == data.direction]
        found[data.direction] = _measure(run, data, source, names, features)
    return found


def _measure(
    run: Path,
    data: DirectionData,
    source: EvaluationSource,
    names: Sequence[Path],
    features: Features | None,
) -> Distribution:
    out, left_out = data.format_out, []
    sizes = [min(p.shape[:2]) for _, p in readable_images(data.reals, out)] if data.reals else []
    if data.reals is None or min(len(sizes), len(names)) < 2:
        few = (
            f"Figures of whole sets were left out ({data.direction}): they need 2 translations and 2 "
            f"real test images of the target domain; there are {len(names)} and {len(sizes)}."
        )
        return Distribution({}, {}, (few,))
    if features and out.channels not in (1, features.channels):
        left_out.append(
            f"Figures by {features.name} were left out ({data.direction}): it takes "
            f"{features.channels} channels, and the pictures have {out.channels}."
        )
        features = None
    finest = side_for(sizes)
    if not finest:
        left_out.append(
            f"The sliced Wasserstein distance was left out ({data.direction}): pictures "
            "are under 16 pixels."
        )
    sampled = partial(sample, pixel_format=out, net=features, side=finest)
    reals = sampled((picture for _, picture in readable_images(data.reals, out)), len(sizes))
    samples = {}
    for system in (OURS, BEST):
        if translation_path(run, data, names[0], system).is_file():
            written = (translation(run, data, name, system) for name in names)
            samples[system] = sampled(written, len(names))
    for system, make in baselines_of(data, source).items():
        samples[system] = sampled(map(make, map(data.read, names)), len(names))
    trained = list(some_images(data.trained, out, len(names)))
    if len(trained) > 1:
        samples[REAL] = sampled(trained, len(trained))
    protocol = {
        "outputs": f"{len(names)} translations of {data.test.folder.name}",
        "reals": f"{len(sizes)} images of {data.reals.folder.name}",
        **(features.protocol if features else {}),
    }
    if finest:
        protocol["sliced Wasserstein"] = (
            f"{PATCHES} patches 7x7 of a Laplacian pyramid from {finest} to 16 pixels (resized clean), "
            f"{LINES} lines, in standard deviations of the reals; the mean of its levels"
        )
    return Distribution(compare(samples, reals, features, out), protocol, tuple(left_out))


def compare(
    samples: dict[str, Sample], reals: Sample, features: Features | None, pixel_format: PixelFormat
) -> dict[str, dict[str, float]]:
    """Every figure of the ``samples`` against the ``reals``, by system and metric."""
    found: dict[str, dict[str, float]] = {system: {} for system in samples}
    known = reference(reals[1], pixel_format.channels)
    for system, (described, cut) in samples.items():
        if features:
            distance, discrepancy = features.distances
            pair = described, reals[0]
            found[system][distance] = frechet(*pair)
            found[system][discrepancy], found[system][f"{discrepancy}_se"] = kernel(*pair)
            found[system] |= manifold(*pair)
        if known:
            gaps = sliced(cut, known)
            found[system]["swd"] = fmean(gaps.values())
            found[system] |= {f"swd_{side}": gap for side, gap in gaps.items()}
    return found
