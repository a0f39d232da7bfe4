"""The averaged generators."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import nn


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
