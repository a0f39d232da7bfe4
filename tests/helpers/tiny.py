"""A configuration and a data set so small that training on them takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hwan.config import Config, DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig
from hwan.methods.base import GroupedLosses


@contextmanager
def two_threads() -> Iterator[None]:
    """Let torch use two threads, whatever this machine has and the other tests use."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def numbers(losses: GroupedLosses) -> dict[str, float]:
    """A step's losses by name alone, as numbers."""
    return {name: float(x.detach()) for group in losses.values() for name, x in group.items()}


def close(got: list[dict[str, float]], expected: list[dict[str, float]]) -> None:
    """Two curves of losses are one, and no straight line."""
    assert got[-1] != got[0]
    for mine, theirs in zip(got, expected, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-4)


def config(**train: Any) -> Config:
    """Crops of 32 pixels, one residual block; ``train`` are options of ``TrainConfig``."""
    return Config(
        data=DataConfig(size=32),
        generator=GeneratorConfig(filters=2, blocks=1, stem=3, up="nearest"),
        discriminator=DiscriminatorConfig(filters=4, layers=2),
        train=TrainConfig(**{"epochs": 1, "ticks": 1, "precision": "fp32", **train}),
    )


def write_data(root: Path, n: int = 6, size: int = 40, truth: bool = False) -> Path:
    """``n`` noisy gradients in each of trainA, trainB, testA and testB; B is A's negative.

    With ``truth`` also truthB and truthA, named as the test images. Returns ``root``.
    """
    for seed, part in enumerate(("train", "test")):
        rng = np.random.default_rng(seed)
        for k in range(n):
            ramp = np.linspace(0, 200, size)[:, None, None] * rng.random(3)
            a = np.round(ramp + rng.integers(0, 56, (size, size, 3))).astype(np.uint8)
            sides = {f"{part}A": a, f"{part}B": 255 - a}
            if truth and part == "test":
                sides |= {"truthA": a, "truthB": 255 - a}
            for folder, pixels in sides.items():
                (root / folder).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(root / folder / f"{k:04d}.png")
    return root
