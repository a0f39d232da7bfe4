"""Bytes, pixels, tensors: every mode is read right, ranges come back, no file is half written."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from hwan.config import PixelFormat
from hwan.errors import UsageError
from hwan.imaging import pixels as image

PICTURES = st.tuples(st.integers(1, 33), st.integers(1, 33), st.sampled_from([1, 3])).flatmap(
    lambda shape: npst.arrays(np.uint8, shape)
)
GREY = np.linspace(0, 255, 24).round().astype(np.uint8).reshape(4, 6)
RGB = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
ALPHA = GREY[::-1]
CMYK = np.random.default_rng(1).integers(0, 256, (4, 6, 4), dtype=np.uint8)
YCC = RGB // 6 + 107  # far enough inside that no colour is clipped
INDEX = (np.arange(24) % 3).reshape(4, 6)
PALETTE = np.array([[10, 20, 30], [200, 0, 0], [0, 0, 250]], np.uint8)
DEEP = np.linspace(0, 65535, 24).round().astype(np.uint16).reshape(4, 6)


def file(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def palette() -> Image.Image:
    picture = Image.fromarray(INDEX.astype(np.uint8), "L").convert("L")
    picture.putpalette(PALETTE.tobytes())
    return picture


def read(data: bytes) -> tuple[int, ...] | None:
    """The shape of what is in the file, None for a refusal; any other error passes."""
    try:
        return image.decode(data).pixels.shape
    except UsageError:
        return None


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[..., None], 3, axis=2).astype(float)


def over_white(values: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255.0
    return values * share + 255 * (1 - share)


def ycc_to_rgb(ycc: np.ndarray) -> np.ndarray:
    y, cb, cr = np.moveaxis(ycc.astype(float), 2, 0) - np.array([0, 128, 128])[:, None, None]
    planes = [y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb]
    return np.stack(planes, 2).clip(0, 255)


TRANSPARENT = np.where(INDEX == 1, 0, 255)
ANIMATION = [Image.fromarray(GREY), Image.fromarray(GREY[:, ::-1])]
ALPHA_NOTE, DEEP_NOTE = "alpha composited over white", "16 bit reduced to 8"
MODES: list[tuple[str, bytes | Image.Image, str, np.ndarray, str | None]] = [
    ("1", file(Image.fromarray(GREY > 127), "PNG"), "1", grey((GREY > 127) * 255), None),
    ("L", file(Image.fromarray(GREY), "PNG"), "L", grey(GREY), None),
    (
        "LA",
        file(Image.fromarray(np.dstack([GREY, ALPHA])), "PNG"),
        "LA",
        over_white(grey(GREY), ALPHA),
        ALPHA_NOTE,
    ),
    ("P", file(palette(), "PNG"), "P", PALETTE[INDEX], None),
    (
        "P see-through",
        file(palette(), "PNG", transparency=1),
        "P",
        over_white(PALETTE[INDEX], TRANSPARENT),
        ALPHA_NOTE,
    ),
    (
        "P half see-through",
        file(palette(), "PNG", transparency=bytes([255, 100, 255])),
        "P",
        over_white(PALETTE[INDEX], np.where(INDEX == 1, 100, 255)),
        ALPHA_NOTE,
    ),
    ("RGB", file(Image.fromarray(RGB), "PNG"), "RGB", RGB, None),
    (
        "RGBA",
        file(Image.fromarray(np.dstack([RGB, ALPHA])), "PNG"),
        "RGBA",
        over_white(RGB, ALPHA),
        ALPHA_NOTE,
    ),
    (
        "CMYK",
        file(Image.fromarray(CMYK, "CMYK"), "TIFF"),
        "CMYK",
        (255 - CMYK[..., :3].astype(float)) * (255 - CMYK[..., 3:].astype(float)) / 255,
        "CMYK converted without a profile",
    ),
    ("YCbCr", Image.fromarray(YCC, "YCbCr"), "YCbCr", ycc_to_rgb(YCC), None),
    ("I;16 PNG", file(Image.fromarray(DEEP), "PNG"), "I;16", grey(DEEP / 257), DEEP_NOTE),
    ("I;16 TIFF", file(Image.fromarray(DEEP), "TIFF"), "I;16", grey(DEEP / 257), DEEP_NOTE),
    ("I", file(Image.fromarray(DEEP.astype(np.int32)), "TIFF"), "I", grey(DEEP / 257), DEEP_NOTE),
    (
        "F",
        file(Image.fromarray((GREY / 255).astype(np.float32)), "TIFF"),
        "F",
        grey(GREY),
        "float in [0, 1] reduced to 8 bit",
    ),
    (
        "GIF",
        file(ANIMATION[0], "GIF", save_all=True, append_images=ANIMATION[1:]),
        "P",
        grey(GREY),
        "first frame of an animation",
    ),
]


@pytest.mark.parametrize(
    ("source", "mode", "expected", "note"), [m[1:] for m in MODES], ids=[m[0] for m in MODES]
)
def test_every_mode_is_read(
    source: bytes | Image.Image, mode: str, expected: np.ndarray, note: str | None
) -> None:
    picture = image.decode(source)
    assert picture.pixels.shape == (4, 6, 3)
    assert picture.pixels.dtype == np.uint8
    # Pillow's integer arithmetic may fall a level to either side of the formula.
    assert np.abs(picture.pixels - expected).max() <= 1
    assert picture.mode == mode
    assert picture.notes == (() if note is None else (note,))
    luma = picture.pixels @ [0.299, 0.587, 0.114]
    assert np.abs(image.decode(source, PixelFormat(1)).pixels[..., 0] - luma).max() <= 1.5


ORIENT = {
    1: lambda x: x,
    2: np.fliplr,
    3: lambda x: np.rot90(x, 2),
    4: np.flipud,
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, 1),
    7: lambda x: np.rot90(x, 2).swapaxes(0, 1),
    8: lambda x: np.rot90(x, -1),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientations_show_the_upright_picture(orientation: int, kind: str) -> None:
    stored = np.ascontiguousarray(ORIENT[orientation](RGB))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    picture = image.decode(file(Image.fromarray(stored), kind, exif=exif, **options))
    np.testing.assert_array_equal(picture.pixels, RGB)
    assert picture.notes == (() if orientation == 1 else ("turned by its EXIF orientation",))


def test_float_pixels_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="outside"):
        image.decode(file(Image.fromarray(np.full((2, 2), 7, np.float32)), "TIFF"))


@given(PICTURES, st.sampled_from([".png", ".bmp", ".tif", ".TIFF"]))
@settings(deadline=None, max_examples=60)
def test_lossless_formats_come_back_exactly(pixels: np.ndarray, suffix: str) -> None:
    picture = image.decode(image.encode(pixels, suffix), PixelFormat(pixels.shape[2]))
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.notes == ()


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_formats_come_near(suffix: str) -> None:
    smooth = np.dstack([np.linspace(20 * c, 200, 64 * 48).reshape(64, 48) for c in range(3)])
    pixels = smooth.astype(np.uint8)
    decoded = image.decode(image.encode(pixels, suffix)).pixels
    assert np.abs(decoded.astype(int) - pixels).mean() < 3


def test_unknown_format_is_refused() -> None:
    with pytest.raises(UsageError, match="output format"):
        image.encode(RGB, ".xyz")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
def test_a_file_cut_short_is_a_usage_error_or_read(kind: str) -> None:
    frames = {"save_all": True, "append_images": ANIMATION[1:]} if kind == "GIF" else {}
    data = file(ANIMATION[0], kind, **frames)
    outcomes = {read(data[:end]) for end in range(len(data))}
    assert (4, 6, 3) not in {read(data[:end]) for end in range(len(data) // 3)}
    assert outcomes <= {None, (4, 6, 3)}
    assert None in outcomes


def test_a_tiff_without_its_width_is_a_usage_error() -> None:
    data = file(Image.fromarray(RGB), "TIFF")
    entry = data.index(struct.pack("<HHL", 256, 4, 1))  # tag ImageWidth, one LONG
    with pytest.raises(UsageError, match="readable image"):
        image.decode(data[:entry] + struct.pack("<H", 255) + data[entry + 2 :])


def test_broken_files_are_usage_errors_that_name_them(tmp_path: Path) -> None:
    big = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    contents = {
        "cut.jpg": image.encode(big, ".jpg")[:-2000],
        "text.png": b"hello",
        "empty.png": b"",
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder.png").mkdir()
    for name in [*contents, "folder.png", "missing.png"]:
        with pytest.raises(UsageError, match=name):
            image.decode(tmp_path / name)


def test_save_makes_folders_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "x.png"
    image.save(RGB, path)
    np.testing.assert_array_equal(image.decode(path).pixels, RGB)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("owner", "call"), [(os, "fsync"), (Path, "open"), (Path, "replace")])
def test_a_failed_save_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, call: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    path = tmp_path / "x.png"
    image.save(RGB, path)
    before = path.read_bytes()
    monkeypatch.setattr(owner, call, fail)
    with pytest.raises(OSError, match="disk full"):
        image.save(255 - RGB, path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_all_levels_survive_the_tensor() -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(2, 8, 16, 1)
    tensor = image.to_tensor(levels)
    assert tensor.shape == (2, 1, 8, 16)
    assert tensor.dtype == torch.float32
    assert (tensor.min().item(), tensor.max().item()) == (-1, 1)
    np.testing.assert_array_equal(image.to_pixels(tensor), levels.numpy())


@given(PICTURES)
@settings(deadline=None, max_examples=40)
def test_pictures_survive_the_tensor(pixels: np.ndarray) -> None:
    tensor = image.to_tensor(torch.from_numpy(pixels)[None])
    assert tensor.shape == (1, pixels.shape[2], *pixels.shape[:2])
    np.testing.assert_array_equal(image.to_pixels(tensor)[0], pixels)


def test_to_pixels_rounds_and_clips() -> None:
    values = torch.tensor([-3.0, -1.0, 0.0, 2 * 10.4 / 255 - 1, 2 * 10.6 / 255 - 1, 1.0, 3.0])
    assert image.to_pixels(values.reshape(1, 1, 1, 7)).ravel().tolist() == [
        0,
        0,
        128,
        10,
        11,
        255,
        255,
    ]


@given(PICTURES, st.integers(1, 40), st.integers(1, 40))
@settings(deadline=None, max_examples=40)
def test_resize_gives_the_asked_shape(pixels: np.ndarray, height: int, width: int) -> None:
    out = image.resize(pixels, height, width)
    assert out.shape == (height, width, pixels.shape[2])
    assert out.dtype == np.uint8
    assert out.flags.writeable  # torch warns of arrays that are not
    flat = np.full_like(pixels, pixels[0, 0, 0])
    assert (image.resize(flat, height, width) == pixels[0, 0, 0]).all()


def test_resize_is_antialiased() -> None:
    checkers = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[..., None]
    assert np.abs(image.resize(checkers, 8, 8).astype(int) - 127.5).max() < 20


def test_grid_places_every_cell() -> None:
    cells = [[np.full((3, 4, 1), 10 * (3 * i + j), np.uint8) for j in range(3)] for i in range(2)]
    cells[1][2] = np.full((3, 4, 3), (1, 2, 3), np.uint8)
    sheet = image.grid(cells, gap=2)
    assert sheet.shape == (2 * 5 + 2, 3 * 6 + 2, 3)
    covered = np.zeros(sheet.shape[:2], bool)
    for i, row in enumerate(cells):
        for j, cell in enumerate(row):
            place = slice(2 + 5 * i, 5 + 5 * i), slice(2 + 6 * j, 6 + 6 * j)
            assert (sheet[place] == cell).all()
            covered[place] = True
    assert (sheet[~covered] == 255).all()
    assert image.grid([[GREY[..., None]]]).shape == (8, 10, 1)
