"""The health figures of a pair of generators on a few images, while training and in the test."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from statistics import fmean

import torch
from torch import Tensor, nn

from hwan.config import Config
from hwan.metrics import health as figures
from hwan.training.state import Training

TRIPS = 4  # images taken there and back, four times each way
# Least images between two measurements, which cost about three steps (bench/health.py).
EVERY = 250

Health = dict[str, float]
"""Health figures by name and place: ``diversity_ab``."""


def due(seen: int, ticks: int, total: int) -> bool:
    """Whether health is measured at the tick reached with image ``seen``: at the last tick, and at so few
    others that ``EVERY`` images lie between two."""
    stride = max(1, math.ceil(ticks * EVERY / total))
    return seen >= total or (seen * ticks // total) % stride == 0


def measure(nets: Mapping[str, nn.Module], a: Tensor, b: Tensor, paired: bool = False) -> Health:
    """Every figure of ``nets`` ("ab", and "ba" where there is a way back) on the real images ``a``
    and ``b`` (N, C, H, W) in [-1, 1], without those that cannot be measured on them.

    With ``paired`` the method learns brightness from the truth, and ``inversion`` is left out:
    photographs and their label maps correlate at about 0.

    The generators are to be in eval mode, and without gradients.
    """
    reals = {"a": a, "b": b}
    found: Health = {}
    for direction, net in nets.items():
        inputs, real = reals[direction[0]], reals[direction[1]]
        fakes = one_by_one(net, inputs)
        found[f"dependence_{direction}"] = figures.dependence(fakes, inputs)
        if not paired:
            found[f"inversion_{direction}"] = figures.inversion(fakes, inputs)
        if min(len(fakes), len(real)) > 1:
            found[f"diversity_{direction}"] = figures.diversity(fakes, real)
            found[f"modes_{direction}"] = figures.modes(fakes, real, inputs)
        if back := nets.get(direction[::-1]):
            trip = figures.steganography(partial(one_by_one, back), fakes[:TRIPS], inputs[:TRIPS])
            found |= {f"hidden_{touch}_{direction}": value for touch, value in trip.items()}
    return _finite(found)


def one_by_one(net: nn.Module, images: Tensor) -> Tensor:
    """Each image by itself, as it will be translated: a norm may tie the images of a batch."""
    return torch.cat([net(image[None]) for image in images])


@contextmanager
def translating(training: Training) -> Iterator[None]:
    """The generators in eval mode; draws (dropout may be on while translating) are undone at the end."""
    for net in training.generators.values():
        net.eval()
    with torch.random.fork_rng([training.device] if training.device.type == "cuda" else []):
        yield
    training.method.train()


def gradients(training: Training) -> Health:
    """The norm of each optimizer group's last gradient, which a step leaves on the weights."""
    found = {}
    for group, weights in training.weights.items():
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        found[f"gradient_{group}"] = figures.gradient_norm(gradients)
    return _finite(found)


def saturation(rows: Sequence[Mapping[str, Health]], config: Config) -> Health:
    """The discriminators' certainty by the mean losses of ``rows``, those since the last measurement."""
    found = {}
    losses = [row.get("discriminators", {}) for row in rows]
    for domain in ("a", "b"):
        if known := [values[f"d_{domain}"] for values in losses if f"d_{domain}" in values]:
            found[f"saturation_{domain}"] = figures.saturation(fmean(known), config.loss.gan)
    return _finite(found)


def _finite(found: Health) -> Health:
    return {name: value for name, value in found.items() if math.isfinite(value)}
