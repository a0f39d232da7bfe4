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
    sizes: list[float] = []

    def before(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        sizes.append(_rms(given[0]))

    convolutions = [layer for layer in net.modules() if isinstance(layer, CONVOLUTIONS)]
    hooks = [layer.register_forward_pre_hook(before) for layer in convolutions]
    hooks.append(convolutions[-1].register_forward_hook(lambda _, __, out: sizes.append(_rms(out))))
    net(images)
    for hook in hooks:
        hook.remove()
    return sizes


def _rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt())


def flat_share(net: nn.Module, images: Tensor, slope: float) -> float:
    """The share of all values given to the network's activations at which their slope is below ``slope``."""
    flat: list[Tensor] = []

    def before(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        with torch.enable_grad():
            value = given[0].detach().clone().requires_grad_()
            out = type(layer).forward(layer, value * 1)  # not through hooks; some work in place
            (slopes,) = torch.autograd.grad(out.sum(), [value])
        flat.append((slopes.abs() < slope).flatten())

    kinds = tuple({type(make()) for make in ACTIVATIONS.values()})
    hooks = [m.register_forward_pre_hook(before) for m in net.modules() if isinstance(m, kinds)]
    with torch.no_grad():
        net(images)
    for hook in hooks:
        hook.remove()
    return float(torch.cat(flat).float().mean())
