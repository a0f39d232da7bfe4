"""The values of a file -> pixels of a domain's channels, depth and range, or a clear refusal."""

from __future__ import annotations

import numpy as np

from hwan.config import Depth, PixelFormat, ValueRange
from hwan.errors import UsageError
from hwan.imaging.codecs import ALPHA_NOTE, DecodedFile

DTYPES: dict[Depth, np.dtype] = {
    "8": np.dtype(np.uint8),
    "16": np.dtype(np.uint16),
    "float": np.dtype(np.float32),
}
FULL: dict[np.dtype, int] = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
LUMA = np.array([0.299, 0.587, 0.114])  # Rec. 601


def unreadable(name: str, error: Exception) -> UsageError:
    """What to raise for the image ``name``, where reading it raised ``error``."""
    reason = "not an image, or cut short" if "cannot identify" in str(error) else error
    fix = "replace or remove it"
    if "imagecodecs" in str(error):
        fix = "save it uncompressed or with Deflate, or pip install imagecodecs"
    return UsageError(f"{name} to be a readable image", reason, fix)


def with_channels(
    decoded: DecodedFile, pixel_format: PixelFormat, name: str
) -> tuple[np.ndarray, list[str]]:
    """The values with as many channels as ``pixel_format``, and notes on what was changed.

    Raises ``UsageError`` for channels that cannot be meant.
    """
    values, have, want = decoded.values, decoded.values.shape[2], pixel_format.channels
    notes = []
    if decoded.alpha and want in (1, 3):
        white = FULL.get(values.dtype, 1)
        share = values[:, :, -1:] / white
        values = rounded(values[:, :, :-1] * share + white * (1 - share), values.dtype)
        notes, have = [ALPHA_NOTE], have - 1
    if have == want:
        return values, notes
    if have == 1 and want == 3:
        return values.repeat(3, axis=2), notes
    if have == 3 and want == 1:
        return rounded(values @ LUMA, values.dtype)[:, :, None], notes
    raise UsageError(
        f"{name} with the channels of its domain, {want}",
        f"{have} x {values.dtype}, where the domain has {want} channels",
        "set --data.channels_a or channels_b to what the files have"
        + ("; arrays are (H, W, C)" if values.shape[0] == want else ""),
    )


def rounded(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Float values in a picture's dtype: integers are rounded to the nearest."""
    return (values.round() if dtype.kind in "ui" else values).astype(dtype)


def with_depth(
    values: np.ndarray, mode: str, pixel_format: PixelFormat, name: str
) -> tuple[np.ndarray, list[str]]:
    """``values`` of any dtype in the dtype of ``pixel_format``, and notes on what was changed.

    Raises ``UsageError`` for values whose scale is not known or outside the range.
    """
    dtype = DTYPES[pixel_format.depth]
    if pixel_format.depth == "float":
        return _in_range(values, pixel_format.range, name)
    if (
        mode.startswith("I")
        and values.dtype not in FULL
        and 0 <= values.min() <= values.max() < 2**16
    ):
        values = values.astype(np.uint16)  # Pillow's mode I is how many a 16-bit file comes
    if values.dtype == dtype:
        return values, []
    if values.dtype in FULL:
        if pixel_format.depth == "8":
            return (values / 257).round().astype(dtype), ["16 bit reduced to 8"]
        return values.astype(dtype) * np.uint16(257), ["8 bit widened to 16"]
    if values.dtype.kind == "f" and values.min() >= 0 and values.max() <= 1:  # nan is neither
        levels = (values * FULL[dtype]).round().astype(dtype)
        return levels, [f"float in [0, 1] reduced to {pixel_format.depth} bit"]
    what = "float" if values.dtype.kind == "f" else str(values.dtype)
    raise UsageError(
        f"{name} with a depth that fits its domain's {pixel_format.depth} bit",
        f"{what} pixels outside [0, 1]" if what == "float" else f"{what} pixels, of unknown scale",
        "set --data.depth_a (or depth_b) float and --data.range_a to the range of the values",
    )


def as_floats(values: np.ndarray, name: str) -> tuple[np.ndarray, list[str]]:
    """The values as float32, and a note where that rounds. Raises ``UsageError`` for nan and infinity."""
    if not np.isfinite(values).all():
        raise unreadable(name, ValueError("pixels that are no numbers (nan or infinite)"))
    floats = values.astype(np.float32)
    exact = values.dtype.itemsize < 4 or bool((floats == values).all())
    return floats, [] if exact else ["rounded to 32-bit floats"]


def _in_range(
    values: np.ndarray, value_range: ValueRange, name: str
) -> tuple[np.ndarray, list[str]]:
    (low, high), least, greatest = value_range, values.min(), values.max()
    floats, notes = as_floats(values, name)
    if max(low - least, greatest - high) > high - low:
        raise UsageError(
            f"{name} with values in the range of its domain, {low:g} to {high:g}",
            f"values {least:g} to {greatest:g}, where the range is {low:g} to {high:g}",
            "set --data.range_a (or range_b) to what the values mean",
        )
    if least < low or greatest > high:
        floats = floats.clip(low, high)
        notes.append(f"values outside {low:g} to {high:g} clipped")
    return floats, notes
