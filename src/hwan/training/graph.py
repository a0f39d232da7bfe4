"""A whole training step recorded once as a CUDA graph and then replayed: one launch from Python a step.

What differs from step to step is read from memory that stays in place: the images, the learning rate
and what the pools drew. Nothing is read back. (PyTorch, "CUDA semantics", whole-network capture.)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hwan.data.loader import Batch
from hwan.methods.pool import Pool
from hwan.training.loop import Training, set_lr, update

WARM = 3  # eager steps first: cuDNN chooses, Adam and the pools make their state

Step = Callable[[list[Batch], float], dict[str, Tensor]]
Work = Callable[[], None]


def recorded(
    training: Training,
    record: Callable[[Work], Work] | None = None,
    aside: Callable[[Work], None] | None = None,
) -> Step:
    """A step like ``loop.step`` for ``training``, recorded after ``WARM`` eager ones.

    ``record(work)`` gives a function that does ``work`` again without Python, and ``aside(work)`` does
    it on another stream, as CUDA asks before recording; both default to CUDA's.
    """
    record, aside = record or cuda_record, aside or cuda_aside()
    pools = [module for module in training.method.modules() if isinstance(module, Pool)]
    static: list[Batch] = []
    losses: dict[str, Tensor] = {}
    done, replay = 0, None

    def work() -> None:
        losses.update(update(training, static))

    def room(pixels: Tensor) -> Tensor:
        return torch.empty_like(pixels, device=training.device)

    def take(micro: list[Batch], lr: float) -> dict[str, Tensor]:
        nonlocal done, replay
        if not static:
            static.extend(batch.mapped(room) for batch in micro)
        for held, batch in zip(static, micro, strict=True):
            fill(held, batch)
        set_lr(training, lr)
        for pool in pools:
            if pool.size:
                pool.plan(len(micro[0].a), training.device)
        if done < WARM:
            aside(work)
        else:
            replay = replay or record(work)
            replay()
        done += 1
        return {name: value.clone() for name, value in losses.items()}

    return take


def fill(held: Batch, batch: Batch) -> None:
    """Copy ``batch`` into the memory of ``held``."""
    held.a.copy_(batch.a, non_blocking=True)
    held.b.copy_(batch.b, non_blocking=True)
    if held.paired and batch.paired:
        fill(held.paired, batch.paired)


def cuda_record(work: Work) -> Work:
    """Record ``work``, without doing it, as a CUDA graph."""
    graph = torch.cuda.CUDAGraph()
    # Threads that prepare batches may speak to CUDA meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        work()
    return graph.replay


def cuda_aside() -> Callable[[Work], None]:
    """A function that does work on a stream of its own, always the same, in order with the current one."""
    side: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def aside(work: Work) -> None:
        current = torch.cuda.current_stream()
        side.wait_stream(current)
        with torch.cuda.stream(side):
            work()
        current.wait_stream(side)

    return aside
