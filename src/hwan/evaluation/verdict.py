"""What the report says: the verdict, and what each figure means, in a sentence or two."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from hwan.evaluation.results import FIGURES, LEADING, OURS, WORDS, Summary, baselines
from hwan.metrics.health_limits import Finding

Verdict = Literal["good", "mixed", "bad", "none"]

MEANINGS = {
    "ssim": "Likeness of structure to the true picture: local means, contrasts and patterns (Wang et "
    "al. 2004). 1 is equal.",
    "ms_ssim": "SSIM at five scales together (Wang et al. 2003): less strict about a pixel's shift.",
    "psnr": "Pixel error in decibels. It favours blur: read it last.",
    "l1": "Mean absolute pixel error, as a share of the range. It favours blur too.",
    "lpips": "Distance in the features of a trained network (Zhang et al. 2018): nearer to what people "
    "see than pixels are.",
    "pixel_accuracy": "Share of pixels whose nearest label colour is the true one.",
    "class_accuracy": "The same as a mean over classes, so that rare ones count.",
    "class_iou": "Overlap of predicted and true regions over their union, a mean over classes.",
    "fid": "Fréchet distance between the outputs and real pictures, both as Gaussians in Inception "
    "features (Heusel et al. 2017). Biased upwards for few images: compare only equal counts.",
    "kid": "Squared maximum mean discrepancy in Inception features (Bińkowski et al. 2018). Unbiased, so "
    "fit for small sets; read it with its standard error.",
    "frechet_self": "As FID, but in features of a small network trained on this data. Comparable within "
    "this data only.",
    "mmd_self": "As KID, but in features of a small network trained on this data. Comparable within this "
    "data only.",
    "precision": "Share of outputs that lie among real pictures (Kynkäänniemi et al. 2019): fidelity.",
    "recall": "Share of real pictures that lie among outputs: variety.",
    "density": "How many real neighbourhoods an output lies in (Naeem et al. 2020): fidelity, robust to "
    "outliers.",
    "coverage": "Share of real pictures that have an output in their neighbourhood: variety.",
    "swd": "Distance of small patches' distributions at several scales, without any network (Karras et "
    "al. 2018).",
    "cycle_l1": "Error there and back, as a share of the range. Low says little alone: see hidden "
    "messages under Health.",
    "diversity": "How much outputs differ from one another over how much real pictures do; near 0 is "
    "mode collapse.",
}


def title(metric: str) -> str:
    """A figure's name for people; one that is not known keeps its own."""
    if metric in FIGURES and not metric.endswith("_se"):
        return FIGURES[metric].title
    if metric.endswith("_se"):
        return f"{title(metric.removesuffix('_se'))}, s.e."
    return f"{FIGURES['swd'].title}, {metric[4:]} px" if metric.startswith("swd_") else metric


def meaning(metric: str) -> str:
    """What a figure means; "" of one that needs no words."""
    return MEANINGS.get(metric, "")


def won(summary: Summary) -> list[bool]:
    """For every leading figure that hwan and a baseline have: is hwan's better than every baseline's?"""
    found = []
    for systems in (summary.systems, summary.distribution):
        for metric in LEADING:
            values = {
                k: s[metric] for k, s in systems.items() if math.isfinite(s.get(metric, math.nan))
            }
            baseline_outputs = [values[name] for name in baselines(values)]
            if OURS in values and baseline_outputs:
                high = FIGURES[metric].better == "high"
                found.append(
                    values[OURS] > max(baseline_outputs)
                    if high
                    else values[OURS] < min(baseline_outputs)
                )
    return found


def judge(summaries: Mapping[str, Summary], alarms: Sequence[Finding] = ()) -> tuple[str, Verdict]:
    """The verdict in words: does hwan beat the baselines by every leading figure, and is it healthy?

    good: both; bad: it beats them by no figure, or none could be taken and the health is bad; none:
    there is nothing to judge by; mixed: anything between.
    """
    health = (
        f"Health: {len(alarms)} {'figure is' if len(alarms) == 1 else 'figures are'} bad, see the "
        "warnings."
        if alarms
        else "Health: no figure is bad."
    )
    if not summaries:
        return "Not tested yet: `hwan evaluate` adds the test.", "bad" if alarms else "none"
    results = [result for summary in summaries.values() for result in won(summary)]
    sentences = [sentence for summary in summaries.values() for sentence in summary.words]
    if not results:
        unknown = (
            "No true pictures are known for the test images, so look at them; the figures below say "
            "only whether something broke."
        )
        return f"{unknown} {health}", "bad" if alarms else "none"
    verdict: Verdict = "good" if all(results) else "mixed" if any(results) else "bad"
    if alarms and verdict == "good":
        verdict = "mixed"
    count = f"Better than every baseline by {sum(results)} of {len(results)} leading figures."
    return "\n\n".join((f"{count} {health}", " ".join(sentences))), verdict


def directions(summaries: Mapping[str, Summary]) -> str:
    """ "40 A to B, 40 B to A" """
    return ", ".join(f"{summary.images} {WORDS[d]}" for d, summary in summaries.items())
