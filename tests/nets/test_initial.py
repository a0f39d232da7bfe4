"""Initial weights: their spread, and that the seed decides."""

import dataclasses

import pytest
import torch
from torch import nn

from hwan.config import GeneratorConfig
from hwan.nets import build_generator
from hwan.nets.initial import initialise


def test_initialisation_has_the_papers_spread_and_the_seed_decides() -> None:
    config = GeneratorConfig(filters=32, norm="batch")
    net, same, other = (build_generator(config, 3, 3) for _ in range(3))
    initialise(net, config, torch.Generator().manual_seed(1))
    initialise(same, config, torch.Generator().manual_seed(1))
    initialise(other, config, torch.Generator().manual_seed(2))
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.weight.numel() > 10_000:
            assert float(module.weight.detach().std()) == pytest.approx(0.02, rel=0.05)
        if isinstance(module, nn.BatchNorm2d):
            assert float(module.weight.detach().mean()) == pytest.approx(1, abs=0.02)
    first, second, third = (
        torch.cat([p.detach().flatten() for p in n.parameters()]) for n in (net, same, other)
    )
    assert first.equal(second)
    assert not first.equal(third)


def test_kaiming_keeps_the_signal_without_a_norm_where_the_papers_spread_loses_it() -> None:
    papers = GeneratorConfig(filters=16, blocks=3, norm="none", up="nearest")
    net = build_generator(papers, 3, 3)
    image = torch.rand(1, 3, 64, 64) * 2 - 1
    spread = {}
    for config in (papers, dataclasses.replace(papers, init="kaiming", gain=1.0)):
        initialise(net, config, torch.Generator().manual_seed(0))
        spread[config.init] = float(net(image).detach().std())
    assert spread["normal"] < 0.01
    assert 0.1 < spread["kaiming"] < 1
