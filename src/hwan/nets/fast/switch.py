"""The switch of every layer that has a form of fewer operations."""

from __future__ import annotations

from torch import nn

from hwan.nets.blocks import ReflectionPad2d
from hwan.nets.fast.convs import PaddedConv2d
from hwan.nets.norms import InstanceNorm2d


def use_fast_kernels(net: nn.Module, on: bool) -> None:
    """Compute the layers of ``net`` by fewer operations, or as they are defined; for CPUs."""
    for module in net.modules():
        if isinstance(module, PaddedConv2d | ReflectionPad2d | InstanceNorm2d):
            module.fast = on
