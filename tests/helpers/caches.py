"""Small decoded domains in memory."""

from __future__ import annotations

import numpy as np

from hwan.data.cache import Cache, Index


def cache_of(shapes: list[tuple[int, int, int]], start: int = 0) -> Cache:
    """Image i is filled with start + i."""
    pictures = [np.full(shape, start + i, np.uint8) for i, shape in enumerate(shapes)]
    flat = np.concatenate([picture.reshape(-1) for picture in pictures])
    ends = np.cumsum([picture.size for picture in pictures])
    index = Index(shapes, [str(i) for i in range(len(shapes))], [], 0)
    return Cache(flat, [0, *(int(e) for e in ends[:-1])], index)
