"""What every method offers a training step: generators, a forward pass, and groups with objectives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from hwan.config import Config
from hwan.errors import UsageError, require
from hwan.nets import build_generator
from hwan.nets.initial import initialise

Images = dict[str, Tensor]
"""One forward pass by the glossary's names: real_a, fake_b, rec_a, idt_a and the mirror. The step adds mask_a
and mask_b, (B, 1, H, W) from 0 (stays) to 1 (may change), where ``loss.outside`` is on."""
Losses = dict[str, Tensor]
"""Weighted scalars by name; the optimizer minimises their sum."""
GroupedLosses = dict[str, Losses]
"""Losses by the name of their optimizer group."""
Objective = Callable[[Images], Losses]


@dataclass(frozen=True)
class Half:
    """Half of an objective: it shares only weights with the other half, so both can run at once.

    ``objective`` is given the images named in ``images`` and no others.
    """

    images: tuple[str, ...]
    objective: Objective


class HalfImages(Images):
    """The images that a half declares; reading another one raises ``UsageError``."""

    def __missing__(self, name: str) -> Tensor:
        expected = f"one of the images that this half of the objective declares: {', '.join(self)}"
        raise UsageError(expected, name, "add it to its images, or declare the objective whole")


@dataclass(frozen=True)
class OptimizerGroup:
    """Networks that one optimizer updates, and their objective: one function, or two halves.

    Halves may run on a thread each (training/steps/parallel_halves.py). One thread calls the same
    functions with the same images, so an objective that runs on one thread also runs on two.
    """

    name: str
    networks: tuple[nn.Module, ...]
    objective: Objective | tuple[Half, Half]

    @property
    def halves(self) -> tuple[Half, ...]:
        """The halves of the objective; none if it is whole."""
        return self.objective if isinstance(self.objective, tuple) else ()

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Every weight that the group updates."""
        return [weight for network in self.networks for weight in network.parameters()]

    def losses(self, images: Images) -> Losses:
        """Every loss of the objective. Raises as ``merged`` and ``images_of_halves`` do."""
        if not isinstance(self.objective, tuple):
            return self.merged([self.objective(images)])
        own = self.images_of_halves(images)
        return self.merged([self.objective[n].objective(own[n]) for n in (0, 1)])

    def images_of_halves(self, images: Images) -> list[Images]:
        """The images that each half declares.

        Raises ``UsageError`` for one that ``images`` lacks, and for a generated one that both halves
        declare: they would share more than weights.
        """
        names = [name for half in self.halves for name in half.images]
        expected = f"images of the forward pass, a generated one in only one half of {self.name}"
        fix = "correct the halves' images, or declare the group's objective whole"
        for name in names:
            twice = names.count(name) > 1 and name in images and images[name].requires_grad
            received = f"{name} in both halves" if twice else f"no {name} among {', '.join(images)}"
            require(name in images and not twice, expected, received, fix)
        return [HalfImages({name: images[name] for name in half.images}) for half in self.halves]

    def merged(self, parts: Sequence[Any]) -> Losses:
        """The losses of every part of the objective in one dict.

        Raises ``UsageError`` for a part without losses, a loss that is no scalar tensor, and a name
        that two parts have.
        """
        merged: Losses = {}
        for losses in parts:
            named = isinstance(losses, Mapping) and len(losses) > 0
            for name, loss in losses.items() if named else [("", losses)]:
                if not named or name in merged or not isinstance(loss, Tensor) or loss.ndim:
                    raise UsageError(
                        f"a dict of scalar tensors, each name once, from the objective of {self.name}",
                        f"{name} twice" if name in merged else f"{name} {loss!r}".strip(),
                        "return {name: loss} from it, each loss a mean or a sum",
                    )
                merged[name] = loss
        return merged


class Method(Protocol):
    """Networks and objective. ``groups`` are updated in their order, which is the method's own.

    ``real`` are real_a and real_b, and in semi-paired training paired_real_a and paired_real_b. A
    method whose groups all have halves also has ``batched`` and takes ``domains``: ("a",) makes only
    the images that begin in A.
    """

    generators: Mapping[str, nn.Module]
    groups: tuple[OptimizerGroup, ...]

    def __call__(self, *real: Tensor) -> Images: ...


def summed(losses: Losses) -> Tensor:
    """The sum of ``losses``, for ``backward``."""
    return torch.stack(list(losses.values())).sum()


def translated(net: nn.Module, inputs: Images, batched: bool) -> Images:
    """``inputs`` by the names of their outputs: the outputs of ``net`` (B, C, H, W) in [-1, 1].

    ``batched``: one call for all of them, for a network that treats every image by itself.
    """
    if not batched or len(inputs) == 1:
        return {name: net(image) for name, image in inputs.items()}
    lengths = [len(image) for image in inputs.values()]
    return dict(zip(inputs, net(torch.cat(list(inputs.values()))).split(lengths), strict=True))


def new_generator(config: Config, direction: str, weights: torch.Generator) -> nn.Module:
    """The generator of ``direction`` ("ab" or "ba"), its first weights drawn from ``weights``."""
    channels = {"a": config.data.channels_a, "b": config.data.channels_b}
    read, written = (channels[domain] for domain in direction)
    net = build_generator(config.generator, read, written, config.data.hints > 0)
    initialise(net, config.generator, weights)
    return net
