"""How much of an image a translation changed inside its mask (what may change), and outside."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64, UInt8

from hwan.metrics.metric import Metric

Unit = Float64[np.ndarray, "h w c"]


def changes(before: Unit, after: Unit, mask: UInt8[np.ndarray, "h w 1"]) -> dict[str, float]:
    """``change_outside`` and ``change_inside``: mean |after - before| of pixels in 0..1, weighted by how much
    of each is outside the mask (0) or inside (255); nan where nothing is."""
    inside = mask[..., 0] / 255
    change = np.abs(after - before).mean(axis=2)
    parts = {"change_outside": 1 - inside, "change_inside": inside}
    return {
        name: float((change * part).sum() / part.sum()) if part.any() else math.nan
        for name, part in parts.items()
    }


def with_ratio(means: dict[str, float]) -> dict[str, float]:
    """``means`` of ``changes``, and ``inside_over_outside``: nan where nothing changed outside."""
    outside = means["change_outside"]
    ratio = means["change_inside"] / outside if outside else math.nan
    return {**means, "inside_over_outside": ratio}


MASK_METRICS = {
    "change_outside": Metric(
        "change outside the mask", "low", 4,
        "L1 between input and output where the mask is black, as a share of the range: what should have "
        "stayed.",
    ),
    "change_inside": Metric(
        "change inside the mask", "high", 4,
        "The same where the mask is white. High only says that much was changed, not that it is right.",
    ),
    "inside_over_outside": Metric(
        "inside over outside", "high", 2,
        "The one over the other. 1 is a translator that does not know the place; unknown where nothing "
        "changed outside.",
    ),
}  # fmt: skip
