"""How near a translated image is to the true one, where a true one is known: PSNR, SSIM, MS-SSIM, L1.

Every function takes two tensors (B, C, H, W) in [-1, 1] and gives one figure per image, float32.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d
from torchmetrics.functional.image import peak_signal_noise_ratio

from hwan.errors import require

RANGE = 2.0
"""Width of [-1, 1]."""
WINDOW = 11
"""Side of SSIM's Gaussian window, pixels."""
EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of MS-SSIM's scales, the finest first (Wang et al. 2003, section 3.2)."""
COARSEST = WINDOW * 2 ** (len(EXPONENTS) - 1)
"""The least side, pixels, at which MS-SSIM's coarsest scale holds a window."""


def psnr(a: Float[Tensor, "b c h w"], b: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Peak signal-to-noise ratio per image, in dB: 10 log10(2^2 / mean squared error).

    The mean is over the pixels and channels of one image; equal images give inf. Higher is nearer.
    Raises ``UsageError`` where the shapes differ.
    """
    a, b = _alike(a, b)
    return peak_signal_noise_ratio(a, b, RANGE, reduction="none", dim=(1, 2, 3)).float()


def ssim(a: Float[Tensor, "b c h w"], b: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Structural similarity per image, at most 1 (equal images), higher is nearer.

    Wang et al. 2004 (Image Quality Assessment), eq. 13, averaged by eq. 17 over every whole window
    and over channels: Gaussian window 11x11 of sigma 1.5, K1 0.01, K2 0.03, no downsampling first.
    On intensities in [0, 1]: its comparison of means (eq. 6) has no sense below zero, and taken on
    [-1, 1] a night against its day would score as an inverted picture. Raises ``UsageError`` where
    the shapes differ, and for images with a side under 11 pixels, which hold no whole window.
    """
    a, b = _alike(a, b, least=WINDOW)
    means, contrast = _structure((a + 1) / 2, (b + 1) / 2)
    return (means * contrast).mean(dim=(1, 2, 3)).float()


def ms_ssim(a: Float[Tensor, "b c h w"], b: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Multi-scale structural similarity per image, 0 to 1, higher is nearer.

    Wang et al. 2003 (Multi-scale Structural Similarity), eq. 7: contrast and structure at five
    scales, each half the one before by averaging 2x2, the means at the coarsest alone, raised to the
    paper's exponents. Windows, constants and intensities as in ``ssim``; a scale where images are
    inverted counts as 0, since a negative number has no such power. Raises ``UsageError`` where the
    shapes differ, and for images with a side under 176 pixels: the coarsest scale holds no window.
    """
    a, b = _alike(a, b, least=COARSEST)
    a, b = (a + 1) / 2, (b + 1) / 2
    product = torch.ones(len(a), dtype=a.dtype, device=a.device)
    for scale, exponent in enumerate(EXPONENTS, 1):
        means, contrast = _structure(a, b)
        value = contrast if scale < len(EXPONENTS) else means * contrast
        product = product * value.mean(dim=(1, 2, 3)).clamp(min=0) ** exponent
        a, b = avg_pool2d(a, 2), avg_pool2d(b, 2)
    return product.float()


def _structure(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM's comparison of means (eq. 6) and of contrast and structure (eq. 9 times 10, C3 = C2 / 2) at
    every whole window of images in [0, 1]."""
    # torchmetrics' own SSIM convolves by the whole 11x11 window: 25 times slower in double.
    mean_a, mean_b, aa, bb, ab = _windowed(torch.stack([a, b, a * a, b * b, a * b]))
    product, squares = mean_a * mean_b, mean_a**2 + mean_b**2
    c1, c2 = 0.01**2, 0.03**2
    means = (2 * product + c1) / (squares + c1)
    return means, (2 * (ab - product) + c2) / (aa + bb - squares + c2)


def _windowed(x: Tensor) -> Tensor:
    """The mean of ``x`` (..., H, W) under the Gaussian window at every place that holds it whole."""
    places = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weights = torch.exp(-(places**2) / (2 * 1.5**2))
    line = (weights / weights.sum()).tolist()
    for axis in (-2, -1):
        length = x.shape[axis] - WINDOW + 1
        total = x.narrow(axis, 0, length) * line[0]
        for start, weight in enumerate(line[1:], 1):
            total.add_(x.narrow(axis, start, length), alpha=weight)
        x = total
    return x


def l1(a: Float[Tensor, "b c h w"], b: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Mean absolute difference per image as a share of the full range: 0 equal, 1 black to white.

    That is mean |a - b| / 2 for tensors in [-1, 1]. Raises ``UsageError`` where the shapes differ.
    """
    a, b = _alike(a, b)
    return ((a - b).abs().mean(dim=(1, 2, 3)) / RANGE).float()


def chroma(a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    """Mean absolute difference of colour per image, whatever the brightness, as a share of the range: of Cb
    and Cr (Rec. 601), each of which reaches over all of it. Raises ``UsageError`` where the shapes differ."""
    a, b = _alike(a, b)
    red, green, blue = (a - b).unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    parts = torch.stack([(blue - luma) / 1.772, (red - luma) / 1.402])
    return (parts.abs().mean(dim=(0, 2, 3)) / RANGE).float()


def _alike(a: Tensor, b: Tensor, least: int = 1) -> tuple[Tensor, Tensor]:
    """Both in double: SSIM subtracts nearly equal moments, and a GPU may convolve float32 in TF32,
    whose ten bits are too few for that. Apple's GPUs have no double. ``least``: of their sides."""
    alike, shapes = a.shape == b.shape and a.ndim == 4, f"{tuple(a.shape)} and {tuple(b.shape)}"
    require(alike, "two batches of one shape (B, C, H, W)", shapes, "resize one of them")
    expected, size = f"at least {least}x{least} pixels for this figure", tuple(a.shape[2:])
    require(min(size) >= least, expected, size, "use psnr or l1, or larger images")
    dtype = torch.float32 if a.device.type == "mps" else torch.float64
    return a.detach().to(dtype), b.detach().to(dtype)
