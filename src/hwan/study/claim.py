"""What a claim is: its sentence, its theory, its variants, what is measured, and its predictions.

Imports no torch, so that listing the claims is quick: a claim's ``measure`` imports what it needs.
The code of ``measure``, its docstring included, is part of the key under which a cell is found
again: whoever edits it measures that claim anew.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hwan.config import Config

if TYPE_CHECKING:
    import numpy as np

Relation = Literal[">", "<"]
Task = Literal["hills", "shapes", "stripes", "colours", "webtoon", "daynight"]


@dataclass(frozen=True)
class Scale:
    """How large the networks and how long the trainings of a study are."""

    name: Literal["small", "full"]
    size: int
    """Side of the training crops, pixels."""
    filters: int
    downs: int
    blocks: int
    stem: int
    discriminator_filters: int
    discriminator_layers: int
    images: int
    """Pairs seen in one training."""
    train: int
    test: int
    """Embedded pictures of each domain, for training and for the test."""
    lr: float


SMALL = Scale("small", 32, 16, 1, 2, 3, 16, 2, 400, 200, 24, 1e-3)
"""Minutes a claim on two CPU cores."""
FULL = Scale("full", 256, 64, 2, 9, 7, 64, 3, 80_000, 400, 40, 2e-4)
"""The paper's networks; hours a training on a GPU."""
SCALES = {"small": SMALL, "full": FULL}


@dataclass(frozen=True)
class Variant:
    """One of the things compared. ``config`` is the whole of it; ``about`` says what differs."""

    name: str
    about: str
    config: Config
    trained: bool = True
    """Trained before it is measured; otherwise the measurement builds what it needs."""
    probed: bool = False
    """Trained inside the measurement, which looks at every step (study/probe.py)."""
    task: Task = "hills"


@dataclass(frozen=True)
class Cell:
    """One variant under one seed: the argument of ``measure``. ``run`` is the finished run folder of a
    trained variant, ``data`` the data set as ``locate`` takes it; None where the variant needs none."""

    variant: Variant
    config: Config
    scale: Scale
    seed: int
    run: Path | None
    data: tuple[Path, ...] | None
    device: str = "cpu"


@dataclass(frozen=True, eq=False)
class Measurement:
    """The result of one cell: figures by name, curves of (x, y) points, and pictures (uint8) that make
    one row of the claim's grid."""

    values: Mapping[str, float]
    curves: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    pictures: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """What the results must be if the claim is true, stated before the run.

    The effect in each seed is ``figure`` of ``variant``, minus (with ``ratio``: divided by) that of
    ``than`` where one is named. The prediction says that it lies above or below ``bound``.
    """

    text: str
    figure: str
    variant: str
    relation: Relation
    bound: float
    than: str = ""
    ratio: bool = False

    def rule(self) -> str:
        """The prediction as a formula."""
        figure = f"({self.figure})" if " " in self.figure else self.figure
        left = f"{figure}[{self.variant}]"
        if self.than:
            left += f" {'/' if self.ratio else '−'} {figure}[{self.than}]"
        return f"{left} {self.relation} {self.bound:g}"


@dataclass(frozen=True)
class Claim:
    """A sentence of the note as an experiment whose predictions can fail."""

    name: str
    note: str
    """The note's own words."""
    english: str
    """Their translation."""
    hypothesis: str
    """The sentence that is tested."""
    formula: str
    source: str
    """Who says so."""
    variants: Callable[[Scale], tuple[Variant, ...]]
    measure: Callable[[Cell], Measurement]
    figures: Mapping[str, str]
    """What each figure is: its unit, and which value is best."""
    predictions: tuple[Prediction, ...]
    shows_not: str
    """What the experiment does not show."""
    plots: Mapping[str, tuple[str, str, bool]] = field(default_factory=dict)
    """(label of x, label of y, logarithmic) of each curve that the measurements hold."""
    remark: str = ""
    """What the results say against the note or the papers, once they are known."""
    version: int = 1
    """Raise it when a helper of ``measure`` changes the figures, so that old cells are not used."""

    @property
    def theory(self) -> str:
        """Why the hypothesis should hold: what the claim's file says below its title."""
        text = sys.modules[self.measure.__module__].__doc__ or ""
        return " ".join(text.partition("\n\n")[2].split())


def base(scale: Scale) -> Config:
    """The configuration of which the claims' variants change one thing: a CycleGAN at ``scale``."""
    return vary(
        Config(method="cyclegan"),
        data={"size": scale.size, "resize": scale.size},
        generator={
            "filters": scale.filters,
            "downs": scale.downs,
            "blocks": scale.blocks,
            "stem": scale.stem,
            "up": "nearest",
        },
        discriminator={
            "filters": scale.discriminator_filters,
            "layers": scale.discriminator_layers,
        },
        loss={"identity": 0.0},
        train={"epochs": scale.images / scale.train, "lr": scale.lr, "ticks": 2},
    )


def each_value(
    option: str, about: Mapping[str, str], trained: tuple[str, ...]
) -> Callable[[Scale], tuple[Variant, ...]]:
    """A variant for every value, by what it is ``about``, of one option of the generators; the others
    than ``trained`` are measured untrained only."""

    def variants(scale: Scale) -> tuple[Variant, ...]:
        configs = {value: vary(base(scale), generator={option: value}) for value in about}
        return tuple(Variant(v, about[v], config, v in trained) for v, config in configs.items())

    return variants


def vary(config: Config, **sections: Any) -> Config:
    """``config`` with some options changed: ``vary(config, loss={"identity": 0.5}, method="gan")``."""
    for name, value in sections.items():
        if isinstance(value, dict):
            sections[name] = replace(vars(config)[name], **value)
    return replace(config, **sections)
