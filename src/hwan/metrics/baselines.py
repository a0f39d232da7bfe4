"""What any translator must beat: one mean picture for all, and a transfer of colour alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from hwan.config import PixelFormat
from hwan.errors import require
from hwan.imaging.pixels import LUMA, RGB, Pixels, from_unit, resize, rounded, to_unit

# Reinhard et al. 2001: eq. 4 (RGB to LMS cone responses) and eq. 6 (their logarithms to l, alpha,
# beta). The paper prints rounded inverses (eq. 8, 9); exact ones make the round trip exact.
_LMS = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
_OPPONENT = np.diag([3**-0.5, 6**-0.5, 2**-0.5]) @ np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]])


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each channel over all pixels of a domain: l, alpha and beta of
    a colour domain, of any other each channel's own, with the range as 0..1."""

    mean: tuple[float, ...]
    sd: tuple[float, ...]


def mean_image(pictures: Iterable[Pixels], height: int, width: int) -> Pixels:
    """The mean of ``pictures``, each resized to (height, width), in their own depth, integers
    rounded to the nearest.

    Raises ``UsageError`` for no pictures, or for grey mixed with colour.
    """
    total, count = np.zeros(()), 0
    for picture in _alike(pictures):
        total, count = total + resize(picture, height, width).astype(np.float64), count + 1
    return rounded(total / count, picture.dtype)


def lab_statistics(pictures: Iterable[Pixels], pixel_format: PixelFormat = RGB) -> Statistics:
    """Global mean and standard deviation of a domain's ``pictures``, every pixel counting the same.

    In the l-alpha-beta space of Reinhard et al. 2001 for colour, else of each channel in 0..1 of its
    range. ``pixel_format`` says the depth and range.
    Raises ``UsageError`` for no pictures, or for grey mixed with colour.
    """
    count, total, squares = 0, np.zeros(()), np.zeros(())
    for picture in _alike(pictures):
        values = _to_lab(to_unit(picture, pixel_format)).reshape(-1, picture.shape[2])
        count += len(values)
        total, squares = total + values.sum(0), squares + (values**2).sum(0)
    mean = total / count
    sd = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return Statistics(tuple(mean.tolist()), tuple(sd.tolist()))


def reinhard(
    picture: Pixels, domain: Statistics, format_in: PixelFormat = RGB, format_out: PixelFormat = RGB
) -> Pixels:
    """``picture`` with its colours shifted and scaled to those of a ``domain``, channel by channel:
    Reinhard et al. 2001 (Color Transfer between Images), eq. 10 and 11, in l-alpha-beta.

    The result has the channels of the domain and the depth of ``format_out``: for a grey domain
    brightness is matched, and a colour picture becomes grey first (Rec. 601 luma); a grey picture is
    widened for a colour one; between other numbers of channels the mean of all is matched to each.
    A channel that does not vary takes the domain's mean. Colours out of range are clipped.
    """
    picture = with_channels(picture, len(domain.mean))
    lab = _to_lab(to_unit(picture, format_in))
    # A grey picture's alpha and beta vary by rounding error alone, which must not become colour.
    scale = np.array(domain.sd) / np.maximum(lab.std(axis=(0, 1)), 1e-6)
    moved = (lab - lab.mean(axis=(0, 1))) * scale + np.array(domain.mean)
    if moved.shape[2] == 3:  # back from l, alpha, beta
        moved = 10 ** (moved @ np.linalg.inv(_OPPONENT).T) @ np.linalg.inv(_LMS).T
    return from_unit(moved, format_out)


def _to_lab(values: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "h w c"]:
    """l, alpha, beta of a colour picture in 0..1; any other as it is."""
    if values.shape[2] == 3:
        # The paper leaves the logarithm of black open: here black counts as one level of 255.
        values = np.log10(np.maximum(values, 1 / 255) @ _LMS.T) @ _OPPONENT.T
    return values


def with_channels(picture: Pixels, channels: int) -> Pixels:
    """``picture`` in another number of channels: its grey (Rec. 601 luma, else the mean) in each."""
    if picture.shape[2] == channels:
        return picture
    grey = picture @ LUMA if picture.shape[2] == 3 else picture.mean(axis=2, dtype=np.float64)
    return rounded(grey, picture.dtype)[..., None].repeat(channels, axis=2)


def _alike(pictures: Iterable[Pixels]) -> Iterator[Pixels]:
    """The pictures of a domain, checked: at least one, and all of the first one's channels."""
    first = 0
    for picture in pictures:
        first = first or picture.shape[2]
        expected = "pictures of a domain with one number of channels"
        found = f"{first}, then {picture.shape[2]}"
        require(picture.shape[2] == first, expected, found, "decode all with the same channels")
        yield picture
    require(first > 0, "at least one picture of the domain", "none", "check the folder")
