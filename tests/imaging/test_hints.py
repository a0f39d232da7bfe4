"""Colour hints as pixels: what a picture with transparency says, and what a truth gives in training."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hwan.errors import UsageError
from hwan.imaging.hints import hints_of, read_hints, with_hints


def painted(path: Path, mode: str = "RGBA") -> Path:
    """6 x 4 pixels (W x H), red where it is opaque: one whole pixel, one of 60 %, one of 20 %."""
    picture = np.zeros((4, 6, 4), np.uint8)
    picture[1, 2], picture[1, 3], picture[1, 4] = (
        (255, 0, 9, 255),
        (255, 0, 9, 153),
        (255, 0, 9, 51),
    )
    Image.fromarray(picture).convert(mode).save(path)
    return path


def test_hints_are_where_the_picture_is_opaque(tmp_path: Path) -> None:
    path = painted(tmp_path / "hints.png")
    found = read_hints(path, 4, 6)
    expected = np.zeros((4, 6, 4), np.uint8)
    expected[1, 2:4] = 255, 0, 9, 255
    assert np.array_equal(found, expected)
    assert np.array_equal(read_hints(path.read_bytes(), 4, 6), expected)
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        assert np.array_equal(read_hints(image, 4, 6), expected)
    assert np.array_equal(read_hints(expected, 4, 6), expected)
    grey = np.full((4, 6, 1), 7, np.uint8)
    assert np.array_equal(with_hints(grey, found), np.concatenate([grey, expected], 2))


@pytest.mark.parametrize("mode", ["RGB", "L", "LA"])
def test_hints_without_transparency_in_colour_are_refused(tmp_path: Path, mode: str) -> None:
    with pytest.raises(UsageError, match=r"RGBA.*where no hint is") as refused:
        read_hints(painted(tmp_path / "hints.png", mode), 4, 6)
    assert refused.value.received.endswith(f"hints.png, of mode {mode}")  # type: ignore[attr-defined]


def test_hints_of_another_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"7x4 \(width x height\)(.|\n)*hints.png, 6x4"):
        read_hints(painted(tmp_path / "hints.png"), 4, 7)


def test_hints_of_a_truth_are_squares_of_its_mean_colour() -> None:
    rng = np.random.default_rng(3)
    truth = torch.from_numpy(rng.integers(0, 256, (64, 48, 3), dtype=np.uint8))
    sides = set()
    for seed in range(60):
        hints = hints_of(truth, 1, 64, np.random.default_rng(seed))
        inside = hints[:, :, 3] == 255
        assert not hints[~inside].any()
        rows, columns = (torch.where(inside.any(axis))[0] for axis in (1, 0))
        assert len(rows) == len(columns) == int(inside.sum()) ** 0.5
        sides.add(len(rows))
        mean = truth[inside].float().mean(0).round()
        assert hints[inside][:, :3].float().sub(mean).abs().max() == 0
    assert sides == {1, 2, 3, 4}  # up to a sixteenth of the crop
    many = hints_of(truth, 200, 64, np.random.default_rng(0))
    assert (many[:, :, 3] == 255).float().mean() > 0.3
    again = hints_of(truth, 200, 64, np.random.default_rng(0))
    assert again.equal(many)
    assert not hints_of(truth, 0, 64, np.random.default_rng(0)).any()
    assert hints_of(truth[:1, :1], 3, 64, np.random.default_rng(0)).shape == (1, 1, 4)
