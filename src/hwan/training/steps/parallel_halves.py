"""One training step with the halves of every objective at the same time, each on half of a CPU's cores.

CycleGAN's objectives are sums of two halves that share only weights: for the generators the cycles that begin
in A and in B, for the discriminators the domains A and B. Cores that share a layer wait for each other at its
end; two halves do not. The gradients of the halves are added in a fixed order.
Next: methods/cyclegan.py, whose groups declare their halves.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from hwan.data.loader import Batch
from hwan.errors import require
from hwan.methods.base import GroupedLosses, Images, Losses, OptimizerGroup, summed
from hwan.training.state import Training
from hwan.training.steps.eager import (
    Step,
    autocast,
    floats,
    freeze,
    masks,
    set_lr,
    through_generators,
)

InBothThreads = Callable[[Callable[[int], Any]], list[Any]]


def has_parallel_halves(training: Training) -> bool:
    """Whether ``speed.parallel_halves`` is on and the method, the device and the options allow it."""
    train, speed = training.config.train, training.config.speed
    return (
        speed.parallel_halves
        and training.device.type == "cpu"
        and torch.get_num_threads() > 1
        and all(group.halves for group in training.method.groups)
        and training.method.batched  # dropout draws from one generator, batch norm counts in one place
        and train.accumulate == 1
        and not speed.compile  # compiling in two threads at once never ended
        and not speed.gradient_checkpointing  # both halves would recompute at the same time
        and training.precision != "fp16"
    )


def parallel_step(training: Training) -> Step:
    """A step like ``eager.step`` for ``training``, of which ``has_parallel_halves`` is true."""
    cores, in_both = torch.get_num_threads(), _two_threads()
    method = training.method

    def half_forward(real: list[Tensor], domain: str) -> Images:
        with autocast(training, cache=False):
            images: Images = method(*real, domains=(domain,))
        return images

    def step(micro: list[Batch], lr: float) -> GroupedLosses:
        # A thread that waits for torch's work spins for milliseconds on a core that a half needs. So
        # this thread, too, uses only half of the cores between the halves.
        torch.set_num_threads(cores // 2)
        try:
            set_lr(training, lr)
            real = floats(training, micro[0])
            made = in_both(lambda n: half_forward(real, "ab"[n]))
            mask = masks(training, micro[0])
            found = {group.name: update(group, made, mask) for group in method.groups}
        finally:
            torch.set_num_threads(cores)
        freeze(training, None)
        return found

    def update(group: OptimizerGroup, made: list[Images], mask: Images) -> Losses:
        freeze(training, group)
        weights = training.weights[group.name]
        images = group.images_of_halves(made[0] | made[1] | mask)
        if through_generators(training, group):
            _check_own(group, images, made)

        def half(n: int) -> tuple[Losses, tuple[Tensor | None, ...]]:
            with autocast(training, cache=False):
                losses = group.merged([group.halves[n].objective(images[n])])
            return losses, torch.autograd.grad(summed(losses), weights, allow_unused=True)

        halves = in_both(half)
        for weight, *gradients in zip(weights, *(grads for _, grads in halves), strict=True):
            weight.grad = None
            for gradient in gradients:
                if gradient is not None and weight.grad is None:
                    weight.grad = in_memory_order_of(gradient, weight)
                elif gradient is not None:
                    weight.grad.add_(gradient)
        losses = group.merged([losses for losses, _ in halves])
        del halves, gradients  # the second half's gradients
        training.optimizers[group.name].step()
        return {name: value.detach() for name, value in losses.items()}

    return step


def _check_own(group: OptimizerGroup, images: list[Images], made: list[Images]) -> None:
    """A half that trains the generators has gradients only of images that it generated itself."""
    expected = f"halves of {group.name}, each with generated images that begin in its own domain"
    fix = "correct the halves' images, or declare the group's objective whole"
    for own, begun in zip(images, made, strict=True):
        foreign = [name for name in own if own[name].requires_grad and name not in begun]
        require(not foreign, expected, ", ".join(foreign), fix)


def in_memory_order_of(gradient: Tensor, weight: Tensor) -> Tensor:
    """``gradient`` in the memory order of ``weight``, which torch's fused Adam takes for granted.

    ``backward`` sees to it; ``torch.autograd.grad`` returns the order in which a layer left it.
    """
    if gradient.stride() == weight.stride():
        return gradient
    return torch.empty_like(weight).copy_(gradient)


def _two_threads() -> InBothThreads:
    """A function that calls ``work(0)`` and ``work(1)`` at once, each always in the same thread, which
    spreads torch's work over half of the cores. (autograd adds gradients in the order in which a thread
    made their nodes: with threads at random, one seed would not give one curve.)"""
    cores = torch.get_num_threads()
    threads = [ThreadPoolExecutor(1), ThreadPoolExecutor(1)]

    def begin() -> None:
        torch.set_num_threads(cores // 2)
        # torch reads the number once, at a thread's first parallel work.
        torch.ones(1 << 17).sum()

    def in_both(work: Callable[[int], Any]) -> list[Any]:
        running = [thread.submit(work, n) for n, thread in enumerate(threads)]
        return [one.result() for one in running]

    for thread in threads:
        thread.submit(begin).result()
    torch.set_num_threads(cores)  # MKL has one number for all threads
    return in_both
