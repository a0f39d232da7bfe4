"""Pixels <-> tensors, and whatever a file holds -> pixels: the only place that knows ranges and depths.

*Pixels* are arrays (H, W, C) of what their domain's ``PixelFormat`` says: uint8 in 0..255, uint16 in
0..65535, or float32 in the declared range. *Tensors* are floats (B, C, H, W) in [-1, 1]: the ends of
the range are -1 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Shaped, UInt8, UInt16
from PIL import Image
from torch import Tensor

from hwan.config import UNIT, Depth, PixelFormat, ValueRange
from hwan.errors import UsageError
from hwan.files import write_atomic
from hwan.imaging.codecs import ALPHA_NOTE, DecodedFile, holds, read, to_pil, write
from hwan.imaging.metadata import NO_METADATA, Metadata

# _: two Pixels of one signature may differ in size
Bytes: TypeAlias = UInt8[np.ndarray, "_h _w _c"]
Pixels: TypeAlias = (
    UInt8[np.ndarray, "_h _w _c"] | UInt16[np.ndarray, "_h _w _c"] | Float32[np.ndarray, "_h _w _c"]
)
RGB = PixelFormat()
DTYPES: dict[Depth, np.dtype] = {
    "8": np.dtype(np.uint8),
    "16": np.dtype(np.uint16),
    "float": np.dtype(np.float32),
}
FULL: dict[np.dtype, int] = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
LUMA = np.array([0.299, 0.587, 0.114])  # Rec. 601


@dataclass(frozen=True)
class Picture:
    """A decoded image: ``pixels`` (H, W, C), the file's own ``mode``, and ``notes`` on what decoding
    had to change ("alpha composited over white")."""

    pixels: Pixels
    mode: str
    notes: tuple[str, ...]


def decode(
    source: Path | bytes | Image.Image | np.ndarray, pixel_format: PixelFormat = RGB
) -> Picture:
    """Read any image as pixels of ``pixel_format``: a path, a file's bytes, a Pillow image or an array.

    Channels: as many as the pixel_format has are taken as they are. Else grey is repeated for 3; colour
    becomes grey (Rec. 601 luma) for 1; alpha is composited over white for either. EXIF orientation is
    applied, palettes are looked up, CMYK is converted without a profile; of an animation the first
    frame is taken.

    Depth: 16 bit becomes 8 by dividing by 257, 8 becomes 16 by multiplying; floats count as 0..1
    there. Of a float pixel_format the values are the file's own numbers, whatever its type; what is outside
    the range is clipped, unless it is further out than the range is wide: that is another unit.

    ``Picture.notes`` says what was changed, but for grey and colour. Raises ``UsageError`` for a file
    that is missing, broken or no image, and for one that cannot be meant: other channels, floats
    outside 0..1 for 8 or 16 bit, integers of another width there, values far outside the range.
    """
    name = str(source) if isinstance(source, Path) else "the image"
    decoded = _read(source, pixel_format.channels, name)
    values, noted = _with_channels(decoded, pixel_format, name)
    pixels, deep = _with_depth(values, decoded.mode, pixel_format, name)
    return Picture(pixels, decoded.mode, (*decoded.notes, *noted, *deep))


def inspect(source: Path) -> tuple[Picture, PixelFormat]:
    """The picture in the depth and with the channels it has, and the kind those are.

    8-bit grey and colour come as RGB. A float kind's range is the picture's own. Raises
    ``UsageError`` for a file that is missing, broken or no image.
    """
    decoded = _read(source, 3, str(source))
    values, dtype = decoded.values, decoded.values.dtype
    if dtype == np.uint8 and values.shape[2] == 1:  # not by Pillow
        values = values.repeat(3, axis=2)
    if dtype in FULL:
        return (
            Picture(values, decoded.mode, decoded.notes),
            PixelFormat(values.shape[2], "8" if dtype == np.uint8 else "16"),
        )
    try:
        pixels, notes = _floats(values)
        low, high = float(pixels.min()), float(pixels.max())
    except ValueError as error:
        raise _unreadable(str(source), error) from error
    kind = PixelFormat(values.shape[2], "float", (low, high if high > low else low + 1))
    return Picture(pixels, decoded.mode, (*decoded.notes, *notes)), kind


def _read(source: Path | bytes | Image.Image | np.ndarray, channels: int, name: str) -> DecodedFile:
    try:
        return read(source.read_bytes() if isinstance(source, Path) else source, channels)
    except Exception as error:
        # Pillow reports broken files by a dozen types, IndexError and TypeError among them; an
        # unreadable file is one kind of error here.
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: Exception) -> UsageError:
    reason = "not an image, or cut short" if "cannot identify" in str(error) else error
    fix = "replace or remove it"
    if "imagecodecs" in str(error):
        fix = "save it uncompressed or with Deflate, or pip install imagecodecs"
    return UsageError(f"{name} is a readable image", reason, fix)


def _with_channels(
    decoded: DecodedFile, pixel_format: PixelFormat, name: str
) -> tuple[np.ndarray, list[str]]:
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
        f"{name} has the channels of its domain",
        f"{have} x {values.dtype}, where the domain has {want} channels",
        "set --data.channels_a or channels_b to what the files have"
        + ("; arrays are (H, W, C)" if values.shape[0] == want else ""),
    )


def rounded(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Float values in a picture's dtype: integers are rounded to the nearest."""
    return (values.round() if dtype.kind in "ui" else values).astype(dtype)


def _with_depth(
    values: np.ndarray, mode: str, pixel_format: PixelFormat, name: str
) -> tuple[np.ndarray, list[str]]:
    """``values`` of any dtype in the kind's, and notes."""
    dtype = DTYPES[pixel_format.depth]
    if pixel_format.depth == "float":
        return _within(values, pixel_format.range, name)
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
        f"{name} has a depth that fits its domain's {pixel_format.depth} bit",
        f"{what} pixels outside [0, 1]" if what == "float" else f"{what} pixels, of unknown scale",
        "set --data.depth_a (or depth_b) float and --data.range_a to the range of the values",
    )


def _floats(values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    if not np.isfinite(values).all():
        raise ValueError("pixels that are no numbers (nan or infinite)")
    floats = values.astype(np.float32)
    exact = values.dtype.itemsize < 4 or bool((floats == values).all())
    return floats, [] if exact else ["rounded to 32-bit floats"]


def _within(values: np.ndarray, value_range: ValueRange, name: str) -> tuple[np.ndarray, list[str]]:
    (low, high), least, greatest = value_range, values.min(), values.max()
    try:
        floats, notes = _floats(values)
    except ValueError as error:
        raise _unreadable(name, error) from error
    if max(low - least, greatest - high) > high - low:
        raise UsageError(
            f"{name} has values in the range of its domain, {low:g} to {high:g}",
            f"values {least:g} to {greatest:g}, where the range is {low:g} to {high:g}",
            "set --data.range_a (or range_b) to what the values mean",
        )
    if least < low or greatest > high:
        floats = floats.clip(low, high)
        notes.append(f"values outside {low:g} to {high:g} clipped")
    return floats, notes


def encode(pixels: Pixels, suffix: str = ".png", tags: Metadata = NO_METADATA) -> bytes:
    """Pixels as an image file's bytes, in their own depth; ``suffix`` names the format.

    Raises ``UsageError`` for a format that does not hold them (JPEG for 16 bit).
    """
    return write(pixels, suffix, tags)


def suffix_for(pixel_format: PixelFormat, wanted: str = ".png") -> str:
    """``wanted`` where that format holds pictures of ``pixel_format``, else ".png", else ".tiff"."""
    for suffix in (wanted, ".png"):
        if holds(suffix, pixel_format.channels, DTYPES[pixel_format.depth]):
            return suffix
    return ".tiff"


def save(pixels: Pixels, path: Path, tags: Metadata = NO_METADATA) -> None:
    """Write pixels to ``path`` in the format of its suffix, never leaving half a file."""
    write_atomic(path, encode(pixels, path.suffix, tags))


def resize(pixels: Pixels, height: int, width: int) -> Pixels:
    """Bicubic, antialiased (Pillow's), as the reference code resizes.

    Other than 8-bit grey and RGB are resized channel by channel in float; floats stay within the
    picture's own extremes, so that no overshoot leaves their range.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    size = (width, height)
    if pixels.dtype == np.uint8 and pixels.shape[2] in (1, 3):
        out = np.array(to_pil(pixels).resize(size, Image.Resampling.BICUBIC))
        return out.reshape(height, width, pixels.shape[2])
    planes = [
        Image.fromarray(np.ascontiguousarray(pixels[:, :, c], np.float32))
        for c in range(pixels.shape[2])
    ]
    values = np.stack([np.array(p.resize(size, Image.Resampling.BICUBIC)) for p in planes], 2)
    least, greatest = (
        (0, FULL[pixels.dtype]) if pixels.dtype in FULL else (pixels.min(), pixels.max())
    )
    return rounded(values.clip(least, greatest), pixels.dtype)


def to_tensor(
    batch: Shaped[Tensor, "b h w c"], value_range: ValueRange = UNIT
) -> Float[Tensor, "b c h w"]:
    """Pixels (B, H, W, C) as floats (B, C, H, W) in [-1, 1], on the device they are on.

    uint8 counts as 0..255, uint16 as 0..65535, float32 as from ``value_range[0]`` to ``value_range[1]``.
    """
    values = batch.permute(0, 3, 1, 2).float()
    if batch.dtype == torch.uint8:
        return values / 127.5 - 1
    if batch.dtype == torch.uint16:
        return values / 32767.5 - 1
    low, high = value_range
    return (values - low) / ((high - low) / 2) - 1


def to_pixels(
    batch: Float[Tensor, "b c h w"], pixel_format: PixelFormat = RGB
) -> UInt8[np.ndarray, "b h w c"] | UInt16[np.ndarray, "b h w c"] | Float32[np.ndarray, "b h w c"]:
    """Floats (B, C, H, W) in [-1, 1] as pixels (B, H, W, C) in the kind's depth and range, whatever
    C is: integers rounded to the nearest, what is outside clipped.

    The reference code truncates instead, which darkens every image by half a level.
    """
    values = batch.detach().float().permute(0, 2, 3, 1)
    if pixel_format.depth == "float":
        low, high = pixel_format.range
        floats: np.ndarray = (
            ((values + 1) * ((high - low) / 2) + low).clamp(low, high).cpu().numpy()
        )
        return floats
    half = FULL[DTYPES[pixel_format.depth]] / 2
    levels = ((values + 1) * half).round().clamp(0, 2 * half)
    # By way of int32: torch converts nothing but a copy to uint16 on every device.
    whole = levels.to(torch.uint8 if pixel_format.depth == "8" else torch.int32).cpu().numpy()
    return whole.astype(DTYPES[pixel_format.depth], copy=False)


def to_unit(pixels: Pixels, pixel_format: PixelFormat) -> Float64[np.ndarray, "_h _w _c"]:
    """Pixels with their range mapped to 0..1, in double precision."""
    low, high = pixel_format.range if pixel_format.depth == "float" else (0, FULL[pixels.dtype])
    return (pixels - np.float64(low)) / (high - low)


def from_unit(values: Float64[np.ndarray, "_h _w _c"], pixel_format: PixelFormat) -> Pixels:
    """The inverse of ``to_unit``: integers rounded to the nearest, what is outside clipped."""
    dtype = DTYPES[pixel_format.depth]
    low, high = pixel_format.range if pixel_format.depth == "float" else (0, FULL[dtype])
    return rounded((values * (high - low) + low).clip(low, high), dtype)


def view(pixels: Pixels, pixel_format: PixelFormat) -> Bytes:
    """What a screen shows of pixels, (H, W, 1 or 3) uint8: the range as 0..255, and of more than 3
    channels the first three as red, green and blue, of 2 the first. 8-bit grey and RGB as they are."""
    if pixel_format.depth != "8":
        pixels = from_unit(to_unit(pixels, pixel_format), PixelFormat())
    channels = pixels.shape[2]
    return pixels if channels in (1, 3) else pixels[:, :, : 1 if channels == 2 else 3]


def grid(rows: Sequence[Sequence[Bytes]], gap: int = 2) -> Bytes:
    """Equal-sized pictures as one sheet, ``gap`` white pixels apart; grey in colour is widened."""
    height, width, _ = rows[0][0].shape
    channels = max(cell.shape[2] for row in rows for cell in row)
    sheet = np.full(
        (len(rows) * (height + gap) + gap, len(rows[0]) * (width + gap) + gap, channels),
        255,
        np.uint8,
    )
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            y, x = gap + i * (height + gap), gap + j * (width + gap)
            sheet[y : y + height, x : x + width] = cell
    return sheet
