"""How near a translated image is to the true one, where a true one is known: PSNR, SSIM, L1.

Every function takes two tensors (B, C, H, W) in [-1, 1] and gives one figure per image, float32.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from hwan.errors import UsageError

RANGE = 2.0
"""Width of [-1, 1]."""
WINDOW = 11
"""Side of SSIM's Gaussian window, pixels."""


def psnr(a: Float[Tensor, "b c h w"], b: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Peak signal-to-noise ratio per image, in dB: 10 log10(2^2 / mean squared error).

    The mean is over the pixels and channels of one image; equal images give inf. Higher is nearer.
    Raises ``UsageError`` where the shapes differ.
    """
    a, b = _alike(a, b)
    value = peak_signal_noise_ratio(a, b, data_range=RANGE, reduction="none", dim=(1, 2, 3))
    return value.float()


def ssim(a: Float[Tensor, "b c h w"], b: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Structural similarity per image, at most 1 (equal images), higher is nearer.

    Wang et al. 2004 (Image Quality Assessment), eq. 13, averaged by eq. 17 over every whole window
    and over channels: Gaussian window 11x11 of sigma 1.5, K1 0.01, K2 0.03, no downsampling first.
    On intensities in [0, 1]: its comparison of means (eq. 6) has no sense below zero, and taken on
    [-1, 1] a night against its day would score as an inverted picture. Raises ``UsageError`` where
    the shapes differ, and for images with a side under 11 pixels, which hold no whole window.
    """
    a, b = _alike(a, b)
    if min(a.shape[2:]) < WINDOW:
        raise UsageError(
            f"SSIM needs images of at least {WINDOW}x{WINDOW} pixels",
            f"{a.shape[2]}x{a.shape[3]}",
            "use psnr or l1, or larger images",
        )
    _, values = structural_similarity_index_measure(
        (a + 1) / 2,
        (b + 1) / 2,
        sigma=1.5,
        kernel_size=WINDOW,
        data_range=1.0,
        k1=0.01,
        k2=0.03,
        return_full_image=True,
    )
    # Its own mean counts windows over a mirrored border too, which the paper's does not.
    edge = WINDOW // 2
    return values[:, :, edge:-edge, edge:-edge].mean(dim=(1, 2, 3)).float()


def l1(a: Float[Tensor, "b c h w"], b: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Mean absolute difference per image as a share of the full range: 0 equal, 1 black to white.

    That is mean |a - b| / 2 for tensors in [-1, 1]. Raises ``UsageError`` where the shapes differ.
    """
    a, b = _alike(a, b)
    return ((a - b).abs().mean(dim=(1, 2, 3)) / RANGE).float()


def _alike(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both in double: SSIM subtracts nearly equal moments, and a GPU may convolve float32 in TF32,
    whose ten bits are too few for that. Apple's GPUs have no double."""
    if a.shape != b.shape or a.ndim != 4:
        raise UsageError(
            "two batches to compare have one shape (B, C, H, W)",
            f"{tuple(a.shape)} and {tuple(b.shape)}",
            "resize one of them",
        )
    dtype = torch.float32 if a.device.type == "mps" else torch.float64
    return a.detach().to(dtype), b.detach().to(dtype)
