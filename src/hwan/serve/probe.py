"""An uploaded file's size by its header, judged before anything is decoded."""

from __future__ import annotations

import io
import math
import warnings

import numpy as np
from PIL import Image

from hwan.config import GeneratorConfig
from hwan.errors import UsageError, require
from hwan.imaging.codecs import NPY, TIFF
from hwan.inference.padding import padded_side
from hwan.serve.limits import Limits

# What a stranger's file may be opened as. Pillow reads forty more formats, one of which (EPS) starts
# another program.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")


class TooLarge(UsageError):
    """More bytes or pixels than the server takes (413)."""


def probe(data: bytes, channels: int) -> tuple[int, int]:
    """Height and width by a file's header alone; nothing is decoded, so a bomb costs nothing.

    ``channels`` is how many the model reads. Raises ``UsageError`` for what is no image of a format
    that the server reads, and for TIFF and NPY files that declare more than one picture's worth.
    """
    try:
        if data.startswith(NPY):
            shape = _npy_shape(data)
        elif data.startswith(TIFF):
            shape = _tiff_shape(data, channels)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # limits judge
                with Image.open(io.BytesIO(data), formats=FORMATS) as file:
                    shape = file.height, file.width
    except Image.DecompressionBombError as error:  # Pillow's own bound, far above any of ours
        raise TooLarge(
            "an image has pixels that a memory holds", error, "send a smaller one"
        ) from error
    except Exception as error:  # a broken header is reported by a dozen types of error
        raise UsageError(
            "a picture is a PNG, JPEG, WebP, BMP, GIF, TIFF or NPY file",
            "bytes that are none of these, or a broken header" if data else "no bytes",
            "send the file's bytes as the body, or as the one file of a form",
        ) from error
    require(min(shape) > 0, "a picture has pixels", shape, "send another file")
    return shape


def _npy_shape(data: bytes) -> tuple[int, int]:
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version[0] == 1 else _npy_2
    shape, _, dtype = read(file)
    if len(shape) not in (2, 3) or math.prod(shape) * dtype.itemsize > len(data):
        raise ValueError(shape)
    return shape[0], shape[1]


def _npy_2(file: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    return np.lib.format.read_array_header_2_0(file)


def _tiff_shape(data: bytes, channels: int) -> tuple[int, int]:
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        series = file.series[0]
        page = file.pages.first
        height, width = page.imagelength, page.imagewidth
        if math.prod(series.shape) > height * width * max(4, channels):
            raise ValueError(series.shape)  # a stack, all of which the decoder would read
        return height, width


def padded_size(size: tuple[int, int], config: GeneratorConfig) -> tuple[int, int]:
    """The (height, width) at which a network reads an image of ``size``."""
    height, width = (padded_side(side, *config.sizes) for side in size)
    return height, width


def check_pixels(size: tuple[int, int], padded: tuple[int, int], limits: Limits) -> None:
    """Raise ``TooLarge`` for more pixels than the server takes."""
    if max(math.prod(size), math.prod(padded)) > limits.pixels:
        raise TooLarge(
            f"an image has at most {limits.pixels} pixels, once padded to what the network takes",
            f"{size[1]} x {size[0]}"
            + ("" if size == padded else f", padded {padded[1]} x {padded[0]}"),
            "send a smaller one, or start the server with a larger --limits.pixels",
        )
