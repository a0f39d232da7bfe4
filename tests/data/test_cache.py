"""Each image decoded and resized once; caches are bounded, and safe from other processes."""

import os
from pathlib import Path

import pytest
from PIL import Image

from hwan.config import DataConfig, PixelFormat
from hwan.data.cache import delete_unused, open_cache, size_limit
from hwan.data.folders import ImageFolder
from hwan.errors import UsageError
from hwan.files import cache_root

CONFIG = DataConfig(size=8, resize=12)


def write(path: Path, height: int, width: int, value: int = 90) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (value, value, value)).save(path)


def test_cache_resizes_once_keeps_shape_and_is_reused(tmp_path: Path) -> None:
    for i, (height, width) in enumerate([(40, 60), (30, 24), (6, 6)]):
        write(tmp_path / "deep" / f"{i}.png", height, width, 10 * i)
    first = open_cache(ImageFolder(tmp_path), CONFIG, PixelFormat())
    assert [tuple(s) for s in first.index.shapes] == [(12, 18, 3), (15, 12, 3), (12, 12, 3)]
    assert first.index.enlarged == 1
    assert [int(first[i][0, 0, 0]) for i in range(3)] == [0, 10, 20]
    made = {path: path.stat().st_mtime_ns for path in cache_root().rglob("pixels.bin")}
    open_cache(ImageFolder(tmp_path), CONFIG, PixelFormat())
    assert {path: path.stat().st_mtime_ns for path in cache_root().rglob("pixels.bin")} == made
    stretched = open_cache(
        ImageFolder(tmp_path), DataConfig(size=8, resize=12, fit="stretch"), PixelFormat(1)
    )
    assert [tuple(s) for s in stretched.index.shapes] == [(12, 12, 1)] * 3


def test_cache_notices_a_changed_file(tmp_path: Path) -> None:
    write(tmp_path / "x.png", 20, 20, 50)
    assert int(open_cache(ImageFolder(tmp_path), CONFIG, PixelFormat())[0][0, 0, 0]) == 50
    write(tmp_path / "x.png", 20, 20, 70)
    assert int(open_cache(ImageFolder(tmp_path), CONFIG, PixelFormat())[0][0, 0, 0]) == 70


def test_broken_files_are_named_and_skipped_or_fail_when_strict(tmp_path: Path) -> None:
    write(tmp_path / "good.png", 20, 20)
    (tmp_path / "bad.jpg").write_bytes(b"not an image")
    assert open_cache(ImageFolder(tmp_path), CONFIG, PixelFormat()).index.names == ["good.png"]
    assert (
        open_cache(ImageFolder(tmp_path), CONFIG, PixelFormat())
        .index.broken[0]
        .startswith("bad.jpg: ")
    )
    strict = DataConfig(size=8, resize=12, strict=True)
    with pytest.raises(UsageError, match=r"bad\.jpg"):
        open_cache(ImageFolder(tmp_path), strict, PixelFormat())


def test_an_empty_domain_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one image"):
        open_cache(ImageFolder(tmp_path), CONFIG, PixelFormat())
    (tmp_path / "bad.png").write_bytes(b"")
    with pytest.raises(UsageError, match="at least one readable image"):
        open_cache(ImageFolder(tmp_path), CONFIG, PixelFormat())


def write_images(folder: Path, count: int, shade: int) -> ImageFolder:
    folder.mkdir()
    for i in range(count):
        Image.new("RGB", (40, 40), (shade, i, 0)).save(folder / f"{i}.png")
    return ImageFolder(folder)


def test_caches_are_bounded_and_the_one_not_used_for_longest_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HWAN_CACHE", str(tmp_path / "cache"))
    one = 40 * 40 * 3 * 4
    monkeypatch.setenv("HWAN_CACHE_GB", str(2.5 * one / 1e9))
    config = DataConfig(size=40, resize=40)
    sources = [write_images(tmp_path / name, 4, i) for i, name in enumerate("abcd")]

    def age(seconds: float) -> None:
        for index in (tmp_path / "cache").glob("*/index.json"):
            os.utime(index, (index.stat().st_atime, index.stat().st_mtime - seconds))

    first = open_cache(sources[0], config, PixelFormat())
    age(100)
    open_cache(sources[1], config, PixelFormat())
    age(100)
    open_cache(
        sources[0], config, PixelFormat()
    )  # used again: b is now the one not used for longest
    age(100)
    left_over = tmp_path / "cache" / ".part-old"
    left_over.mkdir()
    os.utime(left_over, (0, 0))
    open_cache(sources[2], config, PixelFormat())
    kept = list((tmp_path / "cache").iterdir())
    assert len(kept) == 2
    assert not left_over.exists()
    made = {folder: folder.stat().st_ctime_ns for folder in kept}
    open_cache(sources[0], config, PixelFormat())
    assert {folder: folder.stat().st_ctime_ns for folder in (tmp_path / "cache").iterdir()} == made
    monkeypatch.setenv("HWAN_CACHE_GB", str(0.5 * one / 1e9))
    last = open_cache(
        sources[3], config, PixelFormat()
    )  # larger than all may be: kept while it is the newest
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert (first[0][0, 0, 0], last[0][0, 0, 0]) == (0, 3)
    monkeypatch.setenv("HWAN_CACHE_GB", "much")
    with pytest.raises(UsageError, match="HWAN_CACHE_GB"):
        open_cache(write_images(tmp_path / "e", 1, 9), config, PixelFormat())


def test_a_cache_that_another_process_is_making_is_let_be(tmp_path: Path) -> None:
    making = tmp_path / ".part-other"
    making.mkdir()
    (making / "pixels.bin").write_bytes(b"123")  # and no index.json yet
    (tmp_path / "a file").write_text("of the user's")
    delete_unused(tmp_path, tmp_path / "mine")
    assert (making / "pixels.bin").is_file()


@pytest.mark.parametrize("size", ["much", "0", "-1", "nan", "inf", ""])
def test_a_size_that_is_no_number_above_0_is_refused(
    size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HWAN_CACHE_GB", size)
    with pytest.raises(UsageError, match="HWAN_CACHE_GB"):
        size_limit()
