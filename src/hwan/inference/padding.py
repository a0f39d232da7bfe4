"""The one rule by which an image is grown to a size that a network takes, and cropped back.

web/site/pixels.js (``grown``, ``places``) and the ONNX graph of exporting/graph.py mirror ``margins`` and
``places`` in their own languages; tests compare them.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from hwan.imaging.pixels import Pixels


def margins(side: int, multiple: int, least: int) -> tuple[int, int]:
    """The pixels (before, after) that a ``side`` gets: evenly at both ends, the odd one after, up to the
    next ``multiple`` and at least to ``least``."""
    missing = max(least, -(-side // multiple) * multiple) - side
    return missing // 2, missing - missing // 2


def padded_side(side: int, multiple: int, least: int) -> int:
    """The side at which a network reads an image's ``side``."""
    return side + sum(margins(side, multiple, least))


def places(side: int, multiple: int, least: int) -> Int[np.ndarray, " y"]:
    """For each place of a padded side, the place of the image that is shown there: its reflection where
    the image is large enough to reflect, else its border."""
    before, after = margins(side, multiple, least)
    found = np.arange(-before, side + after)
    mirrored: np.ndarray = side - 1 - np.abs(side - 1 - np.abs(found))
    return mirrored if _reflects(side, before, after) else found.clip(0, side - 1)


def pad_to(images: Float[Tensor, "b c h w"], multiple: int, least: int) -> Float[Tensor, "b c y x"]:
    """Images with both sides grown, by the rule of ``margins`` and ``places``."""
    for axis in (2, 3):
        before, after = margins(images.shape[axis], multiple, least)
        if before or after:
            edges = [0, 0, before, after] if axis == 2 else [before, after, 0, 0]
            reflects = _reflects(images.shape[axis], before, after)
            images = pad(images, edges, mode="reflect" if reflects else "replicate")
    return images


def crop_to(images: Float[Tensor, "b c y x"], height: int, width: int) -> Float[Tensor, "b c h w"]:
    """The middle of ``images``, which ``pad_to`` grew from ``height`` x ``width``."""
    top, left = (images.shape[2] - height) // 2, (images.shape[3] - width) // 2
    return images[:, :, top : top + height, left : left + width]


def pad_pixels(pixels: Pixels, multiple: int, least: int) -> Pixels:
    """Pixels (H, W, C) grown as ``pad_to`` grows images."""
    for axis, side in enumerate(pixels.shape[:2]):
        if any(margins(side, multiple, least)):
            pixels = pixels.take(places(side, multiple, least), axis)
    return pixels


def crop_pixels(pixels: Pixels, height: int, width: int) -> Pixels:
    """The middle of ``pixels`` (Y, X, C), which ``pad_pixels`` grew from ``height`` x ``width``."""
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


def _reflects(side: int, before: int, after: int) -> bool:
    return max(before, after) < side
