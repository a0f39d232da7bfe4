"""What the health figures mean: from which value on something is wrong, and what to do then.

A figure is named by its limit and its place: ``diversity_ab``. The limits were calibrated on healthy
trainings and planted failures (docs/log.md, "Health"; `python -m bench.health`). Imports nothing
heavy: the progress line and the report read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isnan
from typing import Literal

Light = Literal["good", "watch", "bad", "unknown"]
Range = tuple[float, float]


@dataclass(frozen=True)
class HealthLimit:
    """One health figure: fine within ``good``, to be watched within ``limits``, bad outside of them."""

    title: str
    limits: Range
    good: Range
    wrong: str
    """What is wrong where it is bad, in a few words."""
    advice: str
    """What to do then."""
    meaning: str
    """What the figure says, and what a healthy one is."""

    def light(self, value: float) -> Light:
        """Traffic light of a value; nan is unknown."""
        if isnan(value):
            return "unknown"
        if self.good[0] <= value <= self.good[1]:
            return "good"
        return "watch" if self.limits[0] <= value <= self.limits[1] else "bad"


def _hidden(title: str, read: str, meaning: str) -> HealthLimit:
    wrong = f"the way back reads what {read}: steganography"
    advice = (
        "lower --loss.cycle_a and --loss.cycle_b or raise --loss.identity, and compare by the pictures "
        "and not by the cycle error: the way back is not one from a file"
    )
    return HealthLimit(title, (0.0, 1.5), (0.0, 1.2), wrong, advice, meaning)


HEALTH_LIMITS: dict[str, HealthLimit] = {
    "diversity": HealthLimit(
        "Diversity", (0.15, inf), (0.4, inf),
        "outputs hardly differ from one another: mode collapse",
        "lower --train.lr, raise the cycle weights or --loss.identity, or start again with another "
        "--train.seed",
        "How much outputs differ from one another, over how much real pictures of that domain do. "
        "About 1 is healthy; 0 is one picture for every input.",
    ),
    "modes": HealthLimit(
        "Own outputs", (0.5, inf), (0.75, inf),
        "many inputs share a few outputs: mode collapse",
        "lower --train.lr, raise the cycle weights, or add --loss.diffaugment colour translation "
        "cutout where the data set is small",
        "The share of different inputs that get an output of their own. 1 is healthy; a few fixed "
        "pictures, however varied, are near 0.",
    ),
    "dependence": HealthLimit(
        "Input dependence", (0.4, inf), (0.6, inf), "outputs do not follow their inputs",
        "raise what ties an output to its input: --loss.cycle_a and --loss.cycle_b, of cut "
        "--loss.nce, of pairs --loss.l1",
        "How surely an output is traced back to its own input among the others, by where things are. "
        "1 is healthy; around 0, outputs could be anybody's. Label maps and their photographs, "
        "which look little alike, reach about 0.9.",
    ),
    "inversion": HealthLimit(
        "Brightness kept", (-0.4, inf), (0.0, inf),
        "outputs are negatives: bright and dark are swapped",
        "raise --loss.identity (to 1), or start again with another --train.seed. The way back "
        "inverts again, so the cycle error does not tell. Where B is meant to be A's negative, all "
        "is well",
        "The correlation of an output's brightness with its input's. Near 1: bright stays bright; "
        "-1: a negative.",
    ),
    "hidden_8bit": _hidden(
        "Hidden below 8 bits", "8 bits do not hold",
        "Error there and back with the fake rounded to 8 bits, over the error with it untouched "
        "plus the rounding itself. About 1 or less is healthy; more says that the cycle is closed "
        "by a message that no eye sees.",
    ),
    "hidden_jpeg": _hidden(
        "Hidden from JPEG", "JPEG removes", "The same with the fake saved as JPEG of quality 75.",
    ),
    "hidden_noise": _hidden(
        "Hidden under noise", "faint noise covers",
        "The same with noise of two levels of 8 bits on the fake.",
    ),
    "saturation": HealthLimit(
        "Discriminator's certainty", (0.0, 0.97), (0.0, 0.9),
        "the discriminator is hardly ever wrong, so the generator learns little from it",
        "weaken it: --discriminator.layers 2, fewer --discriminator.filters or --loss.r1 1; on a "
        "small data set --loss.diffaugment colour translation cutout",
        "One minus the discriminator's loss over the loss of one that cannot tell real from "
        "generated. 0 ends a perfect game; 1 is a discriminator that is never wrong.",
    ),
    "gradient": HealthLimit(
        "Gradient", (1e-4, 1e4), (1e-3, 1e3), "the gradient has vanished, or explodes",
        "exploding: lower --train.lr or give --generator.norm instance; vanished: look at the "
        "losses, and try --loss.gan lsgan or another --train.seed",
        "The L2 norm of one step's gradient over all weights. Its size depends on the networks: "
        "only orders of magnitude speak.",
    ),
}  # fmt: skip

PLACES = {
    "ab": "A to B", "ba": "B to A", "a": "discriminator of A", "b": "discriminator of B",
    "generators": "generators", "discriminators": "discriminators",
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One health figure with what it means."""

    figure: str
    value: float
    place: str
    limit: HealthLimit

    @property
    def light(self) -> Light:
        return self.limit.light(self.value)

    def __str__(self) -> str:
        place, title = self.place[0].upper() + self.place[1:], self.limit.title.lower()
        return f"{place}: {self.limit.wrong} ({title} {self.value:.3g}). What to do: {self.limit.advice}."


def findings(health: Mapping[str, float]) -> list[Finding]:
    """What the figures of ``health`` mean, in the order of ``HEALTH_LIMITS``; those without a limit are
    left out."""
    return [
        Finding(figure, health[figure], words, limit)
        for name, limit in HEALTH_LIMITS.items()
        for place, words in PLACES.items()
        if (figure := f"{name}_{place}") in health
    ]


def warnings(health: Mapping[str, float]) -> list[Finding]:
    """The figures of ``health`` that are bad."""
    return [finding for finding in findings(health) if finding.light == "bad"]
