"""Gradients and signals by depth, of networks with their first weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hwan.config import Config
from hwan.nets.blocks import ACTIVATIONS, padded_conv
from hwan.nets.initial import initialise

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def bare_stack(config: Config, depth: int, seed: int) -> nn.Sequential:
    """``depth`` layers of convolution and activation and nothing else, with their first weights."""
    generator = config.generator
    layers: list[nn.Module] = []
    for channels in [config.data.channels_a] + [generator.filters] * (depth - 1):
        layers += padded_conv(generator, channels, generator.filters, 3)
        layers.append(ACTIVATIONS[generator.activation]())
    net = nn.Sequential(*layers)
    initialise(net, generator, torch.Generator().manual_seed(seed))
    return net


def first_gradient(net: nn.Module, images: Tensor, seed: int) -> float:
    """How far the loss reaches: the norm of the gradient by the first convolution's weights, of the mean
    over ``images`` of <u, net(image)>, with u a random direction of length 1."""
    generator = torch.Generator().manual_seed(seed)
    out = net(images)
    direction = torch.randn(out.shape, generator=generator).to(out)
    first = next(layer for layer in net.modules() if isinstance(layer, CONVOLUTIONS))
    loss = (out * direction).flatten(1).sum(1) / direction.flatten(1).norm(dim=1)
    (gradient,) = torch.autograd.grad(loss.mean(), [first.weight])
    return float(gradient.norm())


@torch.no_grad()
def signal(net: nn.Module, images: Tensor) -> list[float]:
    """The root mean square of what comes in and of what each convolution is given, in the network's
    order, then of what comes out of the last one."""
    seen = _given(net, images, CONVOLUTIONS)
    last, value = seen[-1]
    values = [*(x for _, x in seen), last(value)]
    return [float(x.square().mean().sqrt()) for x in values]


def flat_share(net: nn.Module, images: Tensor, slope: float) -> float:
    """The share of all values given to the network's activations at which their slope is below ``slope``."""
    flat = []
    for layer, value in _given(net, images, tuple({type(make()) for make in ACTIVATIONS.values()})):
        out = layer(value.requires_grad_() * 1)  # some work in place
        (slopes,) = torch.autograd.grad(out.sum(), [value])
        flat.append((slopes.abs() < slope).flatten())
    return float(torch.cat(flat).float().mean())


@torch.no_grad()
def _given(
    net: nn.Module, images: Tensor, kinds: tuple[type[nn.Module], ...]
) -> list[tuple[nn.Module, Tensor]]:
    """Every layer of these ``kinds`` with a copy of what the network gives it, in the network's order."""
    found: list[tuple[nn.Module, Tensor]] = []

    def before(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        found.append((layer, given[0].clone()))

    hooks = [m.register_forward_pre_hook(before) for m in net.modules() if isinstance(m, kinds)]
    net(images)
    for hook in hooks:
        hook.remove()
    return found
