"""Generators that are broken in known ways, to see which health figure catches which.

Made from a healthy pair of generators and the real images they are examined on, but for ``hide``,
which trains one that really hides its input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from hwan.metrics.health import LEVEL, round_to_8bit

Pair = Mapping[str, nn.Module]
GREY = torch.tensor([0.299, 0.587, 0.114])


class Planted(nn.Module):
    """A function of images as a generator."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Tensor:
        return self.function(images)


def constant(nets: Pair, reals: Mapping[str, Tensor]) -> Pair:
    """One real picture of the domain for every input: collapse."""

    def one(real: Tensor, images: Tensor) -> Tensor:
        return real[:1].expand(len(images), -1, -1, -1)

    return {d: Planted(partial(one, reals[d[1]])) for d in nets}


def four_modes(nets: Pair, reals: Mapping[str, Tensor]) -> Pair:
    """One of four real pictures, chosen by the input's sum, which says nothing of what it shows."""

    def pick(real: Tensor, images: Tensor) -> Tensor:
        return real[[int(float(image.sum()) * 1e4) % 4 for image in images]]

    return {d: Planted(partial(pick, reals[d[1]])) for d in nets}


def shuffled(nets: Pair, reals: Mapping[str, Tensor]) -> Pair:
    """The healthy translation of another image: each is fine, none is its input's."""

    def other(bank: Tensor, net: nn.Module, images: Tensor) -> Tensor:
        numbers = [int((bank - image).abs().mean((1, 2, 3)).argmin()) for image in images]
        return torch.cat([net(bank[(i + 5) % len(bank)][None]) for i in numbers])

    return {d: Planted(partial(other, reals[d[0]], nets[d])) for d in nets}


def inverted(nets: Pair, reals: Mapping[str, Tensor]) -> Pair:
    """The negative of the healthy translation, and a way back that takes negatives."""
    return {"ab": Planted(lambda x: -nets["ab"](x)), "ba": Planted(lambda y: nets["ba"](-y))}


def low_bits(nets: Pair, reals: Mapping[str, Tensor]) -> Pair:
    """The healthy translation at 8 bits, with the whole input written below the lowest bit; the way
    back reads that and nothing else."""

    def write(images: Tensor) -> Tensor:
        return round_to_8bit(nets["ab"](images)) + 0.45 * LEVEL * images

    def read(images: Tensor) -> Tensor:
        return (images - round_to_8bit(images)) / (0.45 * LEVEL)

    return {"ab": Planted(write), "ba": Planted(read)}


PLANTED: dict[str, Callable[[Pair, Mapping[str, Tensor]], Pair]] = {
    "healthy": lambda nets, reals: nets,
    "constant": constant,
    "4 modes": four_modes,
    "shuffled": shuffled,
    "inverted": inverted,
    "low bits": low_bits,
}


class Hiding(nn.Module):
    """A grey picture of the input with up to ``STRENGTH`` of anything else in its channels, learned."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1), nn.ReLU(), nn.Conv2d(16, 3, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return grey(images) + STRENGTH * torch.tanh(self.net(images))


class Revealing(nn.Module):
    """A way back that is shown a picture and, magnified, how its channels differ."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(6, 32, 3, 1, 1), nn.ReLU(), nn.Conv2d(32, 32, 3, 1, 1), nn.ReLU(),
            nn.Conv2d(32, 3, 3, 1, 1),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        faint = (images - images.mean(1, keepdim=True)) / STRENGTH
        found: Tensor = images + self.net(torch.cat([images, faint], 1))
        return found


STRENGTH = 2 * LEVEL


def grey(images: Tensor) -> Tensor:
    """Rec. 601 luma in three channels."""
    return (images * GREY[:, None, None]).sum(1, keepdim=True).expand_as(images)


def hide(images: Tensor, steps: int = 400, seed: int = 0) -> Pair:
    """A pair of networks trained (Adam 2e-3, batches of 8, L1) to come back in colour from a picture
    that is grey but for two levels of 8 bits: colour can only be hidden in it, as CycleGAN does where A
    has more than B shows (Chu et al. 2017). ``images`` (N, 3, H, W) in [-1, 1]."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        nets = {"ab": Hiding(), "ba": Revealing()}
        weights = [weight for net in nets.values() for weight in net.parameters()]
        optimizer = torch.optim.Adam(weights, 2e-3)
        for _ in range(steps):
            real = images[torch.randint(len(images), (8,))]
            loss = (nets["ba"](nets["ab"](real)) - real).abs().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return nets
