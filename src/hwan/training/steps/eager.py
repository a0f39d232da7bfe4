"""One training step, operation by operation, on any device: the definition of what a step computes.

``update`` is all of it; what it calls stands below it. Next: the method's forward pass and objectives,
methods/cyclegan.py and its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from hwan.data.loader import Batch
from hwan.imaging.pixels import to_tensor
from hwan.methods.base import GroupedLosses, Images, Losses, OptimizerGroup, summed
from hwan.runtime import AUTOCAST
from hwan.training.state import Training

Step = Callable[[list[Batch], float], GroupedLosses]
"""One update of every group over some batches, at a learning rate; returns the losses, on the device."""


def step(training: Training, micro: list[Batch], lr: float) -> GroupedLosses:
    """``update`` at learning rate ``lr``."""
    set_lr(training, lr)
    return update(training, micro)


def update(training: Training, micro: list[Batch]) -> GroupedLosses:
    """For each optimizer group, in the order of ``method.groups`` (CycleGAN: both generators, then both
    discriminators): the sum of the weighted losses that its objective returns, one backward pass, one step
    of the group's own Adam. The weights of all other groups are frozen meanwhile.

    ``micro`` is one batch, and its images are generated once, before the first group's step. Of several
    batches (``train.accumulate``) the losses are averaged. Returns the losses. (Adam's betas are
    ``train.beta1`` and ``train.beta2``; training/state.py makes it.)
    """
    one = [forward(training, micro[0])] if len(micro) == 1 else []
    made: list[Images] = []
    found: GroupedLosses = {}
    for group in training.method.groups:
        optimizer: torch.optim.Adam = training.optimizers[group.name]
        optimizer.zero_grad(set_to_none=True)
        freeze(training, group)
        means: Losses = {}
        for images in one or one_after_another(training, micro, group, made):
            with autocast(training):
                losses = group.losses(images)
            objective = summed(losses) / len(micro)
            training.scaler.scale(objective).backward()  # type: ignore[no-untyped-call]
            for name, value in losses.items():
                means[name] = means.get(name, 0.0) + value.detach() / len(micro)
        training.scaler.step(optimizer)
        found[group.name] = means
    training.scaler.update()
    freeze(training, None)
    return found


def set_lr(training: Training, lr: float) -> None:
    """Give every optimizer the learning rate ``lr``, in place where a CUDA graph reads it; during the
    warm-up (``train.warmup``) all but the discriminators' get 0."""
    warming = training.seen < training.warmup
    for name, optimizer in training.optimizers.items():
        rate = 0.0 if warming and name != "discriminators" else lr
        for group in optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


def forward(training: Training, batch: Batch) -> Images:
    """The method's images of one batch."""
    real = floats(training, batch)
    with autocast(training):
        images: Images = training.method(*real)
    return images | masks(training, batch)


def floats(training: Training, batch: Batch) -> list[Tensor]:
    """A batch's crops (B, H, W, C) as floats (B, C, H, W) on the device: real_a, real_b, then the paired
    ones. ``to_tensor`` maps the range that they are stored in, of bytes 0 to 255, to -1 to 1."""
    data, on = training.config.data, training.device
    sides = ((batch.a, data.range_a), (batch.b, data.range_b))
    real = [to_tensor(x.to(on, non_blocking=True), limits) for x, limits in sides]
    return real + (floats(training, batch.paired) if batch.paired else [])


def masks(training: Training, batch: Batch) -> Images:
    """The batch's masks as floats (B, 1, H, W) from 0 to 1 on the device, where the objective reads them. A
    domain without masks may change everywhere."""
    if not training.config.loss.outside:
        return {}
    found: Images = {}
    for name, image, mask in (("mask_a", batch.a, batch.mask_a), ("mask_b", batch.b, batch.mask_b)):
        if mask is None:
            found[name] = torch.ones(len(image), 1, *image.shape[1:3], device=training.device)
        else:
            found[name] = (to_tensor(mask.to(training.device, non_blocking=True)) + 1) / 2
    return found


def freeze(training: Training, trained: OptimizerGroup | None) -> None:
    """Only the weights of ``trained`` require gradients; with None all weights do."""
    for name, weights in training.weights.items():
        for weight in weights:
            weight.requires_grad_(trained is None or name == trained.name)


def autocast(training: Training, cache: bool = True) -> torch.autocast:
    """Forward passes and losses in the precision that training was set to; weights stay fp32.

    ``cache=False`` disables autocast's weight cache, which threads share.
    """
    dtype = AUTOCAST.get(training.precision)
    return torch.autocast(training.device.type, dtype, dtype is not None, cache)


def one_after_another(
    training: Training, micro: list[Batch], group: OptimizerGroup, made: list[Images]
) -> Iterator[Images]:
    """The images of several batches, with only one batch's graph in memory at a time: the forward pass is
    run again for a group whose gradient runs through it. Others are given what is in ``made``."""
    for i, batch in enumerate(micro):
        if i < len(made) and not through_generators(training, group):
            yield made[i]
            continue
        images = forward(training, batch)
        made[i : i + 1] = [{name: image.detach() for name, image in images.items()}]
        yield images


def through_generators(training: Training, group: OptimizerGroup) -> bool:
    """Whether the group's gradient runs back through the generators' forward pass."""
    return not set(group.networks).isdisjoint(training.method.generators.values())
