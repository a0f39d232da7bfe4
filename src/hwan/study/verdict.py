"""From measurements to a verdict, by one rule for every claim. Pure functions on numbers.

A prediction says that an effect lies above (or below) a bound. Of the effect in every seed the mean
and its interval are taken: mean ± t · sd / √n, with Student's t so that each end is passed with a
probability of 5 %. The prediction is

* seen, where the whole interval lies on the predicted side of the bound;
* contradicted, where the whole interval lies on the other side;
* open, where the interval holds the bound, or fewer than two seeds were measured.

The claim is

* supported, where every prediction is seen;
* conditional, where some are seen and others are not;
* refuted, where none is seen and one or more are contradicted;
* not seen at this scale, where all are open.

Ratios are compared by their logarithm. No correction is made for the number of predictions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hwan.study.claim import Prediction

Outcome = Literal["seen", "contradicted", "open"]
Word = Literal["supported", "conditional", "refuted", "not seen at this scale"]
Results = Mapping[str, Sequence[Mapping[str, float]]]
"""Of each variant the figures of every seed, in the seeds' order ({} where the training failed)."""

RULE = (
    "Each prediction is held against the mean effect over the seeds and its interval, mean ± t·sd/√n "
    "(Student's t, 5 % beyond each end): seen if the whole interval lies on the predicted side, "
    "contradicted if it lies on the other, open otherwise. All seen: supported. Some seen: conditional. "
    "None seen and some contradicted: refuted. All open: not seen at this scale."
)
# Student's t: 5 % lie above it, by degrees of freedom; between two rows the larger value is taken.
T95 = {
    1: 6.314, 2: 2.920, 3: 2.353, 4: 2.132, 5: 2.015, 6: 1.943, 7: 1.895, 8: 1.860, 9: 1.833,
    10: 1.812, 12: 1.782, 15: 1.753, 20: 1.725, 30: 1.697, 60: 1.671, 120: 1.658,
}  # fmt: skip


@dataclass(frozen=True)
class Check:
    """One prediction held against the measurements: the mean effect and its interval."""

    prediction: Prediction
    outcome: Outcome
    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Verdict:
    """The word, and what it rests on."""

    word: Word
    checks: tuple[Check, ...]

    @property
    def score(self) -> str:
        """How many predictions came out how."""
        outcomes = [check.outcome for check in self.checks]
        parts = [f"{outcomes.count('seen')} of {len(outcomes)} predictions seen"]
        parts += [f"{n} contradicted" for n in [outcomes.count("contradicted")] if n]
        return ", ".join(parts)


def judge(predictions: Sequence[Prediction], results: Results) -> Verdict:
    """The verdict on a claim by the rule above."""
    checks = tuple(check(prediction, results) for prediction in predictions)
    outcomes = {c.outcome for c in checks}
    word: Word
    if outcomes == {"seen"}:
        word = "supported"
    elif "seen" in outcomes:
        word = "conditional"
    elif "contradicted" in outcomes:
        word = "refuted"
    else:
        word = "not seen at this scale"
    return Verdict(word, checks)


def check(prediction: Prediction, results: Results) -> Check:
    """Hold one prediction against the measurements; seeds that lack a figure are left out."""
    found = effects(prediction, results)
    shown = [math.exp(e) for e in found] if prediction.ratio else found
    centre = _mean(found)
    mean = (math.exp(centre) if prediction.ratio else centre) if found else math.nan
    if len(found) < 2:
        return Check(prediction, "open", mean, math.nan, math.nan, len(shown))
    low, high = interval(found)
    bound = math.log(prediction.bound) if prediction.ratio else prediction.bound
    above, below = low > bound, high < bound
    outcome: Outcome = "open"
    if above or below:
        outcome = "seen" if above == (prediction.relation == ">") else "contradicted"
    if prediction.ratio:
        low, high = math.exp(low), math.exp(high)
    return Check(prediction, outcome, mean, low, high, len(found))


def effects(prediction: Prediction, results: Results) -> list[float]:
    """The effect in every seed that has it; of ratios the logarithm."""
    one = results[prediction.variant]
    other: Sequence[Mapping[str, float]] = (
        results[prediction.than] if prediction.than else [{}] * len(one)
    )
    found = []
    for mine, its in zip(one, other, strict=True):
        value = mine.get(prediction.figure, math.nan)
        base = its.get(prediction.figure, math.nan) if prediction.than else 0.0
        if prediction.ratio:
            base = base if prediction.than else 1.0
            effect = math.log(value / base) if value > 0 and base > 0 else math.nan
        else:
            effect = value - base
        if math.isfinite(effect):
            found.append(effect)
    return found


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean ± t · sd / √n of two or more values: 5 % beyond each end if they are normal."""
    n = len(values)
    half = quantile(n - 1) * deviation(values) / math.sqrt(n)
    return _mean(values) - half, _mean(values) + half


def quantile(freedom: int) -> float:
    """Student's t that 5 % lie above, never too small."""
    return T95[max(k for k in T95 if k <= freedom)]


def deviation(values: Sequence[float]) -> float:
    """The sample standard deviation; 0 of a single value."""
    mean, n = _mean(values), len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1)) if n > 1 else 0.0


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
