"""The values of a file -> pixels of a domain's channels, depth and range, or a clear refusal."""

from __future__ import annotations

import numpy as np

from hwan.config import Depth, PixelFormat, ValueRange
from hwan.errors import UsageError, require
from hwan.imaging.codecs import ALPHA_NOTE, DecodedFile

BYTE, WORD, FLOAT = np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32)
DTYPES: dict[Depth, np.dtype] = {"8": BYTE, "16": WORD, "float": FLOAT}
FULL: dict[np.dtype, int] = {BYTE: 255, WORD: 65535}
LUMA = np.array([0.299, 0.587, 0.114])  # Rec. 601
Noted = tuple[np.ndarray, list[str]]
"""Values, and notes on what was changed to get them."""


def unreadable(name: str, error: Exception) -> UsageError:
    """What to raise for the image ``name``, where reading it raised ``error``."""
    reason = "not an image, or cut short" if "cannot identify" in str(error) else error
    codec = "save it uncompressed or with Deflate, or pip install imagecodecs"
    fix = codec if "imagecodecs" in str(error) else "replace or remove it"
    return UsageError(f"a readable image at {name}", reason, fix)


def with_channels(decoded: DecodedFile, pixel_format: PixelFormat, name: str) -> Noted:
    """The values with as many channels as ``pixel_format``.

    Raises ``UsageError`` for channels that cannot be meant.
    """
    values, have, want = decoded.values, decoded.values.shape[2], pixel_format.channels
    notes: list[str] = []
    if decoded.alpha and want in (1, 3):
        white = FULL.get(values.dtype, 1)
        share = values[:, :, -1:] / white
        values = rounded(values[:, :, :-1] * share + white * (1 - share), values.dtype)
        notes, have = [ALPHA_NOTE], have - 1
    if have == 1 and want == 3:
        values = values.repeat(3, axis=2)
    elif have == 3 and want == 1:
        values = rounded(values @ LUMA, values.dtype)[:, :, None]
    elif have != want:
        fix = "set --data.channels_a or channels_b to what the files have"
        fix += "; arrays are (H, W, C)" if values.shape[0] == want else ""
        received = f"{have} x {values.dtype}, where the domain has {want} channels"
        raise UsageError(f"as many channels in {name} as its domain has", received, fix)
    return values, notes


def rounded(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Float values in a picture's dtype: integers are rounded to the nearest."""
    return (values.round() if dtype.kind in "ui" else values).astype(dtype)


def with_depth(values: np.ndarray, mode: str, pixel_format: PixelFormat, name: str) -> Noted:
    """``values`` of any dtype in the dtype of ``pixel_format``.

    Raises ``UsageError`` for values whose scale is not known or outside the range.
    """
    dtype = DTYPES[pixel_format.depth]
    if pixel_format.depth == "float":
        return _in_range(values, pixel_format.range, name)
    wide = mode.startswith("I") and values.dtype not in FULL
    if wide and 0 <= values.min() <= values.max() < 2**16:
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
    scale = "outside [0, 1]" if values.dtype.kind == "f" else "of unknown scale"
    raise UsageError(
        f"a depth of {name} that fits its domain's {pixel_format.depth} bit",
        f"{values.dtype} pixels {scale}",
        "set --data.depth_a (or depth_b) float and --data.range_a to the range of the values",
    )


def as_floats(values: np.ndarray, name: str) -> Noted:
    """The values as float32, and a note where that rounds. Raises ``UsageError`` for nan and infinity."""
    if not np.isfinite(values).all():
        raise unreadable(name, ValueError("pixels that are no numbers (nan or infinite)"))
    floats = values.astype(np.float32)
    exact = values.dtype.itemsize < 4 or bool((floats == values).all())
    return floats, [] if exact else ["rounded to 32-bit floats"]


def _in_range(values: np.ndarray, value_range: ValueRange, name: str) -> Noted:
    (low, high), least, greatest = value_range, values.min(), values.max()
    floats, notes = as_floats(values, name)
    near = max(low - least, greatest - high) <= high - low
    received = f"values {least:g} to {greatest:g}, where the range is {low:g} to {high:g}"
    fix = "set --data.range_a (or range_b) to what the values mean"
    require(near, f"values of {name} in the range of its domain", received, fix)
    if least < low or greatest > high:
        floats = floats.clip(low, high)
        notes.append(f"values outside {low:g} to {high:g} clipped")
    return floats, notes
