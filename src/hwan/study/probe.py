"""hwan's training loop, observed after every step: for claims about training itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from hwan.data.cache import Cache, Index
from hwan.data.folders import locate
from hwan.data.loader import stream
from hwan.data.sets import TrainingSet, open_set
from hwan.imaging.pixels import Pixels
from hwan.study.claim import Cell
from hwan.training.loop import Status, loop
from hwan.training.state import Training

Change = Callable[[Sequence[Pixels]], Sequence[Pixels]]


def in_memory(images: TrainingSet, count: int, change: Change = list) -> TrainingSet:
    """The first ``count`` pictures of each unpaired domain, ``change``d once."""

    def held(cache: Cache) -> Cache:
        pictures = change([cache[n] for n in range(min(count, len(cache)))])
        sizes = np.cumsum([0, *(p.size for p in pictures)])
        flat = np.concatenate([p.ravel() for p in pictures])
        names = cache.index.names[: len(pictures)]
        return Cache(flat, sizes.tolist(), Index([p.shape for p in pictures], names, []))

    return TrainingSet(held(images.a), held(images.b))


def training_set(cell: Cell) -> TrainingSet:
    """The cell's images."""
    assert cell.data is not None
    config = cell.config
    return open_set(locate(cell.data, config.data.pairs, config.data.swap), config)


def at_mark(status: Status, cell: Cell, marks: int) -> bool:
    """Whether this step reaches the next of ``marks`` moments that divide the training evenly."""
    total = cell.scale.images
    return status.seen * marks // total != (status.seen - 1) * marks // total


def steps(cell: Cell, images: TrainingSet | None = None) -> Iterator[tuple[Training, Status]]:
    """Train the cell's configuration as ``hwan train`` does and yield after every step; on ``images``
    in place of the cell's if they are given.

    The caller must draw nothing random and leave the gradients alone (``loop`` clears its own)."""
    config, images = cell.config, images or training_set(cell)
    training = Training(config, torch.device(cell.device))
    batches = stream(images, config.data, config.train.seed, 0, config.train.batch)
    total = max(1, round(config.train.epochs * images.epoch))
    for status in loop(training, batches, total):
        yield training, status
