"""What a file says of its picture besides the pixels, carried over to the translation: EXIF and ICC."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import ExifTags, Image

LAYOUT = frozenset(  # how a TIFF stores its own pixels, which is not how another file stores others
    (254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 297, 317, 320, 322, 323, 324,
     325, 330, 338, 339, 347, 512, 513, 514, 529, 530, 531, 532, 700, 34675)
)  # fmt: skip
LONGEST = 65_533 - 6  # of EXIF in a JPEG, after its six letters
SPACES = {b"GRAY": 1, b"RGB ": 3}  # an ICC profile's colour space, and the channels it is of


@dataclass(frozen=True)
class Metadata:
    """EXIF and ICC profile as bytes; empty where there is none."""

    exif: bytes = b""
    icc: bytes = b""


NO_METADATA = Metadata()


def read_metadata(data: bytes) -> Metadata:
    """EXIF and ICC of an image file's bytes (none where Pillow finds none, or no image).

    Orientation is left out, since decoding applies it; so are the stored sizes, the thumbnail and
    XMP, which describe the picture as it was. Place, time and camera stay.
    """
    try:
        with Image.open(io.BytesIO(data)) as file:
            exif, icc = file.getexif(), file.info.get("icc_profile") or b""
            for tag in [*LAYOUT, ExifTags.Base.Orientation]:
                exif.pop(tag, None)
            inner = exif.get_ifd(ExifTags.IFD.Exif)
            for size in (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight):
                inner.pop(size, None)
            return Metadata(exif.tobytes() if len(exif) else b"", bytes(icc))
    except Exception:  # broken tags by a dozen types of error; the picture itself may be well
        return Metadata()


def options(tags: Metadata, file_format: str, channels: int) -> dict[str, bytes]:
    """What Pillow's writer of ``file_format`` takes of ``tags`` for a picture of ``channels``.

    An ICC profile of another number of channels (grey to colour, CMYK) would be wrong and is left out.
    """
    found = {}
    if tags.exif and not (file_format == "JPEG" and len(tags.exif) > LONGEST):
        found["exif"] = tags.exif
    if SPACES.get(tags.icc[16:20]) == channels:
        found["icc_profile"] = tags.icc
    return found
