"""Any number of channels, 8 and 16 bit and float: exact in files, exact through tensors, or refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, get_args

import numpy as np
import png  # type: ignore[import-untyped]  # pypng: another implementation to hold ours against
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from hwan.config import DataConfig, Depth, PixelFormat
from hwan.errors import UsageError
from hwan.imaging import pixels as image
from hwan.imaging.codecs import WRITERS, holds
from hwan.imaging.pixels import (
    DTYPES,
    decode,
    encode,
    for_display,
    from_unit,
    inspect,
    resize,
    to_unit,
)

RNG = np.random.default_rng(0)
CT = (-1000.0, 2000.0)


@st.composite
def pictures(
    draw: st.DrawFn, channels: tuple[int, ...] = (1, 2, 3, 4, 5, 7)
) -> tuple[Any, PixelFormat]:
    """Pixels of a kind, and the kind."""
    depth: Depth = draw(st.sampled_from(get_args(Depth)))
    limits = draw(st.sampled_from([(0.0, 1.0), CT, (0.1, 0.3)])) if depth == "float" else (0.0, 1.0)
    kind = PixelFormat(draw(st.sampled_from(channels)), depth, limits)
    shape = (draw(st.integers(1, 12)), draw(st.integers(1, 12)), kind.channels)
    low, high = (np.float32(x).item() for x in limits)
    elements = st.floats(low, high, width=32) if depth == "float" else None
    return draw(npst.arrays(DTYPES[depth], shape, elements=elements)), kind


def tiff(values: np.ndarray, **options: Any) -> bytes:
    out = io.BytesIO()
    planes = "contig" if values.ndim == 3 else None
    options = {"photometric": "minisblack", "planarconfig": planes, **options}
    tifffile.imwrite(out, values, **options)
    return out.getvalue()


def npy(values: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


def pypng(values: np.ndarray, interlace: bool = False) -> bytes:
    height, width, channels = values.shape
    out = io.BytesIO()
    writer = png.Writer(
        width, height, greyscale=channels < 3, alpha=channels % 2 == 0, bitdepth=16,
        interlace=interlace,
    )  # fmt: skip
    writer.write(out, values.reshape(height, -1).tolist())
    return out.getvalue()


@pytest.mark.parametrize("suffix", sorted(set(WRITERS) - {".jpg", ".jpeg", ".webp"}))
@given(picture=pictures())
@settings(deadline=None, max_examples=40)
def test_what_a_format_holds_comes_back_exactly(
    suffix: str, picture: tuple[Any, PixelFormat]
) -> None:
    pixels, kind = picture
    if not holds(suffix, kind.channels, pixels.dtype):
        with pytest.raises(UsageError, match="1 or 3 channels of"):
            encode(pixels, suffix)
        return
    read = decode(encode(pixels, suffix), kind)
    assert read.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(read.pixels, pixels)
    assert read.notes == ()


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_is_read_exactly(channels: int, interlace: bool) -> None:
    values = RNG.integers(0, 2**16, (9, 11, channels), dtype=np.uint16)
    np.testing.assert_array_equal(
        decode(pypng(values, interlace), PixelFormat(channels, "16")).pixels, values
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_png_is_written_as_others_read_it(channels: int) -> None:
    values = RNG.integers(0, 2**16, (9, 11, channels), dtype=np.uint16)
    width, height, rows, info = png.Reader(bytes=encode(values, ".png")).asDirect()
    assert (width, height, info["planes"], info["bitdepth"]) == (11, 9, channels, 16)
    np.testing.assert_array_equal(np.array([list(row) for row in rows]), values.reshape(9, -1))


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
def test_compressed_16_bit_and_float_grey_tiff(compression: str | None) -> None:
    for values in (
        RNG.integers(0, 2**16, (9, 11), dtype=np.uint16),
        RNG.random((9, 11), np.float32),
    ):
        out = io.BytesIO()
        Image.fromarray(values).save(out, "TIFF", compression=compression)
        kind = PixelFormat(1, "16" if values.dtype == np.uint16 else "float")
        np.testing.assert_array_equal(decode(out.getvalue(), kind).pixels[..., 0], values)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("channels", [3, 4, 6])
def test_16_bit_tiff_layouts(
    channels: int, compression: str | None, planar: str, order: str
) -> None:
    values = RNG.integers(0, 2**16, (9, 11, channels), dtype=np.uint16)
    stored = np.moveaxis(values, 2, 0) if planar == "separate" else values
    data = tiff(stored, byteorder=order, planarconfig=planar, compression=compression,
                photometric="rgb" if channels < 5 else "minisblack")  # fmt: skip
    np.testing.assert_array_equal(decode(data, PixelFormat(channels, "16")).pixels, values)


def test_pages_are_channels_where_there_are_as_many() -> None:
    pages = RNG.integers(0, 2**16, (5, 9, 11), dtype=np.uint16)
    data = tiff(pages, planarconfig=None)
    np.testing.assert_array_equal(
        decode(data, PixelFormat(5, "16")).pixels, np.moveaxis(pages, 0, 2)
    )
    first = decode(data, PixelFormat(1, "16"))
    np.testing.assert_array_equal(first.pixels[..., 0], pages[0])
    assert first.notes == ("first frame of an animation",)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_files_are_turned_as_8_bit_ones(orientation: int) -> None:
    values = RNG.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(values).save(out, "TIFF", exif=exif)
    expected = decode(out.getvalue())
    extra = [(274, "H", 1, orientation, True)]
    wide = values.astype(np.uint16) * 257
    for deep, kind in (
        (wide, PixelFormat(3, "16")),
        (np.dstack([wide, wide]), PixelFormat(6, "16")),
    ):
        photometric = "rgb" if kind.channels == 3 else "minisblack"
        data = tiff(deep, photometric=photometric, planarconfig="contig", extratags=extra)
        turned = decode(data, kind)
        np.testing.assert_array_equal(turned.pixels[..., :3], expected.pixels * np.uint16(257))
        assert turned.notes == expected.notes


U8 = RNG.integers(0, 256, (4, 6, 3), dtype=np.uint8)
U16 = RNG.integers(0, 2**16, (4, 6, 3), dtype=np.uint16)
UNIT = RNG.random((4, 6, 3), np.float32)
HU = RNG.integers(-1000, 2001, (4, 6), dtype=np.int16)
OPAQUE = np.full((4, 6, 1), 2**16 - 1, np.uint16)
CONVERSIONS: dict[str, tuple[Any, PixelFormat, Any, tuple[str, ...]]] = {
    "8 to 16": (U8, PixelFormat(3, "16"), U8 * np.uint16(257), ("8 bit widened to 16",)),
    "16 to 8": (U16, PixelFormat(3), np.round(U16 / 257), ("16 bit reduced to 8",)),
    "16 to 8, PNG": (pypng(U16), PixelFormat(3), np.round(U16 / 257), ("16 bit reduced to 8",)),
    "float to 8": (UNIT, PixelFormat(3), np.round(UNIT * 255), ("float in [0, 1] reduced to 8 bit",)),
    "float to 16": (
        UNIT, PixelFormat(3, "16"), np.round(UNIT * 65535), ("float in [0, 1] reduced to 16 bit",),
    ),
    "8 to float": (U8, PixelFormat(3, "float", (0.0, 255.0)), U8, ()),
    "16 to float": (U16, PixelFormat(3, "float", (0.0, 65535.0)), U16, ()),
    "signed to float": (HU, PixelFormat(1, "float", CT), HU[..., None], ()),
    "signed TIFF to float": (tiff(HU), PixelFormat(1, "float", CT), HU[..., None], ()),
    "double to float": (
        UNIT.astype(float) / 3, PixelFormat(3, "float"), np.float32(UNIT.astype(float) / 3),
        ("rounded to 32-bit floats",),
    ),
    "clipped": (
        np.array([[-1200, 0, 2500]], np.float32), PixelFormat(1, "float", CT), [[[-1000], [0], [2000]]],
        ("values outside -1000 to 2000 clipped",),
    ),
    "truth values": (U8[..., 0] > 99, PixelFormat(1), (U8[..., :1] > 99) * 255, ()),
    "grey to colour": (U16[..., :1], PixelFormat(3, "16"), U16[..., :1].repeat(3, 2), ()),
    "colour to grey": (U16, PixelFormat(1, "16"), np.round(U16 @ image.LUMA)[..., None], ()),
    "opaque": (
        pypng(np.dstack([U16, OPAQUE])), PixelFormat(3, "16"), U16, ("alpha composited over white",)
    ),
    "see-through": (
        pypng(np.dstack([U16, 0 * OPAQUE])), PixelFormat(1, "16"), OPAQUE,
        ("alpha composited over white",),
    ),
    "alpha as a channel": (
        pypng(np.dstack([U16, OPAQUE])), PixelFormat(4, "16"), np.dstack([U16, OPAQUE]), ()
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("source", "pixel_format", "expected", "notes"), CONVERSIONS.values(), ids=CONVERSIONS
)
def test_conversions(
    source: Any, pixel_format: PixelFormat, expected: Any, notes: tuple[str, ...]
) -> None:
    picture = decode(source, pixel_format)
    assert picture.pixels.dtype == DTYPES[pixel_format.depth]
    np.testing.assert_array_equal(picture.pixels, expected)
    assert picture.notes == notes


REFUSED: dict[str, tuple[Any, PixelFormat, str]] = {
    "5 channels for 3": (
        tiff(RNG.random((4, 6, 5), np.float32)),
        PixelFormat(3, "float"),
        "5 x float32",
    ),
    "3 channels for 5": (U16, PixelFormat(5, "16"), "domain has 5 channels"),
    "RGB and infrared for 3": (RNG.integers(0, 9, (4, 6, 4), np.uint8), PixelFormat(), "4 x uint8"),
    "channels first": (
        np.moveaxis(UNIT.repeat(3, 2), 2, 0),
        PixelFormat(9, "float"),
        r"\(H, W, C\)",
    ),
    "0 to 255 for 0 to 1": (U8, PixelFormat(3, "float"), "where the range is 0 to 1"),
    "CT for 8 bit": (HU, PixelFormat(1), "unknown scale"),
    "CT for 16 bit": (tiff(HU.astype(np.int32)), PixelFormat(1, "16"), "unknown scale"),
    "numpy's own integers": (U8.astype(np.int64), PixelFormat(), "unknown scale"),
    "not a number": (np.full((2, 2), np.nan), PixelFormat(1, "float"), "no numbers"),
    "floats for 8 bit": (UNIT * 255, PixelFormat(), "outside"),
    "complex": (UNIT + 1j, PixelFormat(), "pictures are numbers"),
    "one row": (np.zeros(5), PixelFormat(), "pictures are numbers"),
    "objects": (npy(np.array([[None]])), PixelFormat(), "allow_pickle"),
    "a cut NPY": (npy(UNIT)[:-5], PixelFormat(3, "float"), "readable"),
    "a cut TIFF": (tiff(UNIT.repeat(2, 2))[:200], PixelFormat(6, "float"), "readable"),
    "a cut PNG": (pypng(U16)[:-30], PixelFormat(3, "16"), "readable"),
}


@pytest.mark.parametrize(("source", "pixel_format", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_meant_is_refused(
    source: Any, pixel_format: PixelFormat, reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        decode(source, pixel_format)


@given(cut=st.integers(0, 400), channels=st.sampled_from([2, 5]))
@settings(deadline=None, max_examples=60)
def test_a_cut_deep_tiff_is_whole_or_a_usage_error(cut: int, channels: int) -> None:
    values = U16[..., :1].repeat(channels, 2)
    data = tiff(values)
    try:
        picture = decode(data[: max(len(data) - cut, 0)], PixelFormat(channels, "16"))
    except UsageError:
        return
    np.testing.assert_array_equal(picture.pixels, values)


def test_all_65536_levels_survive_the_tensor() -> None:
    levels = np.arange(2**16, dtype=np.uint16).reshape(1, 256, 256, 1)
    tensor = image.to_tensor(torch.from_numpy(levels))
    assert tensor.dtype == torch.float32
    assert (tensor.min().item(), tensor.max().item()) == (-1, 1)
    np.testing.assert_array_equal(image.to_pixels(tensor, PixelFormat(1, "16")), levels)


@given(pictures())
@settings(deadline=None, max_examples=60)
def test_pixels_survive_the_tensor(picture: tuple[Any, PixelFormat]) -> None:
    pixels, kind = picture
    tensor = image.to_tensor(torch.from_numpy(pixels)[None], kind.range)
    assert tensor.abs().max() <= 1 + 1e-6
    back = image.to_pixels(tensor, kind)[0]
    assert back.dtype == pixels.dtype
    width = kind.range[1] - kind.range[0] if kind.depth == "float" else 0
    # Floats come back to a few roundings of the widest number on the way.
    np.testing.assert_allclose(back, pixels, rtol=0, atol=4e-7 * (width + abs(kind.range[0])))
    again = from_unit(to_unit(pixels, kind), kind)
    np.testing.assert_allclose(again, pixels, rtol=0, atol=4e-7 * width)


def test_integers_round_to_the_nearest() -> None:
    values = torch.tensor([-3.0, 2 * 1000.4 / 65535 - 1, 2 * 1000.6 / 65535 - 1, 3.0])
    levels = image.to_pixels(values.reshape(1, 1, 1, 4), PixelFormat(1, "16"))
    assert levels.ravel().tolist() == [0, 1000, 1001, 65535]


@given(pictures(), st.integers(1, 20), st.integers(1, 20))
@settings(deadline=None, max_examples=60)
def test_resize_keeps_depth_and_range(
    picture: tuple[Any, PixelFormat], height: int, width: int
) -> None:
    pixels, _ = picture
    out = resize(pixels, height, width)
    assert out.shape == (height, width, pixels.shape[2])
    assert out.dtype == pixels.dtype
    if pixels.dtype == np.float32:
        assert pixels.min() <= out.min() <= out.max() <= pixels.max()
    flat = np.full_like(pixels, pixels[0, 0, 0])
    np.testing.assert_allclose(resize(flat, height, width), pixels[0, 0, 0], 1e-6)


def test_deep_resize_is_the_8_bit_one_but_finer() -> None:
    values = RNG.integers(60, 190, (40, 50, 3), dtype=np.uint8)
    for height, width in ((20, 25), (63, 80)):
        eight, wide = (resize(x, height, width) for x in (values, values * np.uint16(257)))
        assert np.abs(wide / 257 - eight).max() < 1.5  # Pillow rounds 8 bit twice, after each axis


@given(pictures())
@settings(deadline=None, max_examples=60)
def test_every_picture_can_be_looked_at(picture: tuple[Any, PixelFormat]) -> None:
    pixels, kind = picture
    shown = for_display(pixels, kind)
    assert shown.dtype == np.uint8
    assert shown.shape == (*pixels.shape[:2], {1: 1, 2: 1}.get(kind.channels, 3))
    if kind.depth == "8":
        np.testing.assert_array_equal(shown, pixels[..., : shown.shape[2]])


def test_inspect_says_what_a_file_has(tmp_path: Path) -> None:
    found = {}
    files: dict[str, np.ndarray] = {
        "ct.npy": HU,
        "five.tif": U16.repeat(2, 2),
        "rgb.png": U8,
        "g.npy": U8[..., 0],
    }
    for name, values in files.items():
        path = tmp_path / name
        path.write_bytes(npy(values) if name.endswith("npy") else encode(values, path.suffix))
        picture, found[name] = inspect(path)
        assert picture.pixels.shape[2] == found[name].channels
    assert found == {
        "ct.npy": PixelFormat(1, "float", (HU.min(), HU.max())),
        "five.tif": PixelFormat(6, "16"),
        "rgb.png": PixelFormat(),
        "g.npy": PixelFormat(),
    }


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"channels_a": 0}, "data.channels_a of at least 1"),
        ({"range_a": (0.0, 9.0)}, "depth float for data.range_a"),
        ({"depth_b": "float", "range_b": (1.0, 1.0)}, "two finite numbers for data.range_b"),
        (
            {"depth_b": "float", "range_b": (0.0, float("inf"))},
            "two finite numbers for data.range_b",
        ),
    ],
)
def test_options_that_break_a_rule(options: dict[str, Any], rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        DataConfig(**options)


@pytest.mark.parametrize("channels", [2, 4])
def test_8_bit_alpha_is_a_channel_where_it_is_asked_for(channels: int) -> None:
    values = RNG.integers(0, 256, (4, 6, channels), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(values).save(out, "PNG")
    picture = decode(out.getvalue(), PixelFormat(channels))
    np.testing.assert_array_equal(picture.pixels, values)
    assert picture.notes == ()
