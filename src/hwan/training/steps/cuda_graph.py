"""One training step recorded as a CUDA graph and then replayed: one launch from Python a step.

The recorded step is ``eager.update``. What differs from step to step is read from memory that stays in
place: the images, the learning rate and what the pools drew. Nothing is read back. (PyTorch, "CUDA
semantics", whole-network capture.)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from hwan.data.loader import Batch
from hwan.methods.base import GroupedLosses
from hwan.training.state import Training
from hwan.training.steps.eager import Step, set_lr, update

EAGER_STEPS = 3  # before recording: cuDNN chooses, Adam and the pools make their state

Work = Callable[[], None]


def graph_step(
    training: Training,
    record: Callable[[Work], Work] | None = None,
    on_side_stream: Callable[[Work], None] | None = None,
) -> Step:
    """A step like ``eager.step`` for ``training``, recorded after ``EAGER_STEPS`` eager ones.

    ``record(work)`` returns a function that repeats ``work`` without Python. ``on_side_stream(work)``
    does it on another stream, as CUDA requires before recording. Both default to CUDA's.
    """
    record, on_side_stream = record or cuda_record, on_side_stream or cuda_side_stream()
    static: list[Batch] = []
    found: GroupedLosses = {}
    done, replay = 0, None
    blank = partial(torch.empty_like, device=training.device)

    def work() -> None:
        found.update(update(training, static))

    def step(micro: list[Batch], lr: float) -> GroupedLosses:
        nonlocal done, replay
        if not static:
            static.extend(batch.mapped(blank) for batch in micro)
        for memory, batch in zip(static, micro, strict=True):
            copy_into(memory, batch)
        set_lr(training, lr)
        for pool in training.pools:
            if pool.size:
                pool.plan(len(micro[0].a), training.device)
        if done < EAGER_STEPS:
            on_side_stream(work)
        else:
            replay = replay or record(work)
            replay()
        done += 1
        return {
            group: {name: loss.clone() for name, loss in losses.items()}
            for group, losses in found.items()
        }

    return step


def copy_into(memory: Batch, batch: Batch) -> None:
    """Copy ``batch`` into the tensors of ``memory``."""
    memory.a.copy_(batch.a, non_blocking=True)
    memory.b.copy_(batch.b, non_blocking=True)
    masks = (memory.mask_a, batch.mask_a), (memory.mask_b, batch.mask_b)
    for place, mask in masks:
        if place is not None and mask is not None:
            place.copy_(mask, non_blocking=True)
    if memory.paired and batch.paired:
        copy_into(memory.paired, batch.paired)


def cuda_record(work: Work) -> Work:
    """Record ``work``, without doing it, as a CUDA graph."""
    graph = torch.cuda.CUDAGraph()
    # Threads that prepare batches may call CUDA meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        work()
    return graph.replay


def cuda_side_stream() -> Callable[[Work], None]:
    """A function that does work on one stream of its own, in order with the current stream."""
    side: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def on_side_stream(work: Work) -> None:
        current = torch.cuda.current_stream()
        side.wait_stream(current)
        with torch.cuda.stream(side):
            work()
        current.wait_stream(side)

    return on_side_stream
