"""The names of the figures for people, where more is better, and to how many decimals they are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """How a figure is shown: its name, which end is better, decimals."""

    title: str
    better: Literal["high", "low"]
    decimals: int


FIGURES = {
    "ssim": Figure("SSIM", "high", 3),
    "ms_ssim": Figure("MS-SSIM", "high", 3),
    "psnr": Figure("PSNR (dB)", "high", 1),
    "l1": Figure("L1", "low", 3),
    "lpips": Figure("LPIPS", "low", 3),
    "pixel_accuracy": Figure("pixel accuracy", "high", 3),
    "class_accuracy": Figure("class accuracy", "high", 3),
    "class_iou": Figure("class IoU", "high", 3),
    "fid": Figure("FID", "low", 1),
    "kid": Figure("KID", "low", 4),
    "kid_se": Figure("± s.e.", "low", 4),
    "frechet_self": Figure("Fréchet distance (self features)", "low", 3),
    "mmd_self": Figure("MMD (self features)", "low", 4),
    "mmd_self_se": Figure("± s.e.", "low", 4),
    "frechet": Figure("Fréchet distance (other features)", "low", 3),
    "mmd": Figure("MMD (other features)", "low", 4),
    "mmd_se": Figure("± s.e.", "low", 4),
    "precision": Figure("precision", "high", 2),
    "recall": Figure("recall", "high", 2),
    "density": Figure("density", "high", 2),
    "coverage": Figure("coverage", "high", 2),
    "swd": Figure("sliced Wasserstein", "low", 4),
    "cycle_l1": Figure("cycle L1", "low", 3),
    "diversity": Figure("diversity", "high", 2),
}
"""Every figure but ``swd_SIDE``, the sliced Wasserstein distance of one scale. ``frechet`` and ``mmd``
are FID's and KID's formulas on the features of another network, which the protocol names; with
``_self`` that is hwan's own."""
