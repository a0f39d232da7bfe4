"""DiffAugment (Zhao et al. 2020): what a discriminator sees is changed at random, differentiably.

With few images a discriminator learns them by heart. Here it only ever sees changed ones, real and
generated alike, and the generator's gradient runs back through the change, so that the change is not
learned. Strengths are the paper's (section 4).

Draws: each image has its own, from the CPU generator given, made anew at each call (real and
generated images do not share them), one augmentation after the other, so that they depend on nothing
but its state, the policy and the batch's shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from hwan.config.methods import Augmentation
from hwan.runtime import sent

Images = Float[Tensor, "b c h w"]


def diffaugment(images: Images, policy: Sequence[Augmentation], random: torch.Generator) -> Images:
    """``images`` (B, C, H, W) in [-1, 1] after every augmentation of ``policy``, in its order.

    Colour may leave [-1, 1]: clipping would stop gradients. All channels get the same change, also where
    an input and its output are stacked.
    """
    for name in policy:
        images = AUGMENTATIONS[name](images, random)
    return images


def colour(images: Images, random: torch.Generator) -> Images:
    """Brightness within +-0.5, saturation times 0 to 2, contrast times 0.5 to 1.5, in this order.

    Saturation is the distance from a pixel's mean over channels, contrast that from the image's mean.
    """
    draws = sent(torch.rand(3, len(images), 1, 1, 1, generator=random), images.device).to(images)
    images = images + (draws[0] - 0.5)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * 2 * draws[1]
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * (0.5 + draws[2])


def translation(images: Images, random: torch.Generator) -> Images:
    """Shifted by whole pixels, up to 1/8 of each side either way; what comes in is 0, mid grey."""
    height, width = images.shape[2:]
    down, right = height // 8, width // 8
    padded = F.pad(images, (right, right, down, down))
    tops = torch.randint(2 * down + 1, (len(images),), generator=random).tolist()
    lefts = torch.randint(2 * right + 1, (len(images),), generator=random).tolist()
    places = zip(padded, tops, lefts, strict=True)
    return torch.stack([x[:, top : top + height, left : left + width] for x, top, left in places])


def cutout(images: Images, random: torch.Generator) -> Images:
    """A rectangle of half of each side is set to 0; its centre is any pixel, so it may reach outside."""
    count, _, height, width = images.shape
    rows = sent(_spans(count, height, random), images.device)
    columns = sent(_spans(count, width, random), images.device)
    return images.masked_fill(rows[:, None, :, None] & columns[:, None, None, :], 0)


def _spans(count: int, size: int, random: torch.Generator) -> Tensor:
    """(``count``, ``size``), true for the half of ``size`` pixels around a pixel drawn for each."""
    start = torch.randint(size, (count, 1), generator=random) - size // 4
    places = torch.arange(size)
    return (places >= start) & (places < start + size // 2)


AUGMENTATIONS: dict[Augmentation, Callable[[Tensor, torch.Generator], Tensor]] = {
    "colour": colour,
    "translation": translation,
    "cutout": cutout,
}
