"""Crops are windows of the image; turning and jittering by nothing changes nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwan.config import DataConfig, PixelFormat
from hwan.data.augment import augment, centre_crop, cover, fit, fit_and_crop, jittered, turned


@given(height=st.integers(8, 30), width=st.integers(8, 30), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_crop_is_a_window_or_its_mirror(height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (height, width, 1), dtype=np.uint8)
    crop = augment(picture, DataConfig(size=8), PixelFormat(1), np.random.default_rng(seed))
    windows = [picture[y : y + 8, x : x + 8] for y in range(height - 7) for x in range(width - 7)]
    assert any((crop == w).all() or (crop == w[:, ::-1]).all() for w in windows)
    assert any((centre_crop(picture, 8) == w).all() for w in windows)


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


@pytest.mark.parametrize(("height", "width"), [(30, 40), (40, 30), (5, 7), (12, 12)])
def test_fitted_crops_show_the_middle(height: int, width: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    config = DataConfig(size=8, resize=12)
    assert min(cover(picture, 12).shape[:2]) == 12
    assert (fit(picture, config) == cover(picture, 12)).all()
    crop = fit_and_crop(picture, config)
    assert crop.shape == (8, 8, 3)
    assert (crop == centre_crop(cover(picture, 12), 8)).all()
    stretched = DataConfig(size=8, resize=12, fit="stretch")
    assert fit(picture, stretched).shape == (12, 12, 3)
