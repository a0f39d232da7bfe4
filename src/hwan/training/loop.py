"""The training loop: one generator of status records. The caller logs, draws, saves and stops.

``choose_step`` alone decides how a step is computed. Next: training/steps/eager.py, which defines what a
step computes; parallel_halves.py and cuda_graph.py beside it compute the same in other ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from hwan.data.loader import Batch
from hwan.methods.base import GroupedLosses
from hwan.training.schedule import lr_factor
from hwan.training.state import Step, Training
from hwan.training.steps import cuda_graph, eager, parallel_halves


@dataclass(frozen=True)
class Status:
    """One step done: ``losses`` are weighted scalars by optimizer group, still on the device."""

    seen: int
    lr: float
    losses: GroupedLosses


def loop(training: Training, batches: Iterator[Batch], total: int) -> Iterator[Status]:
    """Train until ``total`` images are seen, yielding after every step.

    The last step may be one batch longer than asked. Nothing is drawn from a random generator
    between a step's end and the next one's start, so a caller may save, stop or draw in between.
    """
    config = training.config.train
    step = choose_step(training)
    training.method.train()
    while training.seen < total:
        lr = config.lr * lr_factor(training.seen / total, config.decay)
        losses = step([next(batches) for _ in range(config.accumulate)], lr)
        images = config.batch * config.accumulate
        training.seen += images
        if training.average:
            training.average.update(training.method.generators, images, training.seen)
        yield Status(training.seen, lr, losses)


def choose_step(training: Training) -> Step:
    """How a step of ``training`` is computed: replayed on CUDA, in two threads, or operation by operation."""
    if training.config.speed.cuda_graph:
        return cuda_graph.graph_step(training)
    if parallel_halves.has_parallel_halves(training):
        return parallel_halves.parallel_step(training)
    return partial(eager.step, training)
