"""Initial weights: drawn in one order from one seed, whatever the network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import init

from hwan.config import GeneratorConfig
from hwan.config.networks import Init
from hwan.nets.blocks import ShuffleConv2d
from hwan.nets.norms import NetConfig
from hwan.nets.whitening import Whitening2d

Conv = nn.Conv2d | nn.ConvTranspose2d
NormLayer = nn.BatchNorm2d | nn.InstanceNorm2d | nn.GroupNorm | Whitening2d
# (weight, gain, seed) in place. "normal" is the papers' N(0, gain), which leans on a norm to restore
# the scale. "xavier" (Glorot and Bengio 2010, equation 12, for the normal distribution) and "kaiming"
# (He et al. 2015, equation 10) keep the scale by themselves, times gain; "orthogonal" (Saxe et al.
# 2014) also keeps directions apart: the weights as a matrix (out, in * k * k). "truncated" is cut off, not
# scaled up again: the spread left is 0.88 gain, as in TensorFlow's initialiser.
INITS: dict[Init, Callable[[Tensor, float, torch.Generator], object]] = {
    "normal": lambda weight, gain, seed: init.normal_(weight, 0.0, gain, generator=seed),
    "truncated": lambda weight, gain, seed: init.trunc_normal_(
        weight, 0.0, gain, -2 * gain, 2 * gain, generator=seed
    ),
    "xavier": lambda weight, gain, seed: init.xavier_normal_(weight, gain, generator=seed),
    "kaiming": lambda weight, gain, seed: init.kaiming_normal_(weight, generator=seed).mul_(gain),
    "orthogonal": lambda weight, gain, seed: init.orthogonal_(weight, gain, generator=seed),
}


def initialise(net: nn.Module, config: NetConfig, seed: torch.Generator) -> None:
    """Draw every convolution's weights and norm's scales, in place; biases and shifts are 0.

    Scales are of N(gamma_mean, gamma_std): N(1, 0.02) in the reference code, N(0, 0.02) in Keras'
    example. (The paper says N(0, 0.02) of all weights, CycleGAN, appendix 7.1.)
    """
    convs = [m for m in net.modules() if isinstance(m, Conv)]
    glorot = isinstance(config, GeneratorConfig) and config.last_init == "glorot"
    for module in net.modules():
        if isinstance(module, Conv):
            _set_weight(module, _draw(module, config, glorot and module is convs[-1], seed))
            if module.bias is not None:
                init.zeros_(module.bias)
        elif (
            isinstance(module, NormLayer) and module.weight is not None
        ):  # instance norm may have none
            init.normal_(module.weight, config.gamma_mean, config.gamma_std, generator=seed)
            init.zeros_(module.bias)


def _draw(conv: Conv, config: NetConfig, glorot: bool, seed: torch.Generator) -> Tensor:
    weight = torch.empty(conv.weight.shape)
    if isinstance(conv, ShuffleConv2d):
        # ICNR (Aitken et al. 2017): the four channels that pixel shuffle lays side by
        # side start equal, so the first upsampling is nearest and has no checkerboard.
        weight = weight[::4].contiguous()
    if glorot:
        init.xavier_uniform_(weight, generator=seed)
    else:
        INITS[config.init](weight, config.gain, seed)
    return weight.repeat_interleave(4, 0) if isinstance(conv, ShuffleConv2d) else weight


@torch.no_grad()
def _set_weight(conv: Conv, weight: Tensor) -> None:
    if isinstance(conv.weight, nn.Parameter):
        conv.weight.copy_(weight)
        return
    conv.weight = weight  # a parametrization takes it apart
    for _ in range(15):
        _ = conv.weight  # spectral norm's power iteration, which looked at other weights until now
