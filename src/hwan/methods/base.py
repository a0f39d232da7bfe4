"""What every method offers the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from hwan.config import Config
from hwan.nets import build_generator
from hwan.nets.initial import initialise

Images = dict[str, Tensor]
"""One forward pass by the glossary's names: real_a, fake_b, rec_a, idt_a and the mirror."""
Losses = dict[str, Tensor]
"""Weighted scalars; a player minimises their sum."""


@dataclass(frozen=True)
class OptimizerGroup:
    """Networks that one optimiser updates against one objective."""

    name: str
    networks: tuple[nn.Module, ...]
    objective: Callable[[Images], Losses]
    through_generators: bool
    """Its gradient runs back through the generators' forward pass (a discriminator's does not)."""
    branches: tuple[tuple[str, ...], ...] = ()
    """Names of images for which its objective falls into a sum of independent parts."""


class Method(Protocol):
    """Networks and objective. ``groups`` are updated in their order, which is the method's own;
    ``real`` are real_a and real_b, and in semi-paired training paired_real_a and paired_real_b."""

    generators: Mapping[str, nn.Module]
    groups: tuple[OptimizerGroup, ...]

    def __call__(self, *real: Tensor) -> Images: ...


def one_call(net: nn.Module, *images: Tensor) -> tuple[Tensor, ...]:
    """``net`` of each of ``images`` by one call: for a network that treats them apart."""
    if len(images) == 1:
        return (net(*images),)
    return net(torch.cat(images)).split([len(image) for image in images])  # type: ignore[no-any-return]


def one_call_each(net: nn.Module, *images: Tensor) -> tuple[Tensor, ...]:
    """``net`` of each of ``images``, a call each."""
    return tuple(net(image) for image in images)


def new_generator(config: Config, direction: str, weights: torch.Generator) -> nn.Module:
    """The generator of ``direction`` ("ab" or "ba"), its first weights drawn from ``weights``."""
    channels = {"a": config.data.channels_a, "b": config.data.channels_b}
    net = build_generator(config.generator, channels[direction[0]], channels[direction[1]])
    initialise(net, config.generator, weights)
    return net
