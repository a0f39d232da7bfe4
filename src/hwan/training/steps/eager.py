"""One training step, operation by operation: on any device, and the definition of what a step computes.

Next: the method's forward pass and objectives, methods/cyclegan.py and its neighbours.
"""

from __future__ import annotations

from torch import Tensor

from hwan.data.loader import Batch
from hwan.methods.base import GroupedLosses, Images, Method, summed
from hwan.training.state import Training, autocast, forward, freeze, set_lr, through_generators


def step(training: Training, micro: list[Batch], lr: float) -> GroupedLosses:
    """``update`` at learning rate ``lr``."""
    set_lr(training, lr)
    return update(training, micro)


def update(training: Training, micro: list[Batch]) -> GroupedLosses:
    """One update of every group, in the method's order, over the batches of ``micro`` together.

    A group whose gradient runs through the generators needs their forward pass alive. With several
    batches that pass is run again for it, so that only one batch's graph is in memory at a time.
    """
    method: Method = training.method
    single = len(micro) == 1
    made: list[Images | None] = [forward(training, micro[0])] if single else [None] * len(micro)
    found: GroupedLosses = {}
    for group in method.groups:
        optimizer = training.optimizers[group.name]
        optimizer.zero_grad(set_to_none=True)
        freeze(training, group)
        means: dict[str, Tensor | float] = {}
        for i, batch in enumerate(micro):
            images = made[i]
            if images is None or (through_generators(training, group) and not single):
                images = forward(training, batch)
                made[i] = {name: image.detach() for name, image in images.items()}
            with autocast(training):
                losses = group.losses(images)
            objective = summed(losses) / len(micro)
            training.scaler.scale(objective).backward()  # type: ignore[no-untyped-call]
            for name, value in losses.items():
                means[name] = means.get(name, 0.0) + value.detach() / len(micro)
        training.scaler.step(optimizer)
        found[group.name] = means  # type: ignore[assignment]  # there is a batch, so they are tensors
    training.scaler.update()
    freeze(training, None)
    return found
