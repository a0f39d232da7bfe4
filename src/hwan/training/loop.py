"""The training loop: one generator of status records. The caller logs, draws, saves and stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hwan.config import Config
from hwan.data.loader import Batch
from hwan.imaging.pixels import to_tensor
from hwan.methods import METHODS
from hwan.methods.base import Images, Method, OptimizerGroup
from hwan.methods.pool import Pool
from hwan.runtime import AUTOCAST, pick_precision, seed_all
from hwan.training.schedule import Average, lr_factor
from hwan.training.speed import adam, apply_speed, compile_networks, load_adam


@dataclass(frozen=True)
class Status:
    """One step done: ``losses`` are weighted scalars, still on the device."""

    seen: int
    lr: float
    losses: Mapping[str, Tensor]


class Training:
    """Everything that changes while training, and nothing else; ``state_dict`` is all of it."""

    def __init__(self, config: Config, device: torch.device) -> None:
        seed_all(config.train.seed)  # dropout draws from torch's own generator
        self.config, self.device, self.seen = config, device, 0
        method: Any = METHODS[config.method](config)
        # (A move within the CPU would be one too many for plan.py's tensors without memory.)
        self.method = method if device.type == "cpu" else method.to(device)
        self.precision = pick_precision(config.train.precision, device)
        apply_speed(self.method, config, device, self.precision)
        self.weights = {group.name: parameters(group) for group in self.method.groups}
        self.optimizers = {
            name: adam(weights, config, device) for name, weights in self.weights.items()
        }
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        generators = self.method.generators
        self.average = Average(generators, config.train.ema) if config.train.ema else None
        compile_networks(self.method.groups, config)  # after the averages were copied

    @property
    def generators(self) -> Mapping[str, nn.Module]:
        """What is saved, drawn and tested: the averaged generators where averaging is on."""
        return self.average.networks if self.average else self.method.generators

    def state_dict(self) -> dict[str, Any]:
        return {
            "seen": self.seen,
            "method": self.method.state_dict(),
            "optimizers": {
                name: optimizer.state_dict() for name, optimizer in self.optimizers.items()
            },
            "scaler": self.scaler.state_dict(),
            "average": {k: net.state_dict() for k, net in self.average.networks.items()}
            if self.average
            else None,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(self.device)
            if self.device.type == "cuda"
            else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.seen, size = state["seen"], self.config.data.size
        self.method.load_state_dict(state["method"])
        for pool in (part for part in self.method.modules() if isinstance(part, Pool)):
            if pool.kept is not None and pool.kept.shape[-1] != size:
                held = pool.kept.shape[-1]
                raise ValueError(f"the pool's pictures are {held}x{held}, and data.size is {size}")
        for name, optimizer in self.optimizers.items():
            load_adam(optimizer, state["optimizers"][name])
        if state["scaler"]:  # empty where the run was not in fp16
            self.scaler.load_state_dict(state["scaler"])
        if (state["average"] is None) != (self.average is None):
            raise ValueError("train.ema was turned on or off since the run was saved")
        if self.average:
            for name, net in self.average.networks.items():
                net.load_state_dict(state["average"][name])
        torch.set_rng_state(state["random"].cpu())
        if self.device.type == "cuda" and state["random_cuda"] is not None:
            torch.cuda.set_rng_state(state["random_cuda"].cpu(), self.device)

    def finite(self) -> bool:
        """Whether every weight is a number."""
        return all(bool(torch.isfinite(p).all()) for p in self.method.parameters())


def parameters(group: OptimizerGroup) -> list[nn.Parameter]:
    """Every weight a player updates."""
    return [weight for network in group.networks for weight in network.parameters()]


def loop(training: Training, batches: Iterator[Batch], total: int) -> Iterator[Status]:
    """Train until ``total`` images are seen, yielding after every step.

    The last step may be one batch longer than asked. Nothing is drawn from a random generator
    between a step's end and the next one's start, so a caller may save, stop or draw in between.
    """
    config = training.config.train
    take = stepper(training)
    training.method.train()
    while training.seen < total:
        factor = lr_factor(training.seen / total, config.decay)
        micro = [next(batches) for _ in range(config.accumulate)]
        losses = take(micro, config.lr * factor)
        training.seen += config.batch * config.accumulate
        if training.average:
            training.average.update(
                training.method.generators, config.batch * config.accumulate, training.seen
            )
        yield Status(training.seen, config.lr * factor, losses)


def stepper(training: Training) -> Callable[[list[Batch], float], dict[str, Tensor]]:
    """``step`` for ``training``, in the form that ``config.speed`` asks for."""
    from hwan.training import branches, graph  # which take apart what is below

    if training.config.speed.cuda_graph:
        return graph.recorded(training)
    if branches.divides(training):
        return branches.branched(training)
    return partial(step, training)


def step(training: Training, micro: list[Batch], lr: float) -> dict[str, Tensor]:
    """``update`` at learning rate ``lr``."""
    set_lr(training, lr)
    return update(training, micro)


def set_lr(training: Training, lr: float) -> None:
    """Give every optimiser the learning rate ``lr``, in place where a recorded step reads it."""
    for optimizer in training.optimizers.values():
        for group in optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(lr)
            else:
                group["lr"] = lr


def update(training: Training, micro: list[Batch]) -> dict[str, Tensor]:
    """One update of every player, in the method's order, over the batches of ``micro`` together.

    A player whose gradient runs through the generators needs their forward pass alive; with several
    batches it is run again for it, so that no more than one batch's graph is held at a time.
    """
    method: Method = training.method
    alone = len(micro) == 1
    kept: list[Images | None] = [forward(training, micro[0])] if alone else [None] * len(micro)
    totals: dict[str, Tensor] = {}
    for group in method.groups:
        optimizer = training.optimizers[group.name]
        optimizer.zero_grad(set_to_none=True)
        freeze(training, group)
        for i, batch in enumerate(micro):
            images = kept[i]
            if images is None or (group.through_generators and not alone):
                images = forward(training, batch)
                kept[i] = {name: image.detach() for name, image in images.items()}
            with autocast(training):
                losses = group.objective(images)
            objective = torch.stack(list(losses.values())).sum() / len(micro)
            training.scaler.scale(objective).backward()  # type: ignore[no-untyped-call]
            for name, value in losses.items():
                totals[name] = totals.get(name, 0) + value.detach() / len(micro)
        training.scaler.step(optimizer)
    training.scaler.update()
    freeze(training, None)
    return totals


def forward(training: Training, batch: Batch) -> Images:
    """The method's images of one batch."""
    real = floats(training, batch)
    with autocast(training):
        images: Images = training.method(*real)
    return images


def floats(training: Training, batch: Batch) -> list[Tensor]:
    """The pictures of a batch as floats in [-1, 1] on the device: of A, of B, and of pairs beside them."""
    data = training.config.data
    sides = ((batch.a, data.range_a), (batch.b, data.range_b))
    real = [to_tensor(x.to(training.device, non_blocking=True), limits) for x, limits in sides]
    return real + (floats(training, batch.paired) if batch.paired else [])


def freeze(training: Training, training_group: OptimizerGroup | None) -> None:
    """Only ``training_group``'s weights ask for gradients; with None, everybody's."""
    for name, weights in training.weights.items():
        for weight in weights:
            weight.requires_grad_(training_group is None or name == training_group.name)


def autocast(training: Training, shared: bool = True) -> torch.autocast:
    """Mixed precision for forward passes and losses; weights stay fp32. Not ``shared``: without the cast
    weights that torch keeps for all threads together, until any of them is done."""
    dtype = AUTOCAST.get(training.precision)
    kind, on = training.device.type, dtype is not None
    return torch.autocast(kind, dtype, enabled=on, cache_enabled=shared)
