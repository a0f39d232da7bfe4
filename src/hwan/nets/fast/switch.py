"""The switch between torch's own layers and the fast CPU kernels."""

from __future__ import annotations

from torch import nn

from hwan.nets.blocks import ReflectionPad2d
from hwan.nets.fast.convs import PaddedConv2d
from hwan.nets.norms import InstanceNorm2d


def use_fast_kernels(net: nn.Module, on: bool) -> None:
    """Turn the fast CPU kernels of all layers of ``net`` on or off."""
    for module in net.modules():
        if isinstance(module, PaddedConv2d | ReflectionPad2d | InstanceNorm2d):
            module.fast = on
