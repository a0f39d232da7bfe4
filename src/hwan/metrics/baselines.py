"""What any translator must beat: one mean picture for all, and a transfer of colour alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from hwan.errors import UsageError
from hwan.image import Pixels, resize

# Reinhard et al. 2001: eq. 4 (RGB to LMS cone responses) and eq. 6 (their logarithms to l, alpha,
# beta). The paper prints rounded inverses (eq. 8, 9); exact ones make the round trip exact.
_LMS = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
_OPPONENT = np.diag([3**-0.5, 6**-0.5, 2**-0.5]) @ np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]])
_LUMA = np.array([0.299, 0.587, 0.114])  # Rec. 601, as hwan.image.decode


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each channel over all pixels of a domain: l, alpha and beta of
    a colour domain, brightness in 0..1 of a grey one."""

    mean: tuple[float, ...]
    sd: tuple[float, ...]


def mean_image(pictures: Iterable[Pixels], height: int, width: int) -> Pixels:
    """The mean of ``pictures``, each resized to (height, width), rounded to the nearest level.

    Raises ``UsageError`` for no pictures, or for grey mixed with colour.
    """
    total, count = np.zeros(()), 0
    for picture in pictures:
        small = resize(picture, height, width).astype(np.float64)
        _same_channels(count, total.shape[-1:], small.shape[-1:])
        total, count = total + small, count + 1
    _some(count)
    mean: Pixels = (total / count).round().astype(np.uint8)
    return mean


def lab_statistics(pictures: Iterable[Pixels]) -> Statistics:
    """Global mean and standard deviation of a domain's ``pictures``, every pixel counting the same.

    In the l-alpha-beta space of Reinhard et al. 2001 for colour; of brightness in 0..1 for grey.
    Raises ``UsageError`` for no pictures, or for grey mixed with colour.
    """
    count, total, squares = 0, np.zeros(()), np.zeros(())
    for picture in pictures:
        values = _to_lab(picture).reshape(-1, picture.shape[2])
        _same_channels(count, total.shape, values.shape[1:])
        count += len(values)
        total, squares = total + values.sum(0), squares + (values**2).sum(0)
    _some(count)
    mean = total / count
    sd = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return Statistics(tuple(mean.tolist()), tuple(sd.tolist()))


def reinhard(picture: Pixels, statistics: Statistics) -> Pixels:
    """``picture`` with its colours shifted and scaled to a domain's statistics, channel by channel:
    Reinhard et al. 2001 (Color Transfer between Images), eq. 10 and 11, in l-alpha-beta.

    The result has the channels of the statistics: for a grey domain brightness is matched, and a
    colour picture becomes grey first (Rec. 601 luma); a grey picture is widened for a colour one.
    A channel that does not vary takes the domain's mean. Colours out of range are clipped.
    """
    picture = _with_channels(picture, len(statistics.mean))
    lab = _to_lab(picture)
    # A grey picture's alpha and beta vary by rounding error alone, which must not become colour.
    scale = np.array(statistics.sd) / np.maximum(lab.std(axis=(0, 1)), 1e-6)
    return _from_lab((lab - lab.mean(axis=(0, 1))) * scale + np.array(statistics.mean))


def _to_lab(picture: Pixels) -> Float[np.ndarray, "h w c"]:
    """l, alpha, beta of a colour picture; brightness in 0..1 of a grey one."""
    lab: Float[np.ndarray, "h w c"] = picture / 255
    if picture.shape[2] == 3:
        # The paper leaves the logarithm of black open: here black counts as one level of 255.
        lab = np.log10(np.maximum(lab, 1 / 255) @ _LMS.T) @ _OPPONENT.T
    return lab


def _from_lab(lab: Float[np.ndarray, "h w c"]) -> Pixels:
    if lab.shape[2] == 3:
        lab = 10 ** (lab @ np.linalg.inv(_OPPONENT).T) @ np.linalg.inv(_LMS).T
    pixels: Pixels = (lab * 255).round().clip(0, 255).astype(np.uint8)
    return pixels


def _with_channels(picture: Pixels, channels: int) -> Pixels:
    if picture.shape[2] == channels:
        return picture
    grey = picture @ _LUMA if channels == 1 else picture[:, :, 0]
    out: Pixels = grey.round().astype(np.uint8)[..., None].repeat(channels, axis=2)
    return out


def _same_channels(count: int, first: tuple[int, ...], this: tuple[int, ...]) -> None:
    if count and first != this:
        raise UsageError(
            "the pictures of a domain have one number of channels",
            f"{first[0]}, then {this[0]}",
            "decode all with the same channels",
        )


def _some(count: int) -> None:
    if not count:
        raise UsageError("a domain has at least one picture", "none", "check the folder")
