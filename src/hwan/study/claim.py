"""What a claim is: its sentence, its theory, its variants, what is measured, and its predictions.

Imports no torch, so that listing the claims is quick: a claim's ``measure`` imports what it needs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
    judge_filters: int
    judge_layers: int
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
class Theory:
    """Why the claim should hold, and who says so."""

    text: str
    formula: str
    source: str


@dataclass(frozen=True)
class Variant:
    """One of the things compared. ``config`` is the whole of it; ``about`` says what differs."""

    name: str
    about: str
    config: Config
    trained: bool = True
    """Trained by hwan before it is measured; else the measurement builds what it needs."""
    probed: bool = False
    """Trained inside the measurement, by hwan's loop, to be looked at on the way (study/probe.py)."""
    task: Task = "hills"


@dataclass(frozen=True)
class Cell:
    """One variant under one seed: what ``measure`` is given. ``run`` is the finished run folder of a
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
    """What was measured of one cell: figures by name, curves of (x, y) points, and pictures (uint8)
    that make one row of the claim's grid."""

    values: Mapping[str, float]
    curves: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    pictures: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """What must come out if the claim is true, stated before the run.

    Of each seed the effect is ``figure`` of ``variant``, less (with ``ratio`` divided by) that of
    ``than`` where one is named. The claim says it lies above or below ``bound``.
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
    """A sentence of the note, made into something that can fail."""

    name: str
    note: str
    """The note's own words."""
    english: str
    hypothesis: str
    theory: Theory
    variants: Callable[[Scale], tuple[Variant, ...]]
    measure: Callable[[Cell], Measurement]
    figures: Mapping[str, str]
    """What each figure is, with its unit and which way is better."""
    predictions: tuple[Prediction, ...]
    shows_not: str
    """What the experiment does not show."""
    plots: Mapping[str, tuple[str, str, bool]] = field(default_factory=dict)
    """(label of x, label of y, logarithmic) of each curve the measurements hold, by its name before
    the first colon; a curve without one is not drawn."""
    remark: str = ""
    """What the results say against the note or the papers, once they are known."""
    version: int = 1
    """Raised when what is measured changes, so that old cells are not taken for new ones."""
    own_data: bool = True
    """Whether ``--data`` replaces the embedded pictures."""


def base(scale: Scale) -> Config:
    """The training every trained claim changes one thing of: a small CycleGAN at ``scale``."""
    from hwan.config import (
        DataConfig,
        DiscriminatorConfig,
        GeneratorConfig,
        LossConfig,
        TrainConfig,
    )

    return Config(
        method="cyclegan",
        data=DataConfig(size=scale.size, resize=scale.size),
        generator=GeneratorConfig(
            filters=scale.filters,
            downs=scale.downs,
            blocks=scale.blocks,
            stem=scale.stem,
            up="nearest",
        ),
        discriminator=DiscriminatorConfig(filters=scale.judge_filters, layers=scale.judge_layers),
        loss=LossConfig(identity=0.0),
        train=TrainConfig(epochs=scale.images / scale.train, lr=scale.lr, ticks=2),
    )


def vary(config: Config, **sections: Any) -> Config:
    """``config`` with some options changed: ``vary(config, loss={"identity": 0.5}, method="gan")``."""
    changes = {
        name: dataclasses.replace(getattr(config, name), **value)
        if isinstance(value, dict)
        else value
        for name, value in sections.items()
    }
    return dataclasses.replace(config, **changes)
