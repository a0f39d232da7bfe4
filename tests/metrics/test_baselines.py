"""The baselines: the mean image, and colours moved to the target domain's (Reinhard et al. 2001)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from hwan.errors import UsageError
from hwan.imaging.pixels import Pixels
from hwan.metrics.baselines import Statistics, lab_statistics, mean_image, reinhard


def pixels(seed: int, low: int, high: int, channels: int = 3, size: int = 24) -> Pixels:
    rng = np.random.default_rng(seed)
    return rng.integers(low, high, (size, size, channels), dtype=np.uint8)


def test_mean_image() -> None:
    black, grey = np.zeros((4, 6, 3), np.uint8), np.full((8, 5, 3), 100, np.uint8)
    assert (mean_image([black, grey, grey], 3, 2) == 67).all()  # 200 / 3 = 66.7
    assert mean_image([black], 3, 2).shape == (3, 2, 3)
    pair = [pixels(0, 0, 256), pixels(1, 0, 256)]
    expected = (pair[0].astype(float) + pair[1]) / 2
    assert np.abs(mean_image(iter(pair), 24, 24) - expected).max() <= 0.5


@pytest.mark.parametrize("call", [lambda p: mean_image(p, 4, 4), lab_statistics])
def test_a_domain_is_not_empty_nor_mixed(call: Callable[[Sequence[Pixels]], object]) -> None:
    with pytest.raises(UsageError, match="at least one picture"):
        call([])
    for first, second in ((1, 3), (3, 1)):
        with pytest.raises(UsageError, match="one number of channels"):
            call([pixels(0, 0, 9, first), pixels(0, 0, 9, second)])


def test_lab_of_one_colour_by_hand() -> None:
    r, g, b = 200 / 255, 100 / 255, 1 / 255  # black counts as one level
    long = math.log10(0.3811 * r + 0.5783 * g + 0.0402 * b)
    medium = math.log10(0.1967 * r + 0.7244 * g + 0.0782 * b)
    short = math.log10(0.0241 * r + 0.1288 * g + 0.8444 * b)
    expected = (
        (long + medium + short) / math.sqrt(3),
        (long + medium - 2 * short) / math.sqrt(6),
        (long - medium) / math.sqrt(2),
    )
    flat = lab_statistics([np.full((3, 4, 3), (200, 100, 0), np.uint8)])
    assert flat.mean == pytest.approx(expected)
    assert flat.sd == pytest.approx((0, 0, 0), abs=1e-7)


def test_statistics_count_every_pixel_the_same() -> None:
    small, large = np.full((2, 2, 1), 51, np.uint8), np.full((2, 6, 1), 255, np.uint8)
    found = lab_statistics([small, large])
    assert found.mean == pytest.approx((0.8,))
    assert found.sd == pytest.approx((math.sqrt(0.25 * 0.6**2 + 0.75 * 0.2**2),))


def test_reinhard_gives_the_domains_mean_and_sd() -> None:
    domain = [pixels(k, 90 + 10 * k, 150 + 10 * k) for k in range(3)]
    wanted = lab_statistics(domain)
    source = pixels(9, 20, 60)
    assert lab_statistics([source]).mean != pytest.approx(wanted.mean, abs=0.2)
    result = reinhard(source, wanted)
    assert set(result.ravel()).isdisjoint({0, 255})  # nothing was clipped
    found = lab_statistics([result])
    assert found.mean == pytest.approx(wanted.mean, abs=2e-3)
    assert found.sd == pytest.approx(wanted.sd, abs=2e-3)


def test_reinhard_with_its_own_statistics_changes_nothing() -> None:
    for channels in (1, 3):
        picture = pixels(0, 1, 256, channels)
        np.testing.assert_array_equal(reinhard(picture, lab_statistics([picture])), picture)


def test_reinhard_on_grey_matches_brightness() -> None:
    result = reinhard(pixels(0, 20, 60, 1), Statistics((0.5,), (0.1,)))
    assert result.shape == (24, 24, 1)
    assert result.mean() / 255 == pytest.approx(0.5, abs=2e-3)
    assert result.std() / 255 == pytest.approx(0.1, abs=2e-3)


def test_reinhard_between_grey_and_colour() -> None:
    colour, grey = pixels(0, 60, 200), pixels(1, 60, 200, 1)
    wanted = lab_statistics([np.full((4, 4, 3), (120, 100, 60), np.uint8)])
    tinted = reinhard(grey, Statistics(wanted.mean, (0.05, 0.2, 0.2)))
    found = lab_statistics([tinted])
    # Grey has no colour to scale: rounding error must not be blown up into noise.
    assert found.mean == pytest.approx(wanted.mean, abs=5e-3)
    assert max(found.sd[1:]) < 5e-3
    luma = colour @ [0.299, 0.587, 0.114]
    itself = reinhard(colour, Statistics((luma.mean() / 255,), (luma.std() / 255,)))
    assert itself.shape == (24, 24, 1)
    assert np.abs(itself[..., 0] - luma).max() <= 1


def test_reinhard_of_a_flat_picture_takes_the_mean() -> None:
    wanted = lab_statistics([np.full((4, 4, 3), (200, 100, 50), np.uint8)])
    flat = np.full((5, 5, 3), 30, np.uint8)
    assert (reinhard(flat, Statistics(wanted.mean, (1.0, 1.0, 1.0))) == (200, 100, 50)).all()
    extreme = reinhard(pixels(0, 0, 256), Statistics((0.0, 0.0, 0.0), (5.0, 5.0, 5.0)))
    assert extreme.dtype == np.uint8
    assert extreme.min() == 0
    assert extreme.max() == 255
