"""What a batch is worth and what it costs: the noise of its gradient, and the memory it holds."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hwan.config import Config
from hwan.data.loader import batch
from hwan.methods.base import summed
from hwan.study.claim import Cell
from hwan.study.probe import training_set
from hwan.training.state import Training
from hwan.training.steps.eager import forward


def gradient_noise(cell: Cell, count: int) -> tuple[float, int]:
    """(noise scale, images of the training set): Σ over the weights of the variance of one image's
    gradient of the generators' objective, over the squared length of the mean gradient, at the first
    weights. Unbiased from ``count`` draws; inf where the mean is lost in the noise.

    B_simple of McCandlish et al. 2018 (An empirical model of large-batch training), equation 2.9; from
    a batch of B images the gradient's error is √(scale / B) of its length.
    """
    config, images = cell.config, training_set(cell)
    training = Training(config, torch.device(cell.device))
    group = next(p for p in training.method.groups if p.name == "generators")
    weights = group.parameters
    total, squares = torch.zeros(()), 0.0
    for n in range(count):
        one = forward(training, batch(images, config.data, config.train.seed, n, 1))
        objective = summed(group.losses(one))
        gradients = torch.autograd.grad(objective, weights)
        gradient = torch.cat([g.flatten() for g in gradients]).double()
        total = total.to(gradient) + gradient
        squares += float(gradient.square().sum())
    mean = float((total / count).square().sum())
    variance = (squares - count * mean) / (count - 1)
    length = mean - variance / count
    return (variance / length if length > 0 else math.inf), images.epoch


def held(config: Config, size: int) -> float:
    """MB that the generators' forward pass keeps for the backward one, of a batch of ``size`` images:
    every stored tensor but the weights, once. Nothing is computed (PyTorch's meta device)."""
    meta = torch.device("meta")
    training = Training(config, meta)
    own = {w.untyped_storage()._cdata for w in training.method.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        key = tensor.untyped_storage()._cdata
        if key not in own:
            kept[key] = tensor
        return tensor

    side, channels = config.data.size, (config.data.channels_a, config.data.channels_b)
    real = [torch.empty(size, n, side, side, device=meta) for n in channels]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        images = training.method(*real)
        group = next(p for p in training.method.groups if p.name == "generators")
        summed(group.losses(images))
    return sum(t.untyped_storage().nbytes() for t in kept.values()) / 2**20
