"""The outputs of a run as a set, against the real test images: FID, KID, precision and recall, density
and coverage, sliced Wasserstein, each also for the baselines and for real pictures of the training.

Read from the translations that ``evaluate`` has written, so what is measured is what is on the disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hwan import config as configs
from hwan.config import Config, DataConfig, Kind
from hwan.data.cache import open_cache
from hwan.data.folders import Layout, Source, list_images
from hwan.errors import UsageError
from hwan.evaluate import Measure, Side, readings, rivals, sides, translation
from hwan.image import Pixels, decode, to_unit
from hwan.metrics.baselines import with_channels
from hwan.metrics.distribution import frechet, kernel, manifold
from hwan.metrics.features import (
    ALEXNET,
    BATCH,
    INCEPTION,
    Features,
    Resizing,
    clean_resize,
    find,
    load_inception,
    where_to_put,
)
from hwan.metrics.labels import NAMED, find_palette, flat_colours, read_palette, share_named
from hwan.metrics.perceptual import load_lpips
from hwan.metrics.selfnet import SIDE, self_features, train_selfnet
from hwan.metrics.sliced import LINES, PATCHES, Patches, join, patches, reference, side_for, sliced
from hwan.results import BEST, OURS, REAL, Distribution, Row, mean

PICTURES = 1000  # of each domain that the network of hwan's own learns from
MAPS = 100  # training pictures whose colours are counted


def pick_features(
    wanted: str, layout: Layout, config: Config, resizing: Resizing = "clean", device: str = "cpu"
) -> tuple[Features | None, str]:
    """The feature network for ``--features``, and a sentence on what is left out without one.

    ``auto``: Inception where its weights are found; ``none``; ``self``: a network trained on the
    data; else a weight file. Raises ``UsageError`` for a file that is none.
    """
    if wanted == "self":
        return _self(layout, config.data), ""
    if wanted == "none":
        return (
            None,
            "FID, KID, precision, recall, density and coverage were left out: --features none.",
        )
    path = find(INCEPTION) if wanted == "auto" else Path(wanted)
    if path is None:
        return None, (
            "FID, KID, precision, recall, density and coverage were left out: no Inception weights "
            f"were found. To have them {where_to_put(INCEPTION)}, or give --features FILE; --features "
            "self trains a small substitute on the data, which is no FID."
        )
    return load_inception(path, resizing, device), ""


@lru_cache(maxsize=2)
def _self(layout: Layout, data: DataConfig) -> Features:
    kind = data.kind_b
    squares = []
    for source, own in ((layout.train_a, data.kind_a), (layout.train_b, kind)):
        cache = open_cache(source, data, own)
        some = min(PICTURES, len(cache))
        chosen = (cache[i * len(cache) // some] for i in range(some))
        # A of other channels is shown as B's baselines show it.
        shown = (with_channels(p, kind.channels) for p in chosen)
        probe = Features("", "", torch.nn.Identity(), SIDE, kind.channels)
        depth = Kind(kind.channels, own.depth, own.range)
        squares.append(torch.stack([probe.square(p, depth) for p in shown]))
    net, _ = train_selfnet(squares[0], squares[1])
    return self_features(net, kind.channels)


def find_lpips(wanted: str, device: str = "cpu") -> tuple[Measure | None, str, str]:
    """LPIPS for ``--lpips`` (auto, none or a file), the hash of its weights, and a sentence without it."""
    if wanted == "none":
        return None, "", "LPIPS was left out: --lpips none."
    path = find(ALEXNET) if wanted == "auto" else Path(wanted)
    if path is None:
        return (
            None,
            "",
            (
                "LPIPS was left out: no AlexNet weights were found. To have it "
                f"{where_to_put(ALEXNET)}, or give --lpips FILE."
            ),
        )
    return *load_lpips(path, device), ""


def find_palettes(wanted: str, layout: Layout, config: Config) -> dict[str, np.ndarray]:
    """The class colours of each direction whose target domain is label maps, for ``--labels``: auto
    (their own colours, where training pictures look like label maps), none, or a file.

    Raises ``UsageError`` for a file that is no palette, or one that no domain has the colours of.
    """
    if wanted == "none":
        return {}
    given = None if wanted == "auto" else read_palette(Path(wanted))
    found, named = {}, []
    for side in sides(layout, config):
        files = list_images(side.trained.folder)
        maps = _readable(side.trained, files[:: max(1, len(files) // MAPS)], side.kind_out)
        try:
            if given is None:
                found[side.direction] = find_palette(maps)
            else:
                named.append(share_named(*flat_colours(maps), given))
                if named[-1] >= NAMED:
                    found[side.direction] = given
        except UsageError:
            continue
    if given is not None and not found:
        raise UsageError(
            f"--labels has the colours of {NAMED:.0%} of the flat pixels of a target domain",
            f"{max(named, default=0):.0%} by {wanted}",
            "add the missing colours, or leave --labels out",
        )
    return found


class Sample:
    """A set of pictures as it comes: its features and its patches, not the pictures."""

    def __init__(self, count: int, kind: Kind, features: Features | None, side: int) -> None:
        self.count, self.kind, self.network, self.side = count, kind, features, side
        self.waiting: list[Pixels] = []
        self.vectors: list[Tensor] = []
        self.parts: list[Patches] = []
        self.last: tuple[Pixels, Tensor] | None = None

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
    run: Path, layout: Layout, rows: Sequence[Row], features: Features | None
) -> dict[str, Distribution]:
    """The figures of every direction of ``run``, whose translations ``evaluate`` has written.

    Without ``features`` the sliced Wasserstein distance alone. ``real, trained on`` is as many real
    pictures of the training, evenly chosen: what a perfect translator reaches at these counts.
    """
    config = configs.load(run / "config.json")
    found = {}
    for side in sides(layout, config):
        names = [Path(row.name) for row in rows if row.direction == side.direction]
        found[side.direction] = _measure(run, side, config, names, features)
    return found


def _measure(
    run: Path, side: Side, config: Config, names: Sequence[Path], features: Features | None
) -> Distribution:
    kind, left_out = side.kind_out, []
    real_sizes = [min(p.shape[:2]) for _, p in readings(side.reals, kind)] if side.reals else []
    if side.reals is None or min(len(real_sizes), len(names)) < 2:
        return Distribution({}, {}, (
            f"Figures of whole sets were left out ({side.direction}): they need 2 translations and 2 "
            f"real test images of the target domain; there are {len(names)} and {len(real_sizes)}.",
        ))  # fmt: skip
    if features and kind.channels not in (1, features.channels):
        left_out.append(
            f"Figures by {features.name} were left out ({side.direction}): it takes "
            f"{features.channels} channels, and the pictures have {kind.channels}."
        )
        features = None
    finest = side_for(real_sizes)
    if not finest:
        left_out.append(f"The sliced Wasserstein distance was left out ({side.direction}): pictures "
                        "are under 16 pixels.")  # fmt: skip
    reals = Sample(len(real_sizes), kind, features, finest)
    for _, picture in readings(side.reals, kind):
        reals.add(picture)
    samples: dict[str, Sample] = {}
    for pictures in _pictures(run, side, config, names):
        for system, picture in pictures.items():
            samples.setdefault(system, Sample(len(names), kind, features, finest)).add(picture)
    trained = list_images(side.trained.folder)
    some = min(len(names), len(trained))
    chosen = [trained[i * len(trained) // some] for i in range(some)]
    real = Sample(
        len(readable := list(_readable(side.trained, chosen, kind))), kind, features, finest
    )
    for picture in readable:
        real.add(picture)
    if len(readable) > 1:
        samples[REAL] = real
    figures = _compare(samples, reals, features, kind)
    protocol = {
        "outputs": f"{len(names)} translations of {side.test.folder.name}",
        "reals": f"{len(real_sizes)} images of {side.reals.folder.name}",
        **(features.protocol if features else {}),
    }
    if finest:
        protocol["sliced Wasserstein"] = (
            f"{PATCHES} patches 7x7 of a Laplacian pyramid from {finest} to 16 pixels (resized clean), "
            f"{LINES} lines, in standard deviations of the reals; the mean of its levels"
        )
    return Distribution(figures, protocol, tuple(left_out))


def _readable(source: Source, files: Sequence[Path], kind: Kind) -> Iterator[Pixels]:
    for file in files:
        try:
            yield source.read(file, kind).pixels
        except UsageError:
            continue


def _pictures(
    run: Path, side: Side, config: Config, names: Sequence[Path]
) -> Iterator[dict[str, Pixels]]:
    """Of every test image what each system makes of it."""
    for name in names:
        found = {
            system: decode(file, side.kind_out).pixels
            for system in (OURS, BEST)
            if (file := translation(run, side, name, system)).is_file()
        }
        source = side.test.read(side.test.folder / name, side.kind_in).pixels
        shape = (*source.shape[:2], side.kind_out.channels)
        yield {**found, **rivals(source, side, config, shape)}


def _compare(
    samples: Mapping[str, Sample], reals: Sample, features: Features | None, kind: Kind
) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {system: {} for system in samples}
    if features:
        distance, discrepancy = (
            ("fid", "kid") if features.inception else ("frechet_self", "mmd_self")
        )
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
        known = reference(reals.patches, kind.channels)
        for system, sample in samples.items():
            gaps = sliced(sample.patches, known)
            found[system] |= {
                "swd": mean(list(gaps.values())),
                **{f"swd_{side}": gap for side, gap in gaps.items()},
            }
    return found
