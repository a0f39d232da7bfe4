"""From measurements to a verdict, by one rule for every claim. Pure functions on numbers.

A prediction says that an effect lies above (or below) a bound. The effect is computed in every seed;
its interval over the seeds is mean ± t · sd / √n, with Student's t such that the true mean lies beyond
each end with a probability of 5 %. The prediction is

* seen, if the whole interval lies on the predicted side of the bound;
* contradicted, if the whole interval lies on the other side;
* open, if the interval contains the bound, or fewer than two seeds were measured.

The claim is

* supported, if every prediction is seen;
* conditional, if some are seen and others are not;
* refuted, if none is seen and one or more are contradicted;
* not seen at this scale, if all are open.

Ratios are compared by their logarithm. No correction is made for the number of predictions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from hwan.study.claim import Prediction

Outcome = Literal["seen", "contradicted", "open"]
Word = Literal["supported", "conditional", "refuted", "not seen at this scale"]
Results = Mapping[str, Sequence[Mapping[str, float]]]
"""The figures of every seed by variant, in the seeds' order ({} where the training failed)."""

RULE = (
    "Each prediction is compared with the mean effect over the seeds and its interval, mean ± t·sd/√n "
    "(Student's t, 5 % beyond each end). It is seen if the whole interval lies on the predicted side, "
    "contradicted if it lies on the other side, and open otherwise. A claim is supported if all its "
    "predictions are seen, conditional if some are, refuted if none is seen and some are contradicted, "
    "and not seen at this scale if all are open."
)
# Student's t: 5 % lie above it, by degrees of freedom; between two rows the larger value is used.
T95 = {
    1: 6.314, 2: 2.920, 3: 2.353, 4: 2.132, 5: 2.015, 6: 1.943, 7: 1.895, 8: 1.860, 9: 1.833,
    10: 1.812, 12: 1.782, 15: 1.753, 20: 1.725, 30: 1.697, 60: 1.671, 120: 1.658,
}  # fmt: skip


@dataclass(frozen=True)
class Check:
    """One prediction compared with the measurements: the mean effect and its interval over ``n`` seeds."""

    prediction: Prediction
    outcome: Outcome
    mean: float
    low: float
    high: float
    n: int

    @property
    def effect(self) -> str:
        """The mean effect as text."""
        return short(self.mean)

    @property
    def interval(self) -> str:
        """Its interval as text."""
        return "—" if math.isnan(self.low) else f"{short(self.low)} to {short(self.high)}"


@dataclass(frozen=True)
class Verdict:
    """The word, and the checks from which it follows."""

    word: Word
    checks: tuple[Check, ...]

    @property
    def score(self) -> str:
        """How many predictions were seen, and how many contradicted."""
        outcomes = [check.outcome for check in self.checks]
        seen, contradicted = outcomes.count("seen"), outcomes.count("contradicted")
        text = f"{seen} of {len(outcomes)} predictions seen"
        return f"{text}, {contradicted} contradicted" if contradicted else text


def verdict_on(predictions: Sequence[Prediction], results: Results) -> Verdict:
    """The verdict on a claim by the rule above."""
    checks = tuple(check(prediction, results) for prediction in predictions)
    outcomes = {c.outcome for c in checks}
    word: Word
    if "seen" in outcomes:
        word = "supported" if outcomes == {"seen"} else "conditional"
    else:
        word = "refuted" if "contradicted" in outcomes else "not seen at this scale"
    return Verdict(word, checks)


def check(prediction: Prediction, results: Results) -> Check:
    """Compare one prediction with the measurements; seeds that lack a figure are left out."""
    found = effects(prediction, results)
    scale = math.exp if prediction.ratio else float
    mean = scale(fmean(found)) if found else math.nan
    if len(found) < 2:
        return Check(prediction, "open", mean, math.nan, math.nan, len(found))
    low, high = interval(found)
    bound = math.log(prediction.bound) if prediction.ratio else prediction.bound
    outcome: Outcome = "open"
    if low > bound or high < bound:
        outcome = "seen" if (low > bound) == (prediction.relation == ">") else "contradicted"
    return Check(prediction, outcome, mean, scale(low), scale(high), len(found))


def effects(prediction: Prediction, results: Results) -> list[float]:
    """The effect in every seed that has it; of a ratio, its logarithm."""
    figure, ratio = prediction.figure, prediction.ratio
    neutral = 1.0 if ratio else 0.0
    found = []
    for seed, own in enumerate(results[prediction.variant]):
        value = own.get(figure, math.nan)
        base = results[prediction.than][seed].get(figure, math.nan) if prediction.than else neutral
        if not ratio:
            found.append(value - base)
        elif value > 0 and base > 0:
            found.append(math.log(value / base))
    return [effect for effect in found if math.isfinite(effect)]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean ± t · sd / √n of two or more values: 5 % lie beyond each end if they are normal."""
    n = len(values)
    half = quantile(n - 1) * deviation(values) / math.sqrt(n)
    return fmean(values) - half, fmean(values) + half


def quantile(freedom: int) -> float:
    """The Student's t above which 5 % lie, never too small."""
    return T95[max(k for k in T95 if k <= freedom)]


def deviation(values: Sequence[float]) -> float:
    """The sample standard deviation; 0 of a single value."""
    mean, n = fmean(values), len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1)) if n > 1 else 0.0


def short(value: float) -> str:
    """A number as a table shows it: three digits, or all before the point up to a million."""
    if math.isnan(value):
        return "—"
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
