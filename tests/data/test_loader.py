"""The stream of batches: a function of the seed and the image number, fresh and complete each epoch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from caches import cache_of
from hwan.config import DataConfig
from hwan.data.cache import Cache, Index
from hwan.data.loader import batch, stream
from hwan.data.sets import TrainingSet, pair, resident

CONFIG = DataConfig(size=8, resize=12)


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


def test_loading_runs_further_ahead_when_the_network_waits() -> None:
    """Batches come in their order, however many are under way."""
    data = TrainingSet(cache_of([(12, 15, 3)] * 7), cache_of([(13, 12, 3)] * 4, start=100))
    slow = DataConfig(size=8, resize=12, rotate=20.0, jitter=0.3)
    running = stream(data, slow, 1, 0, 4, workers=3)
    for i in range(40):
        assert next(running).a.equal(batch(data, slow, 1, 4 * i, 4).a)
