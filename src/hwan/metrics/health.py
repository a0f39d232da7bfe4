"""Figures that say whether a training is healthy, without a true image to compare with."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from hwan.errors import UsageError

SIDE = 32
"""Images are reduced to at most this side: cheap, and pixel noise is not counted as variety."""


def diversity(outputs: Float[Tensor, "n c h w"], reals: Float[Tensor, "m c y x"]) -> float:
    """How varied the outputs are beside the real pictures of their domain: the sign of mode
    collapse (T2), where a generator gives one picture whatever it is shown.

    The mean L1 distance over all pairs of ``outputs``, divided by that over all pairs of ``reals``,
    both averaged down by area to the same size of at most 32x32. 0: one picture for every input;
    about 1: as varied as the real ones. Any range, as long as both have the same. It is nan where
    the real pictures are all equal, since nothing is then known of the domain's variety.

    Raises ``UsageError`` for fewer than 2 images of either, or another number of channels.
    """
    if outputs.ndim != 4 or reals.ndim != 4 or outputs.shape[1] != reals.shape[1]:
        raise UsageError(
            "outputs and reals are (N, C, H, W) with the same channels",
            f"{tuple(outputs.shape)} and {tuple(reals.shape)}",
            "compare one domain",
        )
    if min(len(outputs), len(reals)) < 2:
        raise UsageError(
            "diversity is measured on at least 2 outputs and 2 real images",
            f"{len(outputs)} and {len(reals)}",
            "give more images",
        )
    height, width = (min(SIDE, outputs.shape[i], reals.shape[i]) for i in (2, 3))
    spread = _spread(reals, (height, width))
    return _spread(outputs, (height, width)) / spread if spread > 0 else float("nan")


def _spread(images: Tensor, size: tuple[int, int]) -> float:
    """Mean L1 distance over all pairs of different images, by number, not by content."""
    flat = adaptive_avg_pool2d(images.detach().float(), size).flatten(1)
    return float(torch.cdist(flat, flat, p=1).sum() / (len(flat) * (len(flat) - 1)))
