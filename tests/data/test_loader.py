"""The stream of batches: a function of the seed and the image number, fresh and complete each epoch."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import tiny
from hwan.config import DataConfig, PixelFormat, SpeedConfig
from hwan.data.augment import augment, centre_crop, jittered, turned
from hwan.data.cache import Cache, Index, delete_unused, open_cache
from hwan.data.folders import ImageFolder
from hwan.data.loader import batch, stream
from hwan.data.sets import TrainingSet, pair, resident, to_device
from hwan.errors import UsageError
from hwan.files import cache_root

CONFIG = DataConfig(size=8, resize=12)


def cache_of(shapes: list[tuple[int, int, int]], start: int = 0) -> Cache:
    """Image i is filled with start + i."""
    pictures = [np.full(shape, start + i, np.uint8) for i, shape in enumerate(shapes)]
    flat = np.concatenate([picture.reshape(-1) for picture in pictures])
    ends = np.cumsum([picture.size for picture in pictures])
    index = Index(shapes, [str(i) for i in range(len(shapes))], [], 0)
    return Cache(flat, [0, *(int(e) for e in ends[:-1])], index)


def test_each_epoch_shows_every_image_once_in_an_order_of_its_own() -> None:
    data = TrainingSet(cache_of([(12, 12, 3)] * 10), cache_of([(12, 12, 3)]))
    seen = [int(batch(data, CONFIG, 3, n, 1).a[0, 0, 0, 0]) for n in range(30)]
    epochs = [seen[:10], seen[10:20], seen[20:]]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_domains_are_drawn_independently() -> None:
    cache = cache_of([(12, 12, 3)] * 10)
    drawn = batch(TrainingSet(cache, cache), CONFIG, 3, 0, 10)
    assert drawn.a[:, 0, 0, 0].tolist() != drawn.b[:, 0, 0, 0].tolist()


def test_augmentation_is_fresh_each_epoch() -> None:
    """What the Keras example gets wrong by caching after its crop."""
    picture = np.arange(20 * 20 * 3, dtype=np.uint32).astype(np.uint8).reshape(20, 20, 3)
    cache = Cache(picture.reshape(-1), [0], Index([(20, 20, 3)], ["x"], [], 0))
    data = TrainingSet(cache, cache)
    crops = {batch(data, CONFIG, 0, n, 1).a.numpy().tobytes() for n in range(40)}
    assert len(crops) > 30


@given(start=st.integers(0, 500), size=st.integers(1, 5), seed=st.integers(0, 9))
@settings(max_examples=15, deadline=None)
def test_a_stream_begins_anywhere(start: int, size: int, seed: int) -> None:
    data = TrainingSet(cache_of([(12, 15, 3)] * 7), cache_of([(13, 12, 3)] * 4, start=100))
    running = stream(data, CONFIG, seed, start, size)
    for i in range(3):
        got, expected = next(running), batch(data, CONFIG, seed, start + i * size, size)
        assert got.a.equal(expected.a)
        assert got.b.equal(expected.b)
        assert got.a.shape == (size, 8, 8, 3)
    running.close()  # type: ignore[attr-defined]


@given(height=st.integers(8, 30), width=st.integers(8, 30), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_crop_is_a_window_or_its_mirror(height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (height, width, 1), dtype=np.uint8)
    crop = augment(picture, DataConfig(size=8), PixelFormat(1), np.random.default_rng(seed))
    windows = [picture[y : y + 8, x : x + 8] for y in range(height - 7) for x in range(width - 7)]
    assert any((crop == w).all() or (crop == w[:, ::-1]).all() for w in windows)
    assert any((centre_crop(picture, 8) == w).all() for w in windows)


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


def pairs(shapes: list[tuple[int, int, int]], other: list[tuple[int, int, int]]) -> TrainingSet:
    a, b = cache_of(shapes), cache_of(other, start=50)
    return TrainingSet(a, b, pair(a, b, Path("x")))


@pytest.mark.parametrize("options", [{}, {"rotate": 20.0}, {"jitter": 0.3}])
def test_a_pair_is_drawn_together_with_one_geometry(options: dict[str, float]) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (5, 20, 24, 3), dtype=np.uint8)
    index = Index([(20, 24, 3)] * 5, [f"{i}.png" for i in range(5)], [], 0)
    cache = Cache(pictures.reshape(-1), [i * 1440 for i in range(5)], index)
    data = TrainingSet(cache, cache, pair(cache, cache, Path("x")))
    config = DataConfig(size=8, **options)  # type: ignore[arg-type]
    drawn = [batch(data, config, 0, n, 1) for n in range(20)]
    assert all(b.a.equal(b.b) for b in drawn)
    assert len({bytes(b.a.numpy().tobytes()) for b in drawn}) == 20


def test_pairs_go_by_name_and_the_unmatched_are_left_out() -> None:
    data = pairs([(12, 12, 3)] * 4, [(12, 12, 3)] * 3)
    assert data.match == ((0, 0), (1, 1), (2, 2))
    assert data.epoch == 3
    seen = {(int(b.a[0, 0, 0, 0]), int(b.b[0, 0, 0, 0]))
            for b in (batch(data, CONFIG, 0, n, 1) for n in range(3))}  # fmt: skip
    assert seen == {(0, 50), (1, 51), (2, 52)}


def test_pairs_of_two_shapes_or_no_common_name_are_refused() -> None:
    with pytest.raises(UsageError, match="one shape"):
        pairs([(12, 12, 3)], [(12, 13, 3)])
    a = cache_of([(12, 12, 3)])
    b = Cache(a.flat, a.offsets, Index([(12, 12, 3)], ["other"], [], 0))
    with pytest.raises(UsageError, match="no shared name"):
        pair(a, b, Path("x"))


def test_a_turn_by_nothing_is_the_window_and_a_full_turn_too() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (20, 26, 3), dtype=np.uint8)
    assert (turned(picture, PixelFormat(), 4, 9, 8, 0.0) == picture[4:12, 9:17]).all()
    assert (turned(picture, PixelFormat(), 4, 9, 8, 2 * np.pi) == picture[4:12, 9:17]).all()
    quarter = turned(picture, PixelFormat(), 4, 9, 8, np.pi / 2)
    windows = [np.rot90(picture[4:12, 9:17], k) for k in (1, 3)]
    assert any((quarter == window).all() for window in windows)


def test_jitter_by_ones_changes_nothing_and_keeps_the_range() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    assert (jittered(picture, PixelFormat(), 1, 1, 1) == picture).all()
    grey = jittered(picture, PixelFormat(), 1, 1, 0)
    assert (grey[..., 0] == grey[..., 2]).all()
    assert jittered(picture, PixelFormat(), 2, 1, 1).mean() > picture.mean()


def test_sides_are_the_halves_of_a_file(tmp_path: Path) -> None:
    picture = np.zeros((10, 21, 3), np.uint8)
    picture[:, :10], picture[:, 11:] = 50, 200
    Image.fromarray(picture).save(tmp_path / "x.png")
    left, right = (
        ImageFolder(tmp_path, view).read(tmp_path / "x.png", PixelFormat())
        for view in ("left", "right")
    )
    assert left.pixels.shape == right.pixels.shape == (10, 10, 3)
    assert (left.pixels == 50).all()
    assert (right.pixels == 200).all()


@pytest.mark.parametrize("pairs", [False, True])
def test_pictures_on_a_device_give_the_same_batches(pairs: bool) -> None:
    """The same crops and mirrors, cut there: on a CPU here, whose tensors take the same way."""
    shapes = [(14, 13, 3)] * 6
    rng = np.random.default_rng(0)
    flat = [rng.integers(0, 256, 6 * 14 * 13 * 3, dtype=np.uint8) for _ in range(2)]
    index = Index(shapes, [str(i) for i in range(6)], [], 0)
    offsets = [i * 14 * 13 * 3 for i in range(6)]
    a, b = (Cache(pixels, offsets, index) for pixels in flat)
    data = TrainingSet(a, b, tuple((i, i) for i in range(6)) if pairs else None)
    there = resident(data, torch.device("cpu"))
    assert there.a.resident
    assert not data.a.resident
    for got, expected, _ in zip(
        stream(there, CONFIG, 3, 5, 2), stream(data, CONFIG, 3, 5, 2), range(9), strict=False
    ):
        assert got.a.equal(expected.a)
        assert got.b.equal(expected.b)


def test_only_a_gpu_keeps_a_set_and_only_where_it_is_cropped_and_mirrored() -> None:
    data, cpu = TrainingSet(cache_of([(12, 12, 3)]), cache_of([(12, 12, 3)])), torch.device("cpu")
    config = tiny.config()
    for wanted in ("auto", "host"):
        speed = SpeedConfig(data=wanted)
        assert to_device(data, dataclasses.replace(config, speed=speed), cpu) is data
    with pytest.raises(UsageError, match="a GPU, and 8-bit or float images"):
        to_device(data, dataclasses.replace(config, speed=SpeedConfig(data="device")), cpu)


def test_loading_runs_further_ahead_when_the_network_waits() -> None:
    """Batches come in their order, however many are under way."""
    data = TrainingSet(cache_of([(12, 15, 3)] * 7), cache_of([(13, 12, 3)] * 4, start=100))
    slow = DataConfig(size=8, resize=12, rotate=20.0, jitter=0.3)
    running = stream(data, slow, 1, 0, 4, workers=3)
    for i in range(40):
        assert next(running).a.equal(batch(data, slow, 1, 4 * i, 4).a)


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
