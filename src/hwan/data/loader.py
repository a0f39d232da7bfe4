"""An endless, seeded, resumable stream of batches.

What image number ``n`` of a training is, and how it is cropped and flipped, depends on the seed and
``n`` alone: no generator is carried along. So a stream can begin anywhere (that is all resuming
needs), and may be made by any number of threads.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from hwan.config import DataConfig, PixelFormat
from hwan.data.augment import augment
from hwan.data.cache import Cache
from hwan.data.sets import TrainingSet
from hwan.imaging.pixels import Pixels

DOMAIN_A, DOMAIN_B, PAIRS, PAIRED = 0, 1, 2, 3
AHEAD = 2  # batches prepared while the network works, to begin with


@dataclass(frozen=True)
class Batch:
    """Crops of both domains, (B, H, W, C) in their own depths: pairs, or drawn independently.
    ``paired`` are the pairs of semi-paired training."""

    a: Shaped[Tensor, "b h w c"]
    b: Shaped[Tensor, "b h w c"]
    paired: Batch | None = None

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """A batch of what ``change`` makes of every tensor."""
        paired = self.paired.mapped(change) if self.paired else None
        return Batch(change(self.a), change(self.b), paired)


@lru_cache(maxsize=8)
def _order(seed: int, domain: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, domain, epoch]).permutation(count)


def _number(seed: int, domain: int, n: int, count: int) -> int:
    """Which of ``count`` things is draw ``n``: each epoch takes every one once, in its own order."""
    epoch, position = divmod(n, count)
    return int(_order(seed, domain, epoch, count)[position])


Picture = Pixels | Tensor


def _pile(crops: Sequence[Picture]) -> Tensor:
    first = crops[0]
    if isinstance(first, Tensor):
        return torch.stack(list(crops))  # type: ignore[arg-type]
    return torch.from_numpy(np.stack(crops))  # type: ignore[arg-type, unused-ignore]


def draw(
    cache: Cache, config: DataConfig, pixel_format: PixelFormat, seed: int, domain: int, n: int
) -> Picture:
    """Crop number ``n`` of a domain."""
    picture = cache[_number(seed, domain, n, len(cache))]
    crop: Picture = augment(
        picture, config, pixel_format, np.random.default_rng([seed, domain, n, 1])
    )
    return crop


def draw_pair(data: TrainingSet, config: DataConfig, seed: int, stream: int,
              n: int) -> tuple[Picture, Picture]:  # fmt: skip
    """Crop number ``n`` of the pairs: the same window of both."""
    assert data.match
    i, j = data.match[_number(seed, stream, n, len(data.match))]
    key = [seed, stream, n, 1]
    return (augment(data.a[i], config, config.format_a, np.random.default_rng(key)),
            augment(data.b[j], config, config.format_b, np.random.default_rng(key)))  # fmt: skip


def batch(data: TrainingSet, config: DataConfig, seed: int, start: int, size: int) -> Batch:
    """Images ``start`` to ``start + size``; without pairs the draws in A and B are independent."""
    numbers = range(start, start + size)
    if data.match:
        return _paired(data, config, seed, PAIRS, numbers)
    a = _pile([draw(data.a, config, config.format_a, seed, DOMAIN_A, n) for n in numbers])
    b = _pile([draw(data.b, config, config.format_b, seed, DOMAIN_B, n) for n in numbers])
    paired = _paired(data.paired, config, seed, PAIRED, numbers) if data.paired else None
    return Batch(a, b, paired)


def _paired(data: TrainingSet, config: DataConfig, seed: int, stream: int,
            numbers: range) -> Batch:  # fmt: skip
    pairs = [draw_pair(data, config, seed, stream, n) for n in numbers]
    a, b = (_pile(side) for side in zip(*pairs, strict=True))
    return Batch(a, b)


def stream(
    data: TrainingSet,
    config: DataConfig,
    seed: int,
    start: int,
    size: int,
    workers: int = 0,
    pinned: bool = False,
) -> Iterator[Batch]:
    """Batches of ``size`` from image ``start`` on, without end, prepared ahead in threads.

    How far ahead is found by watching (tf.data calls it AUTOTUNE): each time the next batch is not yet
    there when it is asked for, one more is kept under way, up to twice the threads; there are
    ``workers`` of those at most, 0 meaning as many as cores, and an idle one costs nothing. ``pinned``
    batches lie where CUDA copies from without the CPU waiting for it. Pictures on a GPU are cut there at
    once: that only queues work.
    """
    if data.a.resident:
        while True:
            yield batch(data, config, seed, start, size)
            start += size

    def prepared(start: int) -> Batch:
        found = batch(data, config, seed, start, size)
        return found.mapped(Tensor.pin_memory) if pinned else found

    most = workers or os.cpu_count() or 1
    ahead, begun = AHEAD, start
    with ThreadPoolExecutor(most) as pool:
        waiting: deque[Future[Batch]] = deque()
        while True:
            while len(waiting) < ahead:
                waiting.append(pool.submit(prepared, start))
                start += size
            soonest = waiting.popleft()
            if not soonest.done() and start - begun > 4 * size:
                ahead = min(ahead + 1, 2 * most)
            yield soonest.result()
