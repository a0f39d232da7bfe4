"""Everything that changes while training, and what every kind of step does with it.

The steps are in training/steps; training/loop.py chooses one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hwan.config import Config
from hwan.data.loader import Batch
from hwan.imaging.pixels import to_tensor
from hwan.methods import METHODS
from hwan.methods.base import GroupedLosses, Images, OptimizerGroup
from hwan.methods.pool import Pool
from hwan.runtime import AUTOCAST, pick_precision, seed_all
from hwan.training.schedule import Average
from hwan.training.speed import adam, apply_speed, compile_networks

Step = Callable[[list[Batch], float], GroupedLosses]
"""One update of every group over some batches, at a learning rate; returns the losses, on the device."""


class Training:
    """Everything that changes while training, and nothing else; ``state_dict`` is all of it."""

    def __init__(self, config: Config, device: torch.device) -> None:
        seed_all(config.train.seed)  # dropout draws from torch's own generator
        self.config, self.device, self.seen = config, device, 0
        method: Any = METHODS[config.method](config)
        # (FakeTensorMode, which estimate.py uses, does not support a move within the CPU.)
        self.method = method if device.type == "cpu" else method.to(device)
        self.precision = pick_precision(config.train.precision, device)
        apply_speed(self.method, config, device, self.precision)
        self.weights = {group.name: group.parameters for group in self.method.groups}
        self.optimizers = {
            name: adam(group, config, device) for name, group in self.weights.items()
        }
        self.pools = [module for module in self.method.modules() if isinstance(module, Pool)]
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        generators = self.method.generators
        self.average = Average(generators, config.train.ema) if config.train.ema else None
        compile_networks(self.method.groups, config)  # after the averages were copied

    @property
    def generators(self) -> Mapping[str, nn.Module]:
        """What is saved, drawn and tested: the averaged generators where averaging is on."""
        return self.average.networks if self.average else self.method.generators

    def state_dict(self) -> dict[str, Any]:
        averages = self.average.networks if self.average else {}
        cuda = self.device.type == "cuda"
        return {
            "seen": self.seen,
            "method": self.method.state_dict(),
            "optimizers": {name: one.state_dict() for name, one in self.optimizers.items()},
            "scaler": self.scaler.state_dict(),
            "average": {k: net.state_dict() for k, net in averages.items()} or None,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(self.device) if cuda else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.seen, size = state["seen"], self.config.data.size
        self.method.load_state_dict(state["method"])
        for pool in self.pools:
            if pool.kept is not None and (saved := pool.kept.shape[-1]) != size:
                raise ValueError(f"the pool's images are {saved}x{saved}, and data.size is {size}")
        for name, optimizer in self.optimizers.items():
            # Saved under any switches and on any device: only the moments and counts are taken.
            own = {"param_groups": optimizer.state_dict()["param_groups"]}
            optimizer.load_state_dict({**state["optimizers"][name], **own})
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


def set_lr(training: Training, lr: float) -> None:
    """Give every optimizer the learning rate ``lr``, in place where a CUDA graph reads it."""
    for optimizer in training.optimizers.values():
        for group in optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(lr)
            else:
                group["lr"] = lr


def forward(training: Training, batch: Batch) -> Images:
    """The method's images of one batch."""
    real = floats(training, batch)
    with autocast(training):
        images: Images = training.method(*real)
    return images


def floats(training: Training, batch: Batch) -> list[Tensor]:
    """A batch's images (B, C, H, W) in [-1, 1] on the device: real_a, real_b, then the paired ones."""
    data, on = training.config.data, training.device
    sides = ((batch.a, data.range_a), (batch.b, data.range_b))
    real = [to_tensor(x.to(on, non_blocking=True), limits) for x, limits in sides]
    return real + (floats(training, batch.paired) if batch.paired else [])


def freeze(training: Training, trained: OptimizerGroup | None) -> None:
    """Only the weights of ``trained`` require gradients; with None all weights do."""
    for name, weights in training.weights.items():
        for weight in weights:
            weight.requires_grad_(trained is None or name == trained.name)


def through_generators(training: Training, group: OptimizerGroup) -> bool:
    """Whether the group's gradient runs back through the generators' forward pass."""
    return not set(group.networks).isdisjoint(training.method.generators.values())


def autocast(training: Training, cache: bool = True) -> torch.autocast:
    """Mixed precision for forward passes and losses; weights stay fp32.

    ``cache=False`` disables autocast's weight cache, which threads share.
    """
    dtype = AUTOCAST.get(training.precision)
    return torch.autocast(training.device.type, dtype, dtype is not None, cache)
