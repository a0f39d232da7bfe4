"""An endless, seeded, resumable stream of batches.

Which image is number ``n`` of a training, and how it is cropped and mirrored, depends on the seed and ``n``
alone; no generator's state is carried along. So a stream can begin anywhere (which is all that resuming
needs), and any number of threads may make it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor

from hwan.config import DataConfig, PixelFormat
from hwan.data.augment import augment
from hwan.data.cache import Cache
from hwan.data.masks import GREY
from hwan.data.sets import TrainingSet
from hwan.imaging.hints import hints_of

DOMAIN_A, DOMAIN_B, PAIRS, PAIRED = 0, 1, 2, 3  # each is drawn in an order of its own
NO_HINTS = 0.25  # share of images that are given none


@dataclass(frozen=True)
class Batch:
    """Crops of both domains, (B, H, W, C) in their own depths: pairs, or drawn independently. With
    ``data.hints`` those of A have four channels more, their hints. ``paired`` are the pairs of semi-paired
    training, ``mask_a`` and ``mask_b`` the crops' masks, uint8."""

    a: Shaped[Tensor, "b h w c"]
    b: Shaped[Tensor, "b h w c"]
    paired: Batch | None = None
    mask_a: UInt8[Tensor, "b h w 1"] | None = None
    mask_b: UInt8[Tensor, "b h w 1"] | None = None

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """A batch of what ``change`` makes of every tensor."""
        paired = self.paired.mapped(change) if self.paired else None
        masks = [None if mask is None else change(mask) for mask in (self.mask_a, self.mask_b)]
        return Batch(change(self.a), change(self.b), paired, *masks)


@lru_cache(maxsize=8)
def _order(seed: int, domain: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, domain, epoch]).permutation(count)


def _pick(seed: int, domain: int, n: int, count: int) -> int:
    """Which of ``count`` images is number ``n``: each epoch takes every one once, in its own order."""
    epoch, position = divmod(n, count)
    return int(_order(seed, domain, epoch, count)[position])


def batch(
    data: TrainingSet, config: DataConfig, seed: int, start: int, size: int, pairs: int = PAIRS
) -> Batch:
    """Images ``start`` to ``start + size``; without pairs those of A and of B are drawn independently.

    Both images of a pair are numbered and cropped by one seed, that of ``pairs``, and a mask by that of its
    image.
    """

    def crops(side: int, cache: Cache, config: DataConfig, pixel_format: PixelFormat) -> Tensor:
        domain, found = pairs if data.match else side, []
        for n in range(start, start + size):
            i = _pick(seed, domain, n, len(data.match or cache))
            image = cache[data.match[i][side] if data.match else i]
            rng = np.random.default_rng([seed, domain, n, 1])
            found.append(augment(image, config, pixel_format, rng))
        return torch.stack(found) if cache.resident else torch.from_numpy(np.stack(found))

    paired = batch(data.paired, config, seed, start, size, PAIRED) if data.paired else None
    a = crops(DOMAIN_A, data.a, config, config.format_a)
    b = crops(DOMAIN_B, data.b, config, config.format_b)
    if config.hints:
        hints = [_hints(truth, config, [seed, pairs, start + i, 2]) for i, truth in enumerate(b)]
        a = torch.cat([a, torch.stack(hints)], 3)
    still = replace(config, jitter=0.0)  # drawn after the geometry, and no matter of a mask
    masks = [
        crops(side, cache.masks, still, GREY) if cache.masks else None
        for side, cache in ((DOMAIN_A, data.a), (DOMAIN_B, data.b))
    ]
    return Batch(a, b, paired, *masks)


def _hints(truth: Tensor, config: DataConfig, seeds: list[int]) -> Tensor:
    """The hints of one crop: none, or 1 to ``config.hints`` of them."""
    rng = np.random.default_rng(seeds)
    count = 0 if rng.random() < NO_HINTS else int(rng.integers(1, config.hints + 1))
    return hints_of(truth, count, config.size, rng)


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

    How far ahead is found by watching (tf.data calls it AUTOTUNE): each time the next batch is not ready
    when it is needed, one more is prepared from then on, up to twice the threads. There are at most
    ``workers`` threads, 0 meaning as many as cores; an idle one costs nothing. ``pinned`` batches lie in
    memory that CUDA copies from without the CPU waiting. Images on a GPU are cropped there at once: that
    only queues work.
    """
    if data.a.resident:
        while True:
            yield batch(data, config, seed, start, size)
            start += size

    def prepared(start: int) -> Batch:
        made = batch(data, config, seed, start, size)
        return made.mapped(Tensor.pin_memory) if pinned else made

    threads = workers or os.cpu_count() or 1
    ahead, begun = 2, start  # batches prepared while the network works, to begin with
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Batch]] = deque()
        while True:
            while len(waiting) < ahead:
                waiting.append(pool.submit(prepared, start))
                start += size
            soonest = waiting.popleft()
            if not soonest.done() and start - begun > 4 * size:
                ahead = min(ahead + 1, 2 * threads)
            yield soonest.result()
