"""The halves of an objective computed at the same time, on half of a CPU's cores each.

CycleGAN's objective is a sum of two parts that share nothing but weights: what begins in A and what
begins in B. Cores that share a layer wait for each other at its end; with a half to each they do not.
The sum's gradient is the sum of the parts', in a fixed order.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import torch
from torch import Tensor

from hwan.data.loader import Batch
from hwan.methods.base import Images, Losses
from hwan.training.loop import Training, autocast, floats, freeze, set_lr

Step = Callable[[list[Batch], float], dict[str, Tensor]]
Both = Callable[[Callable[[int], Any]], list[Any]]


def divides(training: Training) -> bool:
    """Whether ``config.speed`` asks for halves and the method, the device and the cores have them."""
    train = training.config.train
    return (
        training.config.speed.parallel_halves
        and training.device.type == "cpu"
        and torch.get_num_threads() > 1
        and all(group.branches for group in training.method.groups)
        and training.method.batched  # dropout draws from one generator, batch norm counts in one place
        and train.accumulate == 1
        and not training.config.speed.compile  # compiling from two threads at once never ended
        and not training.config.speed.gradient_checkpointing  # which both would compute again at the same time
        and training.precision != "fp16"
    )


def branched(training: Training) -> Step:
    """A step like ``loop.step`` for ``training`` of which ``divides`` is true."""
    cores, both = torch.get_num_threads(), _two_halves_of_the_cores()
    method = training.method

    def half(domain: str, images: list[Tensor]) -> Images:
        with autocast(training, shared=False):
            found: Images = method.forward_cycle(domain, *images)
        return found

    def take(micro: list[Batch], lr: float) -> dict[str, Tensor]:
        # A thread that waits for more of torch's work spins for milliseconds, on a core that a half is
        # to have: so this one spreads nothing over other cores between the halves either.
        torch.set_num_threads(cores // 2)
        try:
            return update(micro, lr)
        finally:
            torch.set_num_threads(cores)

    def update(micro: list[Batch], lr: float) -> dict[str, Tensor]:
        set_lr(training, lr)
        real = floats(training, micro[0])
        halves = both(lambda n: half("ab"[n], real[n::2]))
        images = {name: image for found in halves for name, image in found.items()}
        totals: dict[str, Tensor] = {}
        for group in method.groups:
            freeze(training, group)
            weights = training.weights[group.name]

            def part(n: int) -> tuple[Losses, tuple[Tensor | None, ...]]:
                own = {name: images[name] for name in group.branches[n] if name in images}  # noqa: B023
                with autocast(training, shared=False):
                    losses = group.objective(own)  # noqa: B023
                objective = torch.stack(list(losses.values())).sum()
                return losses, torch.autograd.grad(objective, weights, allow_unused=True)  # noqa: B023

            parts = both(part)
            for weight, *gradients in zip(weights, *(found for _, found in parts), strict=True):
                weight.grad = None
                for gradient in gradients:
                    if gradient is not None and weight.grad is None:
                        weight.grad = in_memory_order_of(gradient, weight)
                    elif gradient is not None:
                        weight.grad.add_(gradient)
            for losses, _ in parts:
                totals |= {name: value.detach() for name, value in losses.items()}
            del parts, gradients  # the second half's
            training.optimizers[group.name].step()
        freeze(training, None)
        return totals

    return take


def in_memory_order_of(gradient: Tensor, weight: Tensor) -> Tensor:
    """``gradient`` with ``weight``'s order in memory, by which alone torch's fused Adam goes.

    ``backward`` sees to it; ``torch.autograd.grad`` gives whatever order a layer left it in.
    """
    if gradient.stride() == weight.stride():
        return gradient
    return torch.empty_like(weight).copy_(gradient)


def _two_halves_of_the_cores() -> Both:
    """A function that does work 0 and work 1 at once, each always in the same thread, whose own work torch
    spreads over half of the cores. (autograd adds gradients in the order in which a thread made their
    nodes: with threads at random, one seed would not give one curve.)"""
    cores, ready = torch.get_num_threads(), Barrier(3)
    lanes = [ThreadPoolExecutor(1), ThreadPoolExecutor(1)]

    def begin() -> None:
        torch.set_num_threads(cores // 2)
        torch.ones(
            1 << 17
        ).sum()  # torch looks at the number once, at a thread's first parallel work
        ready.wait()

    def both(work: Callable[[int], Any]) -> list[Any]:
        running = [lane.submit(work, n) for n, lane in enumerate(lanes)]
        return [one.result() for one in running]

    for lane in lanes:
        lane.submit(begin)
    ready.wait()
    torch.set_num_threads(cores)  # MKL has one number for all threads
    return both
