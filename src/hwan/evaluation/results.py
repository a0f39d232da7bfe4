"""What a test found: rows of single images, one summary a direction, words on both, and the files.

``results.json`` holds one object a direction ("ab", "ba"), the fields of ``Summary`` by their names;
``results.csv`` its figures as lines; ``images.csv`` a line per image, system and figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import numpy as np
import torch

from hwan.files import write_csv, write_json
from hwan.imaging.pixels import Pixels, to_tensor
from hwan.metrics.health import diversity
from hwan.metrics.labels import label_figures
from hwan.metrics.masks import with_ratio
from hwan.metrics.records import METRICS, leading_metrics

OURS = "hwan"
BEST = "hwan, best checkpoint"
HINTED = "hwan, 10 hints of the truth"
"""A generator that takes colour hints, given the truth's at ``HINTS`` places."""
HINTS = 10
REAL = "real, trained on"
"""Real pictures of the training, in the tables of distributions: what a perfect translator reaches."""
CHOICE = "best checkpoint"
"""In a protocol: how it was chosen."""
WORDS = {"ab": "A to B", "ba": "B to A"}


@dataclass(frozen=True)
class ImageRow:
    """One test image. ``figures[system][metric]`` is empty where no truth is known; so is
    ``confusion[system]``, of label maps: pixels of true class i taken as j at (i, j). ``images_seen``:
    the state of the generator, in images seen in training. ``changed[system]``: how much was changed inside
    the image's mask and outside; empty without a mask."""

    direction: str
    name: str
    figures: Mapping[str, Mapping[str, float]]
    cycle_l1: float
    source_small: Pixels
    output_small: Pixels
    confusion: Mapping[str, np.ndarray] = field(default_factory=dict)
    images_seen: int = 0
    changed: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Distribution:
    """One direction's outputs as a set, against the real test images of the target domain:
    ``figures[system][metric]``; ``protocol`` says how they were taken, ``left_out`` what was not and why."""

    figures: dict[str, dict[str, float]]
    protocol: dict[str, str]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Summary:
    """One direction. ``systems``: means over its images of the figures that need the truth (of label
    maps: of all pixels together), by system and metric. ``beaten`` says whether hwan's SSIM is above
    every baseline's; None where no truth is known. ``distribution``: the figures of whole sets, by
    system and metric, taken as ``protocol`` says. ``left_out``: sentences on what was not measured.
    ``words``: sentences on whether hwan beats the baselines. ``health``: the figures of
    ``hwan.metrics.health_limits`` for this direction. ``images_seen``: how many images the generator
    had seen in training when it was tested (of the best generator ``protocol`` says it). ``changed``: means
    of what was changed inside the masks and outside, over the images that have one, by system and metric."""

    images: int
    systems: dict[str, dict[str, float]]
    cycle_l1: float
    diversity: float
    beaten: bool | None
    distribution: dict[str, dict[str, float]] = field(default_factory=dict)
    protocol: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    health: dict[str, float] = field(default_factory=dict)
    images_seen: int = 0
    changed: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def alone(self) -> dict[str, float]:
        """The figures of hwan that need neither a truth nor a baseline."""
        return {"cycle_l1": self.cycle_l1, "diversity": self.diversity}


def summarise(
    rows: Sequence[ImageRow],
    reals: Sequence[Pixels] = (),
    distributions: Mapping[str, Distribution] | None = None,
    left_out: Sequence[str] = (),
    protocol: Mapping[str, str] | None = None,
    health: Mapping[str, float] | None = None,
) -> dict[str, Summary]:
    """Means by direction; ``left_out`` and ``protocol`` are of all of them.

    Diversity is set against the real test images of the target domain: what the way back was tested
    on, or (one-way methods) ``reals``, as ``real_thumbs`` reads them.
    """
    found = {}
    for direction in dict.fromkeys(row.direction for row in rows):
        here = [row for row in rows if row.direction == direction]
        back = [row.source_small for row in rows if row.direction == direction[::-1]]
        systems = _systems([row for row in here if row.figures])
        ssim = {name: figures["ssim"] for name, figures in systems.items()}
        sets = (distributions or {}).get(direction, Distribution({}, {}))
        found[direction] = Summary(
            len(here),
            systems,
            fmean(row.cycle_l1 for row in here),
            _diversity([row.output_small for row in here], back or reals),
            all(ssim[OURS] > ssim[k] for k in baselines(ssim)) if ssim else None,
            sets.figures,
            {**sets.protocol, **(protocol or {})},
            (*left_out, *sets.left_out),
            _words(direction, systems) + _words(direction, sets.figures),
            {k: v for k, v in (health or {}).items() if k.endswith(f"_{direction}")},
            here[0].images_seen,
            {k: with_ratio(m) for k, m in _means([r.changed for r in here if r.changed]).items()},
        )
    return found


def baselines(systems: Mapping[str, object]) -> list[str]:
    """The systems that any translator must beat."""
    return [name for name in systems if name not in (OURS, BEST, HINTED, REAL)]


def _systems(known: Sequence[ImageRow]) -> dict[str, dict[str, float]]:
    found = _means([row.figures for row in known])
    for system in found if known and known[0].confusion else ():
        found[system] |= label_figures(np.sum([row.confusion[system] for row in known], axis=0))
    return found


def _means(rows: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """The mean of each figure of each system over ``rows``."""
    found = {}
    for system in rows[0] if rows else ():
        figures = [row[system] for row in rows]
        names = dict.fromkeys(name for figure in figures for name in figure)
        found[system] = {k: mean_known([f.get(k, math.nan) for f in figures]) for k in names}
    return found


def contests(systems: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str, str, bool]]:
    """For each leading metric that hwan and a baseline have, and for hwan and its best generator: the
    metric, the system, the best baseline by that metric, and whether the system beats it."""
    found = []
    for name in leading_metrics():
        known = {k: s[name] for k, s in systems.items() if not math.isnan(s.get(name, math.nan))}
        gains = {system: METRICS[name].gain(value) for system, value in known.items()}
        if OURS in gains and (others := baselines(gains)):
            best = max(others, key=gains.__getitem__)
            found += [(name, k, best, gains[k] > gains[best]) for k in (OURS, BEST) if k in gains]
    return found


def _words(direction: str, systems: Mapping[str, Mapping[str, float]]) -> tuple[str, ...]:
    return tuple(
        f"{WORDS[direction]}: {system}'s {METRICS[name].title} {shown(name, systems[system][name])} "
        f"{'beats' if wins else 'does not beat'} the best baseline, {best} "
        f"({shown(name, systems[best][name])})."
        for name, system, best, wins in contests(systems)
    )


def _diversity(outputs: Sequence[Pixels], reals: Sequence[Pixels]) -> float:
    if min(len(outputs), len(reals)) < 2 or outputs[0].shape != reals[0].shape:
        return math.nan
    return diversity(*(to_tensor(torch.from_numpy(np.stack(x))) for x in (outputs, reals)))


def mean_known(values: Iterable[float]) -> float:
    """The mean of those that are not nan; nan of none."""
    known = [value for value in values if not math.isnan(value)]
    return fmean(known) if known else math.nan


def write_results(rows: Sequence[ImageRow], summaries: Mapping[str, Summary], folder: Path) -> None:
    """``results.json``: the summaries; ``results.csv``: their figures, a line per direction, system and
    metric; ``images.csv``: a line per image, system and metric.

    JSON has no nan and no infinity (the PSNR of equal pictures): both become null there.
    """
    write_json(folder / "results.json", {d: vars(s) for d, s in summaries.items()})
    lines = [[direction, *line] for direction in summaries for line in flat(summaries[direction])]
    write_csv(folder / "results.csv", [["direction", "system", "metric", "value"], *lines])
    images = [
        (row.direction, row.name, system, *figure)
        for row in rows
        for system, figures in (
            (OURS, {"cycle_l1": row.cycle_l1}),
            *row.figures.items(),
            *row.changed.items(),
        )
        for figure in figures.items()
    ]
    write_csv(folder / "images.csv", [("direction", "name", "system", "metric", "value"), *images])


def columns(systems: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The figures that any system has, in the order of ``METRICS``; all-nan ones left out."""
    there = {m for figures in systems.values() for m, v in figures.items() if not math.isnan(v)}
    return [name for name in METRICS if name in there]


def shown(metric: str, value: float) -> str:
    """A figure as text; "-" where it has no record or is unknown."""
    return METRICS[metric].text(value) if metric in METRICS and not math.isnan(value) else "-"


def flat(summary: Summary) -> list[tuple[str, str, float]]:
    """Every figure of a summary as (system, metric, value)."""
    return [
        (system, metric, value)
        for systems in (
            summary.systems,
            summary.changed,
            summary.distribution,
            {OURS: summary.alone},
        )
        for system, figures in systems.items()
        for metric, value in figures.items()
    ]
