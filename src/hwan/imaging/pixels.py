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

from hwan.config import UNIT, PixelFormat, ValueRange
from hwan.files import write_atomic
from hwan.imaging.codecs import DecodedFile, holds, read, to_pil
from hwan.imaging.codecs import encode as encode
from hwan.imaging.depths import DTYPES as DTYPES
from hwan.imaging.depths import FULL as FULL
from hwan.imaging.depths import LUMA as LUMA
from hwan.imaging.depths import as_floats, unreadable, with_channels, with_depth
from hwan.imaging.depths import rounded as rounded
from hwan.imaging.metadata import NO_METADATA, Metadata

# _: two Pixels of one signature may differ in size
Bytes: TypeAlias = UInt8[np.ndarray, "_h _w _c"]
Pixels: TypeAlias = (
    UInt8[np.ndarray, "_h _w _c"] | UInt16[np.ndarray, "_h _w _c"] | Float32[np.ndarray, "_h _w _c"]
)
RGB = PixelFormat()


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

    Channels: a file with as many as ``pixel_format`` keeps them. Else grey is repeated for 3 channels;
    colour becomes grey (Rec. 601 luma) for 1; alpha is composited over white for either. EXIF orientation
    is applied, palettes are looked up, CMYK is converted without a profile; an animation gives its first
    frame.

    Depth: 16 bit becomes 8 by dividing by 257, 8 becomes 16 by multiplying; there, floats count as 0..1.
    With a float ``pixel_format`` the values are the file's own numbers, whatever its type. Values outside
    the range are clipped; values further outside than the range is wide are refused, as another unit.

    ``Picture.notes`` says what was changed, but for grey and colour. Raises ``UsageError`` for a file
    that is missing, broken or no image, and for one that cannot be meant: other channels, floats
    outside 0..1 for 8 or 16 bit, integers of another width there, values far outside the range.
    """
    name = str(source) if isinstance(source, Path) else "the image"
    decoded = read_any(source, pixel_format.channels, name)
    values, noted = with_channels(decoded, pixel_format, name)
    pixels, deep = with_depth(values, decoded.mode, pixel_format, name)
    return Picture(pixels, decoded.mode, (*decoded.notes, *noted, *deep))


def inspect(source: Path) -> tuple[Picture, PixelFormat]:
    """The picture in its own depth and channels, and the ``PixelFormat`` that says which they are.

    8-bit grey and colour come as RGB. The range of floats is the picture's own. Raises
    ``UsageError`` for a file that is missing, broken or no image.
    """
    decoded = read_any(source, 3, str(source))
    values, notes = decoded.values, list[str]()
    low, high = UNIT
    if values.dtype == np.uint8 and values.shape[2] == 1:  # not by Pillow
        values = values.repeat(3, axis=2)
    if values.dtype not in FULL:
        values, notes = as_floats(values, str(source))
        low, high = float(values.min()), float(values.max())
    depth = next(depth for depth, dtype in DTYPES.items() if dtype == values.dtype)
    found = PixelFormat(values.shape[2], depth, (low, high if high > low else low + 1))
    return Picture(values, decoded.mode, (*decoded.notes, *notes)), found


def read_any(
    source: Path | bytes | Image.Image | np.ndarray, channels: int, name: str
) -> DecodedFile:
    """What ``source`` holds, as ``codecs.read`` gives it. Raises ``UsageError``, which calls it ``name``,
    for one that is missing, broken or no image."""
    try:
        return read(source.read_bytes() if isinstance(source, Path) else source, channels)
    except Exception as error:
        # Pillow reports broken files by a dozen types, IndexError and TypeError among them; an
        # unreadable file is one kind of error here.
        raise unreadable(name, error) from error


def suffix_for(pixel_format: PixelFormat, wanted: str = ".png") -> str:
    """``wanted`` where that format holds pictures of ``pixel_format``, else ".png", else ".tiff"."""
    channels, dtype = pixel_format.channels, DTYPES[pixel_format.depth]
    return next(suffix for suffix in (wanted, ".png", ".tiff") if holds(suffix, channels, dtype))


def save(pixels: Pixels, path: Path, tags: Metadata = NO_METADATA) -> None:
    """Write pixels to ``path`` in the format of its suffix, never leaving half a file."""
    write_atomic(path, encode(pixels, path.suffix, tags))


def resize(pixels: Pixels, height: int, width: int, area: bool = False) -> Pixels:
    """Bicubic, antialiased (Pillow's), as the reference code resizes. With ``area`` a smaller image has the
    means of the areas that its pixels cover, a larger one the nearest pixels: for masks.

    Other than 8-bit grey and RGB are resized channel by channel in float; floats stay within the
    picture's own extremes, so that no overshoot leaves their range.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    size, way = (width, height), Image.Resampling.BOX if area else Image.Resampling.BICUBIC
    if pixels.dtype == np.uint8 and pixels.shape[2] in (1, 3):
        return np.atleast_3d(np.array(to_pil(pixels).resize(size, way)))
    planes = np.ascontiguousarray(np.moveaxis(pixels, 2, 0), np.float32)
    values = np.stack([np.array(Image.fromarray(plane).resize(size, way)) for plane in planes], 2)
    ends = (0, FULL[pixels.dtype]) if pixels.dtype in FULL else (pixels.min(), pixels.max())
    return rounded(values.clip(*ends), pixels.dtype)


def to_tensor(
    batch: Shaped[Tensor, "b h w c"], value_range: ValueRange = UNIT
) -> Float[Tensor, "b c h w"]:
    """Pixels (B, H, W, C) as floats (B, C, H, W) in [-1, 1], on the device they are on.

    uint8 counts as 0..255, uint16 as 0..65535, float32 as from ``value_range[0]`` to ``value_range[1]``.
    """
    whole = {torch.uint8: (0, 255), torch.uint16: (0, 65535)}
    low, high = whole.get(batch.dtype, value_range)
    return (batch.permute(0, 3, 1, 2).float() - low) / ((high - low) / 2) - 1


def to_pixels(
    batch: Float[Tensor, "b c h w"], pixel_format: PixelFormat = RGB
) -> UInt8[np.ndarray, "b h w c"] | UInt16[np.ndarray, "b h w c"] | Float32[np.ndarray, "b h w c"]:
    """Floats (B, C, H, W) in [-1, 1] as pixels (B, H, W, C) in the depth and range of
    ``pixel_format``, whatever C is: integers rounded to the nearest, what is outside clipped.

    The reference code truncates instead, which darkens every image by half a level.
    """
    low, high = ends(pixel_format)
    values = (batch.detach().float().permute(0, 2, 3, 1) + 1) * ((high - low) / 2)
    if pixel_format.depth == "float":
        floats: np.ndarray = (values + low).clamp(low, high).cpu().numpy()
        return floats
    # By way of int32: torch converts nothing but a copy to uint16 on every device.
    whole = torch.uint8 if pixel_format.depth == "8" else torch.int32
    levels = values.round().clamp(0, high).to(whole).cpu().numpy()
    return levels.astype(DTYPES[pixel_format.depth], copy=False)


def ends(pixel_format: PixelFormat) -> tuple[float, float]:
    """The least and the greatest value that pixels may have."""
    dtype = DTYPES[pixel_format.depth]
    return (0.0, float(FULL[dtype])) if dtype in FULL else pixel_format.range


def to_unit(pixels: Pixels, pixel_format: PixelFormat) -> Float64[np.ndarray, "_h _w _c"]:
    """Pixels with their range mapped to 0..1, in double precision."""
    low, high = ends(pixel_format)
    return (pixels - np.float64(low)) / (high - low)


def from_unit(values: Float64[np.ndarray, "_h _w _c"], pixel_format: PixelFormat) -> Pixels:
    """The inverse of ``to_unit``: integers rounded to the nearest, what is outside clipped."""
    low, high = ends(pixel_format)
    return rounded((values * (high - low) + low).clip(low, high), DTYPES[pixel_format.depth])


def for_display(pixels: Pixels, pixel_format: PixelFormat) -> Bytes:
    """What a screen shows of pixels, (H, W, 1 or 3) uint8: the range as 0..255, and of more than 3
    channels the first three as red, green and blue, of 2 the first. 8-bit grey and RGB as they are."""
    if pixel_format.depth != "8":
        pixels = from_unit(to_unit(pixels, pixel_format), PixelFormat())
    channels = pixels.shape[2]
    return pixels if channels in (1, 3) else pixels[:, :, : 1 if channels == 2 else 3]


def grid(rows: Sequence[Sequence[Bytes]], gap: int = 2) -> Bytes:
    """Equal-sized pictures as one sheet, ``gap`` white pixels apart; grey in colour is widened."""
    height, width = (side + gap for side in rows[0][0].shape[:2])
    channels = max(cell.shape[2] for row in rows for cell in row)
    shape = (len(rows) * height + gap, len(rows[0]) * width + gap, channels)
    sheet = np.full(shape, 255, np.uint8)
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            y, x = gap + i * height, gap + j * width
            sheet[y : y + height - gap, x : x + width - gap] = cell
    return sheet
