"""The training loop: one generator of status records. The caller logs, draws, saves and stops.

``choose_step`` alone decides how a step is computed. Next: training/steps/eager.py, which defines what it
computes, whichever file is chosen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from hwan.data.loader import Batch
from hwan.methods.base import GroupedLosses
from hwan.training.state import Training
from hwan.training.steps import cuda_graph, eager, parallel_halves
from hwan.training.steps.eager import Step


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
            # Only what is saved and drawn; no step reads it.
            training.average.update(training.method.generators, images, training.seen)
        yield Status(training.seen, lr, losses)


def lr_factor(progress: float, decay: float) -> float:
    """1 until ``decay``, then linearly to 0 at ``progress`` 1 (CycleGAN, section 4: 100 + 100 epochs).

    The reference code steps once an epoch; here it falls with every step.
    """
    return 1.0 if progress < decay or decay >= 1 else max(0.0, (1 - progress) / (1 - decay))


def choose_step(training: Training) -> Step:
    """What computes a step of ``training``. All compute what ``eager.step`` defines, but for rounding.

    On CUDA with ``speed.cuda_graph``: recorded once and replayed. On two CPU cores or more, where the
    method's objectives have halves: the halves in two threads. Else: operation by operation.
    (tests/training/test_speed.py compares them.)
    """
    if training.config.speed.cuda_graph:
        return cuda_graph.graph_step(training)
    if parallel_halves.has_parallel_halves(training):
        return parallel_halves.parallel_step(training)
    return partial(eager.step, training)
