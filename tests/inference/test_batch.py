"""Folders of images: batches, going on, and what a file says of its picture."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, ImageCms

import translators as translating
from commands import say
from hwan.config import GeneratorConfig
from hwan.errors import UsageError
from hwan.imaging.metadata import Metadata, read_metadata
from hwan.imaging.pixels import decode, encode, save
from hwan.inference import batch as folder
from hwan.inference.batch import translate_files
from hwan.inference.outputs import plan_outputs, unfinished
from hwan.inference.translate import Translator
from hwan.nets.folder import save_generator
from tiny import two_threads

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
NET = translating.NETS[3, 3]


def photo(path: Path, orientation: int = 1, **extra: object) -> Path:
    """9 x 6 pixels with a camera, a place, an orientation and a profile."""
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = "Pinhole"
    exif[ExifTags.Base.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = 9
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2024:05:06 07:08:09"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(translating.noise(6, 9)).save(path, exif=exif.tobytes(), icc_profile=SRGB)
    return path


def run(folder: Path, out: Path, translator: Translator = NET, batch: int = 1) -> list[str]:
    return [o.error for o in translate_files(translator, plan_outputs([folder], out), batch)]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_exif_and_profile_are_kept_and_orientation_is_applied_once(
    suffix: str, tmp_path: Path
) -> None:
    source = photo(tmp_path / "in" / f"a{suffix}", orientation=6)
    assert run(tmp_path / "in", tmp_path / "out") == [""]
    with Image.open(tmp_path / "out" / source.name) as made:
        exif = made.getexif()
        assert made.size == (6, 9)  # a quarter turn
        assert exif[ExifTags.Base.Model] == "Pinhole"
        assert exif.get(ExifTags.Base.Orientation, 1) == 1
        inner = exif.get_ifd(ExifTags.IFD.Exif)
        assert inner[ExifTags.Base.DateTimeOriginal] == "2024:05:06 07:08:09"
        assert ExifTags.Base.ExifImageWidth not in inner
        assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
        assert made.info["icc_profile"] == SRGB
    expected = NET.pixels(decode(source).pixels)
    got = decode(tmp_path / "out" / source.name).pixels
    assert got.shape == expected.shape == (9, 6, 3)
    if suffix in (".png", ".tif"):
        np.testing.assert_array_equal(got, expected)


def test_a_profile_of_another_colour_space_is_left_out(tmp_path: Path) -> None:
    photo(tmp_path / "in" / "a.png")
    assert run(tmp_path / "in", tmp_path / "out", translating.NETS[3, 1]) == [""]
    with Image.open(tmp_path / "out" / "a.png") as made:
        assert made.mode == "L"
        assert "icc_profile" not in made.info
        assert made.getexif()[ExifTags.Base.Model] == "Pinhole"


def test_sixteen_bit_png_has_them_too(tmp_path: Path) -> None:
    tags = read_metadata(photo(tmp_path / "a.jpg").read_bytes())
    pixels = np.arange(60, dtype=np.uint16).reshape(4, 5, 3) * 999
    data = encode(pixels, ".png", tags)
    with Image.open(io.BytesIO(data)) as made:
        assert made.getexif()[ExifTags.Base.Model] == "Pinhole"
        assert made.info["icc_profile"] == SRGB
    assert read_metadata(data) == tags
    for suffix in (".tif", ".npy"):
        assert encode(pixels, suffix, tags)


def test_nothing_is_made_of_no_tags(tmp_path: Path) -> None:
    save(translating.noise(4, 4), tmp_path / "a.png")
    assert read_metadata((tmp_path / "a.png").read_bytes()) == Metadata()
    assert read_metadata(b"no image") == Metadata()
    too_long = Metadata(exif=b"Exif\0\0" + b"x" * 70_000)
    assert encode(translating.noise(4, 4), ".jpg", too_long)  # which JPEG has no room for


def test_batches_give_the_same_pictures_in_order(tmp_path: Path) -> None:
    translating.write(tmp_path / "in", *(f"{i}.png" for i in range(7)))
    save(translating.noise(9, 9), tmp_path / "in" / "3a.png")  # of another size
    (tmp_path / "in" / "5a.png").write_bytes(b"no image")
    assert run(tmp_path / "in", tmp_path / "one") == [""] * 7 + ["not an image, or cut short", ""]
    batches = list(translate_files(NET, plan_outputs([tmp_path / "in"], tmp_path / "four"), 4))
    assert [o.source.name for o in batches] == sorted(p.name for p in (tmp_path / "in").iterdir())
    for path in (tmp_path / "one").iterdir():
        other = decode(tmp_path / "four" / path.name).pixels
        assert np.abs(decode(path).pixels.astype(int) - other).max() <= 1


def test_a_batch_never_mixes_statistics(tmp_path: Path) -> None:
    """A generator that normalises by its batch would give each picture some of the others."""
    config = GeneratorConfig(filters=2, blocks=1, stem=3, norm="batch", test_batch_statistics=True)
    translator = Translator(*translating.make(config))
    translating.write(tmp_path / "in", "a.png", "b.png", "c.png")
    run(tmp_path / "in", tmp_path / "out", translator, batch=3)
    for path in (tmp_path / "in").iterdir():
        expected = translator.pixels(decode(path).pixels)
        np.testing.assert_array_equal(decode(tmp_path / "out" / path.name).pixels, expected)


def test_stopping_early_leaves_no_threads_and_no_half_files(tmp_path: Path) -> None:
    translating.write(tmp_path / "in", *(f"{i}.png" for i in range(30)))
    outcomes = translate_files(NET, plan_outputs([tmp_path / "in"], tmp_path / "out"))
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name.startswith("hwan-files")]
    made = list((tmp_path / "out").iterdir())
    assert 1 <= len(made) < 30
    assert all(decode(path).pixels.shape == (5, 4, 3) for path in made)


@pytest.mark.parametrize("batch", [1, 2])
def test_pictures_side_by_side_are_the_pictures_one_by_one(
    batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, with what is broken reported, and those too large for company on their own."""
    monkeypatch.setattr(folder, "SMALL", 12 * 12)
    for i in range(7):
        side = 16 if i == 3 else 12
        save(translating.noise(side, side, seed=i), tmp_path / "in" / f"{i}.png")
    (tmp_path / "in" / "5.png").write_bytes(b"no picture")
    assert not NET.parallel
    alone = run(tmp_path / "in", tmp_path / "alone", batch=batch)
    threads = threading.active_count()
    with two_threads():
        assert NET.parallel
        together = run(tmp_path / "in", tmp_path / "together", batch=batch)
        assert torch.get_num_threads() == 2
    assert together == alone
    assert [bool(error) for error in alone] == [i == 5 for i in range(7)]
    assert threading.active_count() == threads
    for made in (tmp_path / "alone").iterdir():
        mine = decode(tmp_path / "together" / made.name).pixels.astype(int)
        assert np.abs(mine - decode(made).pixels).max() <= 1


def test_resume_makes_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_generator(tmp_path / "g", *translating.make())
    translating.write(tmp_path / "in", "a.png", "b.png", "sub/c.png")
    save(translating.noise(2, 2), tmp_path / "out" / "b.png")
    kept = (tmp_path / "out" / "b.png").read_bytes()
    line = (
        "translate",
        tmp_path / "g",
        tmp_path / "in",
        "--out",
        tmp_path / "out",
        "--device",
        "cpu",
    )
    said = say(capsys, *line, "--resume")
    assert said.code == 0
    assert "1 of 3 are there already" in said.out
    assert "2 of 2 images translated" in said.out
    assert (tmp_path / "out" / "b.png").read_bytes() == kept
    assert (tmp_path / "out" / "sub" / "c.png").is_file()
    assert say(capsys, *line, "--resume").code == 0  # nothing left to do
    assert say(capsys, *line, "--resume", "--overwrite").code == 2
    assert say(capsys, *line, "--overwrite", "--batch", "-1").code == 2
    assert say(capsys, *line, "--overwrite", "--tile", "-1").code == 2
    assert (tmp_path / "out" / "b.png").read_bytes() == kept
    every = plan_outputs([tmp_path / "in"], tmp_path / "out", overwrite=True)
    assert unfinished(every) == []


def test_an_image_without_disk_is_reported_and_the_others_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    translating.write(tmp_path / "in", "a.png", "c.png")
    save(translating.noise(40, 40), tmp_path / "in" / "b.png")
    monkeypatch.setattr("hwan.inference.translate.WHOLE", 1000)

    def full(*arguments: object) -> None:
        raise UsageError("layers lie in a file", "no space left", "set TMPDIR")

    monkeypatch.setattr("hwan.inference.translate.strips", full)
    assert run(tmp_path / "in", tmp_path / "out") == ["", "no space left", ""]
