"""An endless, seeded, resumable stream of unpaired batches.

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

from hwan.config import DataConfig
from hwan.data.augment import random_crop
from hwan.data.cache import Cache
from hwan.image import Pixels

DOMAIN_A, DOMAIN_B = 0, 1
AHEAD = 4  # batches prepared while the network works


@dataclass(frozen=True)
class Batch:
    """Crops of both domains, unpaired, (B, H, W, C) in their own depths."""

    a: Shaped[Tensor, "b h w c"]
    b: Shaped[Tensor, "b h w c"]


@lru_cache(maxsize=8)
def _order(seed: int, domain: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, domain, epoch]).permutation(count)


def draw(cache: Cache, config: DataConfig, seed: int, domain: int, n: int) -> Pixels:
    """Crop number ``n`` of a domain: each epoch shows every image once, in an order of its own."""
    epoch, position = divmod(n, len(cache))
    picture = cache[int(_order(seed, domain, epoch, len(cache))[position])]
    return random_crop(
        picture, config.size, config.flip, np.random.default_rng([seed, domain, n, 1])
    )


def batch(a: Cache, b: Cache, config: DataConfig, seed: int, start: int, size: int) -> Batch:
    """Images ``start`` to ``start + size`` of both domains; the draws in A and B are independent."""
    numbers = range(start, start + size)
    stack_a = np.stack([draw(a, config, seed, DOMAIN_A, n) for n in numbers])
    stack_b = np.stack([draw(b, config, seed, DOMAIN_B, n) for n in numbers])
    return Batch(torch.from_numpy(stack_a), torch.from_numpy(stack_b))


def stream(
    a: Cache, b: Cache, config: DataConfig, seed: int, start: int, size: int
) -> Iterator[Batch]:
    """Batches of ``size`` from image ``start`` on, without end, prepared a few ahead in a thread."""
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[Batch]] = deque()
        while True:
            while len(waiting) < AHEAD:
                waiting.append(pool.submit(batch, a, b, config, seed, start, size))
                start += size
            yield waiting.popleft().result()
