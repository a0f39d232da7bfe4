"""Everything that changes while training: networks, optimizers, pools, averages. It is what a state saves.

training/steps/eager.py says what a step does with it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from hwan.config import Config
from hwan.methods import METHODS
from hwan.methods.pool import Pool
from hwan.runtime import pick_precision, seed_all
from hwan.training.speed import apply_speed, compile_networks


class Training:
    """Everything that changes while training, and nothing else; ``state_dict`` is all of it."""

    def __init__(self, config: Config, device: torch.device) -> None:
        seed_all(config.train.seed)  # dropout draws from torch's own generator
        self.config, self.device, self.seen = config, device, 0
        self.trained_against: tuple[str, ...] = ()  # what the networks it started from were
        self.warmup = max(0, config.train.warmup)
        method: Any = METHODS[config.method](config)
        # (FakeTensorMode, which estimate.py uses, does not support a move within the CPU.)
        self.method = method if device.type == "cpu" else method.to(device)
        self.precision = pick_precision(config.train.precision, device)
        # The same functions, faster: no result changes but by rounding.
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
            "trained_against": list(self.trained_against),
            "warmup": self.warmup,
            "method": self.method.state_dict(),
            "optimizers": {name: one.state_dict() for name, one in self.optimizers.items()},
            "scaler": self.scaler.state_dict(),
            "average": {k: net.state_dict() for k, net in averages.items()} or None,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(self.device) if cuda else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.seen, size = state["seen"], self.config.data.size
        self.trained_against = tuple(
            state.get("trained_against", ())
        )  # both not in states of before
        self.warmup = state.get("warmup", 0)
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


def adam(weights: list[nn.Parameter], config: Config, device: torch.device) -> torch.optim.Adam:
    """Adam (Kingma and Ba 2015) over one optimizer group's weights, without weight decay."""
    train, speed = config.train, config.speed
    # A CUDA graph reads the learning rate and the count of steps from the device.
    lr: Any = torch.tensor(train.lr, device=device) if speed.cuda_graph else train.lr
    betas, fused = (train.beta1, train.beta2), speed.fused_adam or None
    return torch.optim.Adam(weights, lr, betas, fused=fused, capturable=speed.cuda_graph)


class Average:
    """Exponential moving averages of networks, by half-life in images seen.

    The half-life is at most a twentieth of the images seen so far, so that early weights are
    forgotten (Karras et al. 2020, StyleGAN2, ramp-up of the reference code).
    """

    def __init__(self, networks: Mapping[str, nn.Module], half_life: float) -> None:
        self.half_life = half_life
        self.networks = {
            name: copy.deepcopy(net).eval().requires_grad_(False) for name, net in networks.items()
        }

    @torch.no_grad()
    def update(self, networks: Mapping[str, nn.Module], step: int, seen: int) -> None:
        """Move towards ``networks`` after a step of ``step`` images, ``seen`` in all."""
        keep = 0.5 ** (step / max(min(self.half_life, seen / 20), 1e-8))
        for name, net in networks.items():
            average = self.networks[name]
            torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), 1 - keep)
            for kept, fresh in zip(average.buffers(), net.buffers(), strict=True):
                kept.copy_(fresh)
