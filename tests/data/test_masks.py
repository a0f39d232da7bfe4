"""Masks: found by name, of their images' geometry wherever those go, refused where they do not fit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from commands import say
from hwan.config import Config, DataConfig
from hwan.data.cache import Cache, Index
from hwan.data.check import check, describe
from hwan.data.folders import locate
from hwan.data.loader import batch
from hwan.data.masks import absolute, mask_of, untrained, with_masks
from hwan.data.sets import TrainingSet, open_set, remarks, resident
from hwan.errors import UsageError
from hwan.imaging.pixels import Pixels, save


def config(outside: float = 1.0, **data: object) -> Config:
    base = tiny.config()
    loss = replace(base.loss, outside=outside)
    return replace(base, loss=loss, data=replace(base.data, **data))  # type: ignore[arg-type]


def left_half(height: int, width: int) -> Pixels:
    mask = np.zeros((height, width, 1), np.uint8)
    mask[:, : width // 2] = 255
    return mask


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Images that are their own masks, and masks of half their size, in JPEG and in a folder."""
    root = tiny.write_data(tmp_path / "data", n=4)
    for side in "AB":
        for file in sorted((root / f"train{side}").iterdir()):
            save(left_half(60, 80).repeat(3, axis=2), file)
            save(left_half(30, 40), root / f"train{side}_mask" / f"{file.stem}.jpg")
    return root


@given(
    st.integers(8, 15),
    st.integers(8, 15),
    st.booleans(),
    st.sampled_from([0.0, 30.0]),
    st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_an_image_and_its_mask_have_one_geometry(
    height: int, width: int, flip: bool, rotate: float, seed: int
) -> None:
    """An image of its own mask stays it, however it is cropped, mirrored and turned, also on a device;
    changes of colour leave the mask alone."""
    masks = np.random.default_rng(seed).integers(0, 256, (3, height, width, 1), dtype=np.uint8)

    def cached(pixels: np.ndarray, mask: Cache | None = None) -> Cache:
        shape = pixels.shape[1:]
        index = Index([shape] * 3, ["0", "1", "2"], [])
        return Cache(pixels.reshape(-1), [i * int(np.prod(shape)) for i in range(3)], index, mask)

    domain = cached(masks.repeat(3, axis=3), cached(masks))
    images, options = TrainingSet(domain, domain), DataConfig(size=8, flip=flip, rotate=rotate)
    drawn = batch(images, options, seed, 5, 4)
    assert drawn.mask_a is not None
    assert drawn.mask_b is not None
    assert drawn.a.equal(drawn.mask_a.expand(-1, -1, -1, 3))
    assert drawn.b.equal(drawn.mask_b.expand(-1, -1, -1, 3))
    tinted = batch(images, replace(options, jitter=0.5), seed, 5, 4)
    assert tinted.mask_a is not None
    assert tinted.mask_a.equal(drawn.mask_a)
    assert not tinted.a.equal(drawn.a)
    if not rotate:
        there = batch(resident(images, torch.device("cpu")), options, seed, 5, 4)
        assert there.mask_b is not None
        assert there.mask_b.equal(drawn.mask_b)


@pytest.mark.parametrize("fit", ["cover", "stretch"])
def test_masks_from_files_follow_their_images(data: Path, fit: str) -> None:
    images = open_set(locate([data]), config(fit=fit))
    drawn = batch(images, config(fit=fit).data, 0, 0, 16)
    assert drawn.mask_a is not None
    assert drawn.mask_a.dtype == torch.uint8
    assert drawn.mask_a.shape == (16, 32, 32, 1)
    error = (drawn.a.float() - drawn.mask_a.float()).abs().mean() / 255
    assert error < 0.05  # the edge alone: resized, and JPEG
    assert drawn.mask_a.flip(2).ne(drawn.mask_a).any()
    assert images.a.nbytes == sum(4 * h * w for h, w, _ in images.a.index.shapes)


def test_masks_are_read_only_where_the_loss_asks(data: Path) -> None:
    images = open_set(locate([data]), config(0))
    drawn = batch(images, config().data, 0, 0, 2)
    assert drawn.mask_a is None
    assert images.a.masks is None
    (note,) = untrained(locate([data]), config(0))
    assert "loss.outside is 0" in note
    assert untrained(locate([data]), config()) == []


def test_an_image_without_a_mask_may_change_everywhere(data: Path) -> None:
    (data / "trainA_mask" / "0000.jpg").unlink()
    shutil.rmtree(data / "trainB_mask")
    images = open_set(locate([data]), config())
    assert images.a.masks is not None
    assert images.b.masks is None
    assert images.a.masks[0].min() == 255
    assert images.a.masks[1].min() == 0
    assert "1 images in A: no mask, so all of it may change" in list(remarks(images, config()))


def test_folders_of_masks_can_be_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / "trainA_mask").rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    named = absolute(config(mask_a="elsewhere").data)
    assert Path(named.mask_a) == tmp_path / "elsewhere"
    assert named.mask_b == ""
    layout = with_masks(locate([data / "trainA", data / "trainB"]), named)
    assert layout.train_b.mask is None
    assert open_set(layout, config()).a.masks is not None
    with pytest.raises(UsageError, match="mask-b"):
        with_masks(layout, config(mask_b="nowhere").data)


def test_data_val_divides_masks_with_their_images(data: Path) -> None:
    whole = open_set(locate([data]), config()).a
    part = whole.subset([2, 0])
    assert part.masks is not None
    assert whole.masks is not None
    np.testing.assert_array_equal(part.masks[0], whole.masks[2])


def other_shape(data: Path) -> None:
    save(left_half(30, 30), data / "trainA_mask" / "0001.jpg")


def broken(data: Path) -> None:
    (data / "trainA_mask" / "0001.jpg").write_bytes(b"no image")


def ones(data: Path) -> None:
    (data / "trainA_mask" / "0001.jpg").unlink()
    save(left_half(30, 40) // 255, data / "trainA_mask" / "0001.png")


def unnamed(data: Path) -> None:
    for file in (data / "trainA_mask").iterdir():
        file.rename(file.with_stem(f"mask-{file.stem}"))


def twice(data: Path) -> None:
    save(left_half(30, 40), data / "trainA_mask" / "0001.png")


def none(data: Path) -> None:
    for side in "AB":
        shutil.rmtree(data / f"train{side}_mask")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (other_shape, "0001.jpg is 30x30, its image 80x60"),
        (broken, "0001"),
        (ones, "values 0 and 1"),
        (unnamed, "names of the images"),
        (twice, "different names"),
        (none, "trainA_mask or trainB_mask, for loss.outside"),
    ],
)
def test_what_does_not_fit_is_refused(
    data: Path, fault: Callable[[Path], None], words: str
) -> None:
    fault(data)
    for _ in range(2):  # from the files, and from the cache
        with pytest.raises(UsageError) as error:
            open_set(locate([data]), config())
        assert words in str(error.value)


def test_a_mask_has_its_images_size() -> None:
    assert mask_of({}, Path("x.png"), (5, 5)) is None


def test_data_check_counts_masks_and_names_those_that_do_not_fit(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "train A: 4 masks of its images" in describe(check(locate([data])))
    other_shape(data)
    (data / "trainA_mask" / "0000.jpg").rename(data / "trainA_mask" / "else.jpg")
    twice(data / ".")
    (data / "trainA_mask" / "0001.png").unlink()
    said = say(capsys, "data", "check", data)
    assert said.code == 1
    for words in ("train A: 3 masks", "change everywhere: 1", "without an image: 1", "is 30x30"):
        assert words in said.all
    assert "1 mask of train A cannot be used" in said.all
    twice(data)
    assert "0001.jpg and 0001.png" in say(capsys, "data", "check", data).all
