"""The outputs of a run as a set, against the real test images: FID, KID, precision and recall, density
and coverage, sliced Wasserstein, each also for the baselines and for real pictures of the training.

They are computed from the translations that ``evaluate`` has written, so from what is on the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
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

Sample = tuple[list[Tensor], Patches]
"""A set of pictures by its features (N, D) of each network, and its patches, {} where the pictures are too
small for them."""


def sample(
    images: Callable[[], Iterable[Pixels]],
    count: int,
    pixel_format: PixelFormat,
    networks: Sequence[Features],
    side: int,
) -> Sample:
    """The features and patches of the ``count`` images that ``images`` reads one by one, once more for each
    further network; none is kept. ``side``: the finest side of the patches' pyramid, pixels; 0 leaves
    patches out."""
    parts: list[Patches] = []
    probe = Features("", "", torch.nn.Identity(), side, pixel_format.channels)

    def cut() -> Iterator[Pixels]:
        for picture in images():
            if side:
                parts.append(patches(probe.square(picture, pixel_format), len(parts), count))
            yield picture

    read = cut()
    features = [net.of(images() if i else read, pixel_format) for i, net in enumerate(networks)]
    for _ in read:  # without a network nothing has read them yet
        pass
    return features, join(parts) if parts else {}


def distributions(
    run: Path,
    layout: Layout,
    rows: Sequence[ImageRow],
    networks: Sequence[Features] = (),
    recognise: tuple[str, int] | None = None,
) -> dict[str, Distribution]:
    """The figures of every direction of ``run``, whose translations ``evaluate`` has written.

    Those by features are of each of ``networks``, precision to coverage of the first; without any, the
    sliced Wasserstein distance alone. ``recognise``: a name and its number among ImageNet's classes, for
    networks that classify. ``real, trained on`` is as many real
    pictures of the training, evenly chosen: what a perfect translator reaches at these counts.
    """
    source = read_source(run)
    found = {}
    for data in direction_data(layout, source):
        names = [Path(row.name) for row in rows if row.direction == data.direction]
        found[data.direction] = _measure(run, data, source, names, networks, recognise)
    return found


def _measure(
    run: Path,
    data: DirectionData,
    source: EvaluationSource,
    names: Sequence[Path],
    networks: Sequence[Features],
    recognise: tuple[str, int] | None,
) -> Distribution:
    out, left_out = data.format_out, []
    sizes = [min(p.shape[:2]) for _, p in readable_images(data.reals, out)] if data.reals else []
    if data.reals is None or min(len(sizes), len(names)) < 2:
        few = (
            f"Figures of whole sets were left out ({data.direction}): they need 2 translations and 2 "
            f"real test images of the target domain; there are {len(names)} and {len(sizes)}."
        )
        return Distribution({}, {}, (few,))
    fitting = [net for net in networks if out.channels in (1, net.channels)]
    left_out += [
        f"Figures by {net.name} were left out ({data.direction}): it takes {net.channels} channels, and "
        f"the pictures have {out.channels}."
        for net in networks
        if net not in fitting
    ]
    finest = side_for(sizes)
    if not finest:
        left_out.append(
            f"The sliced Wasserstein distance was left out ({data.direction}): pictures "
            "are under 16 pixels."
        )
    sampled = partial(sample, pixel_format=out, networks=fitting, side=finest)
    test = data.reals
    reals = sampled(lambda: (image for _, image in readable_images(test, out)), len(sizes))
    samples = {}
    for system in (OURS, BEST):
        if translation_path(run, data, names[0], system).is_file():
            written = partial(translation, run, data, system=system)
            samples[system] = sampled(partial(map, written, names), len(names))
    for system, make in baselines_of(data, source).items():
        made = partial(_baseline, data, make)
        samples[system] = sampled(partial(map, made, names), len(names))
    trained = list(some_images(data.trained, out, len(names)))
    if len(trained) > 1:
        samples[REAL] = sampled(lambda: trained, len(trained))
    protocol = {
        "outputs": f"{len(names)} translations of {data.test.folder.name}",
        "reals": f"{len(sizes)} images of {test.folder.name}",
    }
    for number, net in enumerate(fitting):
        protocol |= {key + " (beside)" * number: text for key, text in net.protocol.items()}
    if recognise and (shares := recognised(reals, fitting, recognise[1])):
        share = f"{shares['recognised']:.1%} of the reals are recognised"
        protocol[f"recognised as {recognise[0]}"] = f"ImageNet's class {recognise[1]}; {share}"
    if finest:
        protocol["sliced Wasserstein"] = (
            f"{PATCHES} patches 7x7 of a Laplacian pyramid from {finest} to 16 pixels (resized clean), "
            f"{LINES} lines, in standard deviations of the reals; the mean of its levels"
        )
    figures = compare(samples, reals, fitting, out)
    for system, figure in figures.items():
        figure |= recognised(samples[system], fitting, recognise[1]) if recognise else {}
    return Distribution(figures, protocol, tuple(left_out))


def _baseline(data: DirectionData, make: Callable[[Pixels], Pixels], name: Path) -> Pixels:
    return make(data.read(name))


def recognised(described: Sample, networks: Sequence[Features], number: int) -> dict[str, float]:
    """The share of pictures that the first network which classifies puts into ImageNet's class
    ``number``, as ``recognised``; {} without such a network."""
    for features, net in zip(described[0], networks, strict=True):
        if net.classify:
            return {"recognised": float((net.classify(features) == number).double().mean())}
    return {}


def compare(
    samples: dict[str, Sample],
    reals: Sample,
    networks: Sequence[Features],
    pixel_format: PixelFormat,
) -> dict[str, dict[str, float]]:
    """Every figure of the ``samples`` against the ``reals``, by system and metric."""
    found: dict[str, dict[str, float]] = {system: {} for system in samples}
    known = reference(reals[1], pixel_format.channels)
    for system, (described, cut) in samples.items():
        for number, network in enumerate(networks):
            distance, discrepancy = network.distances
            pair = described[number], reals[0][number]
            found[system][distance] = frechet(*pair)
            found[system][discrepancy], found[system][f"{discrepancy}_se"] = kernel(*pair)
            found[system] |= manifold(*pair) if number == 0 else {}
        if known:
            gaps = sliced(cut, known)
            found[system]["swd"] = fmean(gaps.values())
            found[system] |= {f"swd_{side}": gap for side, gap in gaps.items()}
    return found
