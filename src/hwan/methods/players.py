"""What every method offers the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

Images = dict[str, Tensor]
"""One forward pass by the glossary's names: real_a, fake_b, rec_a, idt_a and the mirror."""
Losses = dict[str, Tensor]
"""Weighted scalars; a player minimises their sum."""


@dataclass(frozen=True)
class Player:
    """Networks that one optimiser updates against one objective."""

    name: str
    networks: tuple[nn.Module, ...]
    objective: Callable[[Images], Losses]
    generates: bool
    """Its gradient runs back through the generators' forward pass (a discriminator's does not)."""


class Method(Protocol):
    """Networks and objective. ``players`` are updated in their order, which is the method's own."""

    generators: Mapping[str, nn.Module]
    players: tuple[Player, ...]

    def __call__(self, real_a: Tensor, real_b: Tensor) -> Images: ...
