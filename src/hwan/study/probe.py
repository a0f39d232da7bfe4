"""hwan's training loop with something looked at on the way: for claims about training itself."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from hwan.data.folders import locate
from hwan.data.loader import stream
from hwan.data.sets import open_set
from hwan.study.claim import Cell
from hwan.training.loop import Status, Training, loop


def steps(cell: Cell) -> Iterator[tuple[Training, Status]]:
    """Train the cell's configuration as ``hwan train`` does, stopping after every step to be looked at.

    Whoever looks must draw nothing random and leave the gradients off (``loop`` clears its own)."""
    config = cell.config
    assert cell.data is not None
    images = open_set(locate(cell.data, config.data.pairs, config.data.swap), config)
    training = Training(config, torch.device(cell.device))
    batches = stream(images, config.data, config.train.seed, 0, config.train.batch)
    total = max(1, round(config.train.epochs * images.epoch))
    for status in loop(training, batches, total):
        yield training, status
