"""The pool of generated images (Shrivastava et al. 2017), as CycleGAN has it."""

from collections import Counter

import torch

from hwan.methods.pool import Pool


def test_pool_fills_then_exchanges_half() -> None:
    pool = Pool(10, seed=0)
    images = torch.arange(1000.0).reshape(1000, 1, 1, 1)
    shown = torch.cat([pool(images[i : i + 1]) for i in range(1000)]).flatten()
    assert shown[:10].equal(images[:10].flatten())
    old = int((shown[10:] != images[10:].flatten()).sum())
    assert 430 < old < 560  # half of 990, give or take four standard deviations
    counts = Counter(shown.tolist())
    assert max(counts.values()) == 2  # once as it passed into the filling pool, once as it left
    assert sum(n == 2 for n in counts.values()) == 10


def test_pool_of_zero_passes_all_and_state_returns_exactly() -> None:
    images = torch.randn(5, 1, 2, 2)
    assert Pool(0, seed=0)(images) is images
    first = Pool(3, seed=0)
    for _ in range(20):
        first(images)
    second = Pool(3, seed=9)
    second.load_state_dict(first.state_dict())
    for _ in range(20):
        assert first(images).equal(second(images))
