"""Which images of A and B belong together, and where they lie."""

import dataclasses
from pathlib import Path

import pytest
import torch

import tiny
from caches import cache_of
from hwan.config import DataConfig, SpeedConfig
from hwan.data.cache import Cache, Index
from hwan.data.loader import batch
from hwan.data.sets import TrainingSet, pair, to_device
from hwan.errors import UsageError

CONFIG = DataConfig(size=8, resize=12)


def pairs(shapes: list[tuple[int, int, int]], other: list[tuple[int, int, int]]) -> TrainingSet:
    a, b = cache_of(shapes), cache_of(other, start=50)
    return TrainingSet(a, b, pair(a, b, Path("x")))


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


def test_only_a_gpu_keeps_a_set_and_only_where_it_is_cropped_and_mirrored() -> None:
    data, cpu = TrainingSet(cache_of([(12, 12, 3)]), cache_of([(12, 12, 3)])), torch.device("cpu")
    config = tiny.config()
    for wanted in ("auto", "host"):
        speed = SpeedConfig(data=wanted)
        assert to_device(data, dataclasses.replace(config, speed=speed), cpu) is data
    with pytest.raises(UsageError, match="a GPU, and 8-bit or float images"):
        to_device(data, dataclasses.replace(config, speed=SpeedConfig(data="device")), cpu)


@pytest.mark.parametrize("suffixes", [False, True])
def test_a_name_that_comes_twice_is_refused(suffixes: bool) -> None:
    twice = cache_of([(12, 12, 3)] * 2)
    names = ["x.png", "x.png" if suffixes else "x.jpg"]
    a = dataclasses.replace(twice, index=dataclasses.replace(twice.index, names=names))
    with pytest.raises(UsageError, match="images of different names"):
        pair(a, twice, Path("x"), suffixes)
