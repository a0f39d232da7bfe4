"""The health figures of a pair of generators on a few images, while training and in the test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from hwan.config import Config
from hwan.metrics import health as figures
from hwan.training.loop import Training, parameters

TRIPS = 4  # images taken there and back, four times each way
EVERY = (
    250  # images between two measurements at least: they cost about three steps (bench/health.py)
)


def due(seen: int, ticks: int, total: int) -> bool:
    """Whether health is measured at the tick reached with image ``seen``: at the last one, and at every
    few, so that ``EVERY`` images lie between two."""
    stride = max(1, math.ceil(ticks * EVERY / total))
    return seen >= total or (seen * ticks // total) % stride == 0


def measure(
    nets: Mapping[str, nn.Module], a: Tensor, b: Tensor, paired: bool = False
) -> dict[str, float]:
    """Every figure of ``nets`` ("ab", and "ba" where there is a way back) on the real images ``a``
    and ``b`` (N, C, H, W) in [-1, 1]; those that cannot be told of them are left out.

    Where pairs teach (``paired``), what is bright and what dark is learned from the truth: photographs
    and their label maps correlate at about 0. ``inversion`` is then left out.

    The generators are to be in eval mode, and without gradients.
    """
    reals, found = {"a": a, "b": b}, {}
    for direction, net in nets.items():
        inputs, real = reals[direction[0]], reals[direction[1]]
        fakes = singly(net, inputs)
        found[f"dependence_{direction}"] = figures.dependence(fakes, inputs)
        if not paired:
            found[f"inversion_{direction}"] = figures.inversion(fakes, inputs)
        if min(len(fakes), len(real)) > 1:
            found[f"diversity_{direction}"] = figures.diversity(fakes, real)
            found[f"modes_{direction}"] = figures.modes(fakes, real, inputs)
        if back := nets.get(direction[::-1]):
            trip = figures.steganography(partial(singly, back), fakes[:TRIPS], inputs[:TRIPS])
            found |= {f"hidden_{touch}_{direction}": value for touch, value in trip.items()}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def singly(net: nn.Module, images: Tensor) -> Tensor:
    """Each image by itself, as it will be translated: a norm may tie the images of a batch."""
    return torch.cat([net(image[None]) for image in images])


def gradients(training: Training) -> dict[str, float]:
    """The norm of each player's last gradient, which a step leaves on the weights."""
    found = {}
    for group in training.method.groups:
        grads = [w.grad for w in parameters(group) if w.grad is not None]
        found[f"gradient_{group.name}"] = figures.gradient_norm(grads)
    return {name: value for name, value in found.items() if math.isfinite(value)}


def saturation(rows: Sequence[Mapping[str, float]], config: Config) -> dict[str, float]:
    """The discriminators' certainty over ``rows`` of losses, those since the tick before."""
    found = {}
    for domain in ("a", "b"):
        known = [row[f"d_{domain}"] for row in rows if f"d_{domain}" in row]
        if known:
            found[f"saturation_{domain}"] = figures.saturation(
                math.fsum(known) / len(known), config.loss.gan
            )
    return {name: value for name, value in found.items() if math.isfinite(value)}
