"""An endless, seeded, resumable stream of batches.

What image number ``n`` of a training is, and how it is cropped and flipped, depends on the seed and
``n`` alone: no generator is carried along. So a stream can begin anywhere (that is all resuming
needs), and may be made by any number of threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from hwan.config import DataConfig, Kind
from hwan.data.augment import augment
from hwan.data.cache import Cache
from hwan.data.sets import TrainingSet
from hwan.image import Pixels

DOMAIN_A, DOMAIN_B, PAIRS, BESIDE = 0, 1, 2, 3
AHEAD = 4  # batches prepared while the network works


@dataclass(frozen=True)
class Batch:
    """Crops of both domains, (B, H, W, C) in their own depths: pairs, or drawn independently.
    ``beside`` are the pairs of semi-paired training."""

    a: Shaped[Tensor, "b h w c"]
    b: Shaped[Tensor, "b h w c"]
    beside: Batch | None = None


@lru_cache(maxsize=8)
def _order(seed: int, domain: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, domain, epoch]).permutation(count)


def _number(seed: int, domain: int, n: int, count: int) -> int:
    """Which of ``count`` things is draw ``n``: each epoch takes every one once, in its own order."""
    epoch, position = divmod(n, count)
    return int(_order(seed, domain, epoch, count)[position])


def draw(cache: Cache, config: DataConfig, kind: Kind, seed: int, domain: int, n: int) -> Pixels:
    """Crop number ``n`` of a domain."""
    picture = cache[_number(seed, domain, n, len(cache))]
    return augment(picture, config, kind, np.random.default_rng([seed, domain, n, 1]))


def draw_pair(data: TrainingSet, config: DataConfig, seed: int, stream: int,
              n: int) -> tuple[Pixels, Pixels]:  # fmt: skip
    """Crop number ``n`` of the pairs: the same window of both."""
    assert data.match
    i, j = data.match[_number(seed, stream, n, len(data.match))]
    key = [seed, stream, n, 1]
    return (augment(data.a[i], config, config.kind_a, np.random.default_rng(key)),
            augment(data.b[j], config, config.kind_b, np.random.default_rng(key)))  # fmt: skip


def batch(data: TrainingSet, config: DataConfig, seed: int, start: int, size: int) -> Batch:
    """Images ``start`` to ``start + size``; without pairs the draws in A and B are independent."""
    numbers = range(start, start + size)
    if data.match:
        return _paired(data, config, seed, PAIRS, numbers)
    a = np.stack([draw(data.a, config, config.kind_a, seed, DOMAIN_A, n) for n in numbers])
    b = np.stack([draw(data.b, config, config.kind_b, seed, DOMAIN_B, n) for n in numbers])
    beside = _paired(data.beside, config, seed, BESIDE, numbers) if data.beside else None
    return Batch(torch.from_numpy(a), torch.from_numpy(b), beside)


def _paired(data: TrainingSet, config: DataConfig, seed: int, stream: int,
            numbers: range) -> Batch:  # fmt: skip
    pairs = [draw_pair(data, config, seed, stream, n) for n in numbers]
    a, b = (torch.from_numpy(np.stack(side)) for side in zip(*pairs, strict=True))
    return Batch(a, b)


def stream(
    data: TrainingSet, config: DataConfig, seed: int, start: int, size: int
) -> Iterator[Batch]:
    """Batches of ``size`` from image ``start`` on, without end, prepared a few ahead in a thread."""
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[Batch]] = deque()
        while True:
            while len(waiting) < AHEAD:
                waiting.append(pool.submit(batch, data, config, seed, start, size))
                start += size
            yield waiting.popleft().result()
