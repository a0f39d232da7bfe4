"""Every metric by its name, in the order of the tables. A new one is its own file and a line here.

``swd_SIDE``, the sliced Wasserstein distance of one scale, has no record of its own. ``frechet`` and
``mmd`` are the formulas of FID and KID on the features of another network, which the protocol names;
with ``_self`` that is hwan's own network.
"""

from __future__ import annotations

from hwan.metrics.masks import MASK_METRICS
from hwan.metrics.metric import Metric
from hwan.metrics.pairwise import COARSEST, WINDOW, chroma, l1, ms_ssim, psnr, ssim

METRICS: dict[str, Metric] = {
    "ssim": Metric(
        "SSIM", "high", 3,
        "Likeness of structure to the true picture: local means, contrasts and patterns (Wang et al. "
        "2004). 1 is equal.",
        ssim, needs_truth=True, least_size=WINDOW, leading=True, chooses_best=True,
    ),
    "ms_ssim": Metric(
        "MS-SSIM", "high", 3,
        "SSIM at five scales together (Wang et al. 2003): less strict about a pixel's shift.",
        ms_ssim, needs_truth=True, least_size=COARSEST,
    ),
    "psnr": Metric(
        "PSNR (dB)", "high", 1, "Pixel error in decibels. It favours blur: read it last.",
        psnr, needs_truth=True, chooses_best=True,
    ),
    "l1": Metric(
        "L1", "low", 3,
        "Mean absolute pixel error, as a share of the range. It favours blur too.",
        l1, needs_truth=True, chooses_best=True,
    ),
    "chroma": Metric(
        "chroma error", "low", 3,
        "Mean absolute error of colour alone (Cb and Cr), brightness left out. It favours greyish colours.",
        chroma, needs_truth=True, channels=(3,),
    ),
    "lpips": Metric(
        "LPIPS", "low", 3,
        "Distance in the features of a trained network (Zhang et al. 2018): nearer to what people see "
        "than pixels are.",
        needs_truth=True, least_size=32, channels=(1, 3), leading=True,  # 32: AlexNet's last layers
    ),
    "pixel_accuracy": Metric(
        "pixel accuracy", "high", 3,
        "Share of pixels whose nearest label colour is the true one.", needs_truth=True,
    ),
    "class_accuracy": Metric(
        "class accuracy", "high", 3,
        "The same as a mean over classes, so that rare ones count.", needs_truth=True,
    ),
    "class_iou": Metric(
        "class IoU", "high", 3,
        "Overlap of predicted and true regions over their union, a mean over classes.",
        needs_truth=True, leading=True,
    ),
    "fid": Metric(
        "FID", "low", 1,
        "Fréchet distance between the outputs and real pictures, both as Gaussians in Inception "
        "features (Heusel et al. 2017). Biased upwards for few images: compare only equal counts.",
        chooses_best=True,
    ),
    "kid": Metric(
        "KID", "low", 4,
        "Squared maximum mean discrepancy in Inception features (Bińkowski et al. 2018). Unbiased, so "
        "fit for small sets; read it with its standard error.",
        leading=True, chooses_best=True,
    ),
    "kid_se": Metric("± s.e.", "low", 4),
    "frechet_lite": Metric(
        "Fréchet distance (EfficientNet-Lite features)", "low", 3,
        "As FID, but in features of EfficientNet-Lite. Comparable with figures of the same network and "
        "counts only.",
    ),
    "kid_lite": Metric(
        "KID (EfficientNet-Lite features)", "low", 4,
        "As KID, but in features of EfficientNet-Lite. Comparable with figures of the same network only.",
        leading=True,
    ),
    "kid_lite_se": Metric("± s.e.", "low", 4),
    "recognised": Metric(
        "share recognised", "high", 3,
        "Share of pictures that a classifier of ImageNet calls by the name that --recognise gives. On the "
        "way back it is what is left of it.",
    ),
    "frechet_self": Metric(
        "Fréchet distance (self features)", "low", 3,
        "As FID, but in features of a small network trained on this data. Comparable within this data "
        "only.",
    ),
    "mmd_self": Metric(
        "MMD (self features)", "low", 4,
        "As KID, but in features of a small network trained on this data. Comparable within this data "
        "only.",
        leading=True,
    ),
    "mmd_self_se": Metric("± s.e.", "low", 4),
    "frechet": Metric("Fréchet distance (other features)", "low", 3),
    "mmd": Metric("MMD (other features)", "low", 4, leading=True),
    "mmd_se": Metric("± s.e.", "low", 4),
    "precision": Metric(
        "precision", "high", 2,
        "Share of outputs that lie among real pictures (Kynkäänniemi et al. 2019): fidelity.",
    ),
    "recall": Metric(
        "recall", "high", 2, "Share of real pictures that lie among outputs: variety."
    ),
    "density": Metric(
        "density", "high", 2,
        "How many real neighbourhoods an output lies in (Naeem et al. 2020): fidelity, robust to "
        "outliers.",
    ),
    "coverage": Metric(
        "coverage", "high", 2,
        "Share of real pictures that have an output in their neighbourhood: variety.",
    ),
    "swd": Metric(
        "sliced Wasserstein", "low", 4,
        "Distance of small patches' distributions at several scales, without any network (Karras et "
        "al. 2018).",
        leading=True, chooses_best=True,
    ),
    "cycle_l1": Metric(
        "cycle L1", "low", 3,
        "Error there and back, as a share of the range. Low says little alone: see hidden messages "
        "under Health.",
    ),
    **MASK_METRICS,
    "diversity": Metric(
        "diversity", "high", 2,
        "How much outputs differ from one another over how much real pictures do; near 0 is mode "
        "collapse.",
    ),
}  # fmt: skip


def leading_metrics() -> list[str]:
    """The metrics by which the verdict compares hwan with the baselines."""
    return [name for name, metric in METRICS.items() if metric.leading]


def title(name: str) -> str:
    """A metric's name for people; a name without a record stays as it is."""
    if name.endswith("_se"):
        return f"{title(name.removesuffix('_se'))}, s.e."
    if name in METRICS:
        return METRICS[name].title
    return f"{METRICS['swd'].title}, {name[4:]} px" if name.startswith("swd_") else name


def meaning(name: str) -> str:
    """What a metric says; "" where it needs no words."""
    return METRICS[name].meaning if name in METRICS else ""
