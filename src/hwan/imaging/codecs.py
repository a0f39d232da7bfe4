"""Image files <-> arrays as they are stored: the only place that knows formats, modes and EXIF.

Pillow reads and writes all it can without loss, tifffile the other TIFFs, numpy NPY. What 16-bit
colour PNG needs besides Pillow is here.
"""

from __future__ import annotations

import io
import logging
import re
import struct
import sys
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, TiffImagePlugin, UnidentifiedImageError

from hwan.errors import require
from hwan.imaging.metadata import NO_METADATA, Metadata, options

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "NPY")
WRITERS = {".jpg": "JPEG", ".tif": "TIFF"} | {f".{name.lower()}": name for name in FORMATS}
SUFFIXES = frozenset({*WRITERS, ".gif"})
NPY = b"\x93NUMPY"
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
BITS_PER_SAMPLE, SAMPLES_PER_PIXEL, PLANAR = 258, 277, 284  # TIFF tags
ALPHA_NOTE = "alpha composited over white"
TURNED_NOTE = "turned by its EXIF orientation"

# Pillow keeps only the high byte of a 16-bit colour value. Given the other byte order, it keeps the low byte.
LOW_BYTE = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it logs of a file, it also raises


@dataclass(frozen=True)
class DecodedFile:
    """A file's picture: ``values`` (H, W, C) of any real dtype, upright; its ``mode``; whether the
    last channel is ``alpha``; ``notes`` on what reading had to change."""

    values: np.ndarray
    mode: str
    alpha: bool = False
    notes: tuple[str, ...] = ()


def read(source: bytes | Image.Image | np.ndarray, channels: int) -> DecodedFile:
    """The picture in a file's bytes, or in memory.

    Where ``channels`` is 1 or 3, 8-bit pictures come as grey or RGB, alpha composited over white;
    otherwise with the channels they have. A TIFF of more than three one-channel pages, as many as
    ``channels``, is read as those channels. Raises all that Pillow, tifffile and numpy raise.
    """
    if isinstance(source, np.ndarray):
        return _array(source)
    if isinstance(source, Image.Image):
        return _pillow(source, channels)
    if source.startswith(NPY):
        return _array(np.load(io.BytesIO(source), allow_pickle=False))
    try:
        with Image.open(io.BytesIO(source)) as file:
            if mode := _deep_mode(file):
                return _sixteen_bit_colour(source, mode, _orientation(file))
            if not (isinstance(file, TiffImagePlugin.TiffImageFile) and _beyond(file, channels)):
                return _pillow(file, channels)
    except UnidentifiedImageError:
        if not source.startswith(TIFF):
            raise
    return _tiff(source, channels)


def _array(values: np.ndarray) -> DecodedFile:
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * np.uint8(255)
    if values.ndim not in (2, 3) or not values.size or values.dtype.kind not in "uif":
        raise ValueError(f"{values.dtype} of shape {values.shape}; pictures are numbers (H, W, C)")
    native = np.ascontiguousarray(np.atleast_3d(values), values.dtype.newbyteorder("="))
    return DecodedFile(native, f"{native.shape[2]} x {native.dtype}")


def _pillow(file: Image.Image, channels: int) -> DecodedFile:
    mode, notes = file.mode, _turned(_orientation(file))  # before Pillow removes it
    if getattr(file, "n_frames", 1) > 1:  # only some of Pillow's classes have frames
        notes.insert(0, "first frame of an animation")
    image = ImageOps.exif_transpose(file)
    if mode.startswith("I") or mode == "F":
        return DecodedFile(_array(np.array(image)).values, mode, notes=tuple(notes))
    plain, alpha = {1: "L", 3: "RGB"}.get(channels), image.has_transparency_data
    if alpha and plain:
        notes.append(ALPHA_NOTE)
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    elif mode == "CMYK":
        notes.append("CMYK converted without a profile")
    opaque, clear = "L" if mode in ("1", "L") else "RGB", "LA" if mode == "LA" else "RGBA"
    array = np.atleast_3d(np.array(image.convert(plain or (clear if alpha else opaque))))
    return DecodedFile(array, mode, alpha and not plain, tuple(notes))


def _orientation(file: Image.Image) -> int:
    return int(file.getexif().get(ExifTags.Base.Orientation, 1))


def _turned(orientation: int) -> list[str]:
    return [TURNED_NOTE] if orientation in range(2, 9) else []


def _deep_mode(file: ImageFile.ImageFile) -> str:
    """The raw mode of a file of whose 16-bit values Pillow would keep one byte each; "" of others."""
    if isinstance(file, TiffImagePlugin.TiffImageFile) and file.tag_v2.get(PLANAR, 1) == 2:
        return ""  # libtiff would give it band by band, in another mode
    modes = [str(tile.args[0] if isinstance(tile.args, tuple) else tile.args) for tile in file.tile]
    deep = all(re.fullmatch(r"(RGBA?|LA);16[BLN]", mode) for mode in modes)
    return modes[0] if modes and deep else ""


def _sixteen_bit_colour(data: bytes, mode: str, orientation: int) -> DecodedFile:
    """A 16-bit RGB, RGBA or grey-and-alpha file, decoded twice by Pillow, one byte of a value each."""
    if mode.startswith("LA"):  # the four bytes of a pixel, big-endian (PNG), as if they were RGBA
        four = _decode_as(data, "RGBA").astype(np.uint16)
        values = four[:, :, ::2] << 8 | four[:, :, 1::2]
    else:
        high, low = (_decode_as(data, raw) for raw in (mode, mode[:-1] + LOW_BYTE[mode[-1]]))
        values = high.astype(np.uint16) << 8 | low
    alpha = mode.split(";")[0][-1] == "A"
    return DecodedFile(values, mode[:-1], alpha, tuple(_turned(orientation)))


def _decode_as(data: bytes, rawmode: str) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as file:
        for i, tile in enumerate(file.tile):
            args = (rawmode, *tile.args[1:]) if isinstance(tile.args, tuple) else rawmode
            file.tile[i] = tile._replace(args=args)
        # Pillow turns TIFFs while loading, and takes the orientation away.
        return _upright(np.array(file), _orientation(file))


def _upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, C) turned as EXIF says."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    rows, columns = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(values[:: -1 if rows else 1, :: -1 if columns else 1])


def _beyond(file: TiffImagePlugin.TiffImageFile, channels: int) -> bool:
    """Whether Pillow would lose some of this TIFF."""
    samples = file.tag_v2.get(SAMPLES_PER_PIXEL, 1)
    deep = max(file.tag_v2.get(BITS_PER_SAMPLE, (1,))) > 8
    stack = channels > 3 and file.n_frames == channels
    return stack or (samples > 1 and (deep or samples != len(file.getbands())))


def _tiff(data: bytes, channels: int) -> DecodedFile:
    import tifffile  # 0.1 s, which most data sets need not pay

    notes = []
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        series = file.series[0]
        page = file.pages.first
        orientation = page.tags.valueof(ExifTags.Base.Orientation, 1)
        alpha = tuple(page.extrasamples) == (2,)  # unassociated: not multiplied into the colours
        values, axes = series.asarray(), series.axes
    for axis in [axis for axis in axes if axis not in "YXS"]:  # pages, slices, times
        count = values.shape[axes.index(axis)]
        if channels > 3 and count == channels and "S" not in axes:
            axes = axes.replace(axis, "S")
            continue
        if count > 1:
            notes.append(f"first of {count} pages")
        values, axes = values.take(0, axes.index(axis)), axes.replace(axis, "", 1)
    if "S" not in axes:
        values, axes = values[..., None], axes + "S"
    values = np.moveaxis(values, [axes.index(axis) for axis in "YXS"], (0, 1, 2))
    decoded, notes = _array(values), notes + _turned(orientation)
    return DecodedFile(_upright(decoded.values, orientation), decoded.mode, alpha, tuple(notes))


def holds(suffix: str, channels: int, dtype: np.dtype) -> bool:
    """Whether the format of ``suffix`` keeps pictures of so many channels of ``dtype``.

    TIFF and NPY hold any; PNG 8 and 16 bit, the others 8 bit, of 1 or 3 channels. (JPEG and WebP
    lose some of it all the same.)
    """
    file_format = WRITERS[suffix.lower()]
    depths = (np.uint8, np.uint16) if file_format == "PNG" else (np.uint8,)
    return file_format in ("TIFF", "NPY") or (channels in (1, 3) and dtype in depths)


def encode(pixels: np.ndarray, suffix: str = ".png", tags: Metadata = NO_METADATA) -> bytes:
    """Pixels (H, W, C) of uint8, uint16 or float32 as a file's bytes, in the format of ``suffix``,
    with the ``tags`` that the format has a place for.

    JPEG and WebP at quality 95. Raises ``UsageError`` for a format that does not hold them.
    """
    known = f"an output format of {', '.join(WRITERS)}"
    require(suffix.lower() in WRITERS, known, suffix, "use .png")
    file_format, channels = WRITERS[suffix.lower()], pixels.shape[2]
    bits = "8 or 16 bit" if file_format == "PNG" else "8 bit"
    wanted, received = f"1 or 3 channels of {bits} in {suffix}", f"{channels} x {pixels.dtype}"
    fix = "use .tiff or .npy, or .png of 16-bit grey and RGB"
    require(holds(suffix, channels, pixels.dtype), wanted, received, fix)
    out, more = io.BytesIO(), options(tags, file_format, channels)
    flat = pixels[:, :, 0] if channels == 1 else pixels
    if file_format == "NPY":
        np.save(out, flat, allow_pickle=False)
    elif pixels.dtype == np.uint8 and channels in (1, 3):
        to_pil(pixels).save(out, file_format, quality=95, **more)
    elif file_format == "PNG":
        return _png16(pixels, more)
    else:
        import tifffile

        tifffile.imwrite(
            out,
            flat,
            photometric="rgb" if channels == 3 else "minisblack",
            planarconfig="contig" if channels > 1 else None,
            extrasamples=[0] * (channels - 1) if channels not in (1, 3) else None,
            compression="zlib",
            metadata=None,
            iccprofile=more.get("icc_profile"),
        )
    return out.getvalue()


def _png16(pixels: np.ndarray, more: dict[str, bytes]) -> bytes:
    """Grey or RGB uint16 as a PNG: big-endian rows, each filtered by the one above (type 2, "up")."""
    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels, ">u2").reshape(height, -1).view(np.uint8)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    lines = np.hstack([np.full((height, 1), 2, np.uint8), rows - above])  # modulo 256
    header = struct.pack(">IIBBBBB", width, height, 16, 0 if channels == 1 else 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b"")]
    if "icc_profile" in more:
        chunks.insert(1, (b"iCCP", b"ICC profile\0\0" + zlib.compress(more["icc_profile"])))
    if "exif" in more:
        chunks.insert(1, (b"eXIf", more["exif"].removeprefix(b"Exif\0\0")))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def to_pil(pixels: np.ndarray) -> Image.Image:
    """Pixels (H, W, C) as a Pillow image: mode L or RGB of 8 bit, I;16 or F of one deeper channel.

    Raises ``UsageError`` for what Pillow has no mode for.
    """
    channels = pixels.shape[2]
    fits = channels == 1 or (channels == 3 and pixels.dtype == np.uint8)
    wanted, received = "1 channel or 8-bit RGB for a Pillow image", f"{channels} x {pixels.dtype}"
    require(fits, wanted, received, "take the array instead, or write the file")
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
