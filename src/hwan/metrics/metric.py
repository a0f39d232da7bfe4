"""What one metric is: its name for people, which end is better, what it needs, how it is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Measure = Callable[[Tensor, Tensor], Tensor]
"""Outputs and truths (B, C, H, W) in [-1, 1] → one value an image (B,)."""


@dataclass(frozen=True)
class Metric:
    """The record of one metric. ``hwan.metrics.records.METRICS`` lists all of them by name."""

    title: str
    better: Literal["high", "low"]
    decimals: int
    meaning: str = ""
    """What the value says and where it misleads, for the report; "" where the title says it."""
    measure: Measure | None = None
    """How it is computed from one output and its truth; None where it takes more than that (a whole
    set of images, weights that the user provides, label maps, the way back)."""
    needs_truth: bool = False
    least_size: int = 1
    """The least side of an image, pixels; smaller images are left out."""
    channels: tuple[int, ...] = ()
    """The numbers of channels it takes; () for any."""
    leading: bool = False
    """Whether the verdict compares hwan with the baselines by it."""
    chooses_best: bool = False
    """Whether ``train.best`` offers it."""

    def takes(self, side: int, channels: int) -> bool:
        """Whether images of this shorter ``side`` (pixels) and these ``channels`` have the metric."""
        return side >= self.least_size and (not self.channels or channels in self.channels)

    def gain(self, value: float) -> float:
        """``value`` with the sign under which more is better."""
        return value if self.better == "high" else -value

    def text(self, value: float) -> str:
        """``value`` to the metric's decimals."""
        return f"{value:.{self.decimals}f}"
