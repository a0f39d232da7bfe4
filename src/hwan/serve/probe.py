"""An uploaded file's size by its header, checked before anything is decoded."""

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
from hwan.serve.refusals import Refused

# What a stranger's file may be opened as. Pillow reads forty more formats, one of which (EPS) starts
# another program.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")


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
            # Our own limits are below those that Pillow warns of.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                with Image.open(io.BytesIO(data), formats=FORMATS) as file:
                    shape = file.height, file.width
    except Image.DecompressionBombError as error:  # Pillow's own bound, far above any of ours
        raise Refused(413, "an image that fits in memory", error, "send a smaller one") from error
    except Exception as error:  # a broken header is reported by a dozen types of error
        expected = "a PNG, JPEG, WebP, BMP, GIF, TIFF or NPY file"
        found = "bytes that are none of these, or a broken header" if data else "no bytes"
        fix = "send the file's bytes as the body, or as the one file of a form"
        raise UsageError(expected, found, fix) from error
    require(min(shape) > 0, "a picture with pixels", shape, "send another file")
    return shape


def _npy_shape(data: bytes) -> tuple[int, int]:
    file = io.BytesIO(data)
    first = np.lib.format.read_magic(file) == (1, 0)
    headers = np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0
    shape, _, dtype = headers[0 if first else 1](file)
    if len(shape) not in (2, 3) or math.prod(shape) * dtype.itemsize > len(data):
        raise ValueError(shape)
    return shape[0], shape[1]


def _tiff_shape(data: bytes, channels: int) -> tuple[int, int]:
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        series = file.series[0]
        page = file.pages.first
        size = page.imagelength, page.imagewidth
        if math.prod(series.shape) > math.prod(size) * max(4, channels):
            raise ValueError(series.shape)  # a stack, all of which the decoder would read
        return size


def padded_size(size: tuple[int, ...], config: GeneratorConfig, limits: Limits) -> tuple[int, int]:
    """The (height, width) at which a network reads an image of ``size``.

    Raises ``Refused`` (413) for more pixels than the server takes, before or after padding.
    """
    height, width = (padded_side(side, *config.sizes) for side in size)
    if max(math.prod(size), height * width) > limits.pixels:
        padded = "" if size == (height, width) else f", padded {width} x {height}"
        expected = f"an image of at most {limits.pixels} pixels, padded to what the network takes"
        fix = "send a smaller one, or start the server with a larger --limits.pixels"
        raise Refused(413, expected, f"{size[1]} x {size[0]}{padded}", fix)
    return height, width
