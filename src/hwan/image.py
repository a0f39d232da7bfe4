"""Bytes <-> pixels <-> tensors: the only place that knows ranges, modes, depths and EXIF.

*Pixels* are uint8 arrays (H, W, C) with C 1 or 3; *tensors* are floats (B, C, H, W) in [-1, 1].
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from hwan.errors import UsageError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
WRITERS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
Pixels = UInt8[np.ndarray, "_h _w _c"]  # _: two Pixels of one signature may differ in size


@dataclass(frozen=True)
class Picture:
    """A decoded image: ``pixels`` (H, W, C) uint8, the file's own ``mode``, and ``notes`` on what
    decoding had to change ("alpha composited over white")."""

    pixels: Pixels
    mode: str
    notes: tuple[str, ...]


def decode(source: Path | bytes | Image.Image, channels: int = 3) -> Picture:
    """Read an image of any mode as 8-bit pixels with ``channels`` 1 (grey) or 3 (RGB).

    EXIF orientation is applied; alpha is composited over white; palettes are looked up; CMYK is
    converted without a colour profile; 16-bit values are divided by 257; of an animation the first
    frame is taken. ``Picture.notes`` says which of these happened. Grey is Rec. 601 luma.

    Raises ``UsageError`` for a file that is missing, broken, or no image.
    """
    if channels not in (1, 3):
        raise UsageError("channels is 1 (grey) or 3 (colour)", channels, "give 1 or 3")
    name = str(source) if isinstance(source, Path) else "the image"
    try:
        if isinstance(source, Image.Image):
            return _normalise(source, channels)
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as file:
            return _normalise(file, channels)
    except Exception as error:
        # Pillow reports broken files by a dozen types, IndexError and TypeError among them; an
        # unreadable file is one kind of error here.
        reason = "not an image, or cut short" if "cannot identify" in str(error) else error
        raise UsageError(f"{name} is a readable image", reason, "replace or remove it") from error


def _normalise(file: Image.Image, channels: int) -> Picture:
    mode, notes = file.mode, []
    if getattr(file, "n_frames", 1) > 1:  # only some of Pillow's classes have frames
        notes.append("first frame of an animation")
    if file.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9):  # before Pillow removes it
        notes.append("turned by its EXIF orientation")
    image = ImageOps.exif_transpose(file)
    if mode.startswith("I"):
        notes.append("16 bit reduced to 8")
        wide = np.asarray(image).astype(np.float64)
        image = Image.fromarray((wide / 257).round().clip(0, 255).astype(np.uint8))
    elif mode == "F":
        notes.append("float in [0, 1] reduced to 8 bit")
        values = np.asarray(image)
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise ValueError("float pixels outside [0, 1]")
        image = Image.fromarray((values * 255).round().astype(np.uint8))
    elif image.has_transparency_data:
        notes.append("alpha composited over white")
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    elif mode == "CMYK":
        notes.append("CMYK converted without a profile")
    array = np.array(image.convert("RGB" if channels == 3 else "L"))
    return Picture(array.reshape(*array.shape[:2], channels), mode, tuple(notes))


def encode(pixels: Pixels, suffix: str = ".png") -> bytes:
    """Pixels as an image file's bytes; ``suffix`` names the format. JPEG and WebP at quality 95."""
    if suffix.lower() not in WRITERS:
        raise UsageError("an output format is one of " + ", ".join(WRITERS), suffix, "use .png")
    out = io.BytesIO()
    to_pil(pixels).save(out, WRITERS[suffix.lower()], quality=95)
    return out.getvalue()


def save(pixels: Pixels, path: Path) -> None:
    """Write pixels to ``path`` in the format of its suffix, never leaving half a file."""
    write_atomic(path, encode(pixels, path.suffix))


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` under a temporary name, flush it to the disk, then rename it to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def to_pil(pixels: Pixels) -> Image.Image:
    """Pixels as a Pillow image, mode L or RGB."""
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def resize(pixels: Pixels, height: int, width: int) -> Pixels:
    """Bicubic, antialiased (Pillow's), as the reference code resizes."""
    if pixels.shape[:2] == (height, width):
        return pixels
    out = np.array(to_pil(pixels).resize((width, height), Image.Resampling.BICUBIC))
    return out.reshape(height, width, pixels.shape[2])


def to_tensor(batch: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b c h w"]:
    """Pixels (B, H, W, C) in 0..255 as floats (B, C, H, W) in [-1, 1]."""
    return batch.permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pixels(batch: Float[Tensor, "b c h w"]) -> UInt8[np.ndarray, "b h w c"]:
    """Floats (B, C, H, W) in [-1, 1] as pixels (B, H, W, C), rounded to the nearest.

    The reference code truncates instead, which darkens every image by half a level.
    """
    scaled = ((batch.detach().float() + 1) * 127.5).round().clamp(0, 255)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def grid(rows: Sequence[Sequence[Pixels]], gap: int = 2) -> Pixels:
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
