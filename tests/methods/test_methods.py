"""Networks, objectives, pool: what the papers say, on small tensors."""

import dataclasses
from collections import Counter

import pytest
import torch
from torch import nn

from hwan.config import (
    Config,
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    LossConfig,
    TrainConfig,
)
from hwan.methods.base import summed
from hwan.methods.cyclegan import CycleGAN
from hwan.methods.losses import l1, lsgan_discriminator, lsgan_generator
from hwan.methods.pool import Pool
from hwan.nets import build_discriminator, build_generator
from hwan.nets.initial import initialise


def test_lsgan_by_hand() -> None:
    real, fake = torch.tensor([[[[0.5, 1.0]]]]), torch.tensor([[[[0.0, 2.0]]]])
    assert float(lsgan_generator(fake)) == pytest.approx((1 + 1) / 2)
    assert float(lsgan_discriminator(real, fake)) == pytest.approx((0.125 + 2.0) / 2)
    assert float(l1(real, fake)) == pytest.approx(0.75)


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("padding", ["reflect", "replicate", "zero"])
@pytest.mark.parametrize("up", ["transposed", "nearest"])
def test_a_generator_keeps_the_size_and_the_range(norm: str, padding: str, up: str) -> None:
    config = GeneratorConfig(filters=4, blocks=1, norm=norm, padding=padding, up=up)  # type: ignore[arg-type]
    net = build_generator(config, 1, 3)
    multiple, least = config.sizes
    out = net(torch.randn(2, 1, least, least + multiple)).detach()
    assert out.shape == (2, 3, least, least + multiple)
    assert float(out.abs().max()) <= 1


@pytest.mark.parametrize(("downs", "stem"), [(0, 3), (0, 7), (1, 7), (2, 5), (3, 7), (4, 9)])
def test_the_least_size_works_and_a_smaller_one_does_not(downs: int, stem: int) -> None:
    config = GeneratorConfig(filters=2, blocks=1, downs=downs, stem=stem)
    net = build_generator(config, 3, 3)
    multiple, least = config.sizes
    assert least % multiple == 0
    net(torch.randn(1, 3, least, least))
    smaller = least - multiple
    if smaller:
        with pytest.raises((RuntimeError, ValueError)):
            net(torch.randn(1, 3, smaller, smaller))


def test_the_patch_of_three_layers_is_70_pixels() -> None:
    """The receptive field by its gradient: how wide a window moves one logit."""
    net = build_discriminator(DiscriminatorConfig(filters=2, norm="none"), 1)
    image = torch.zeros(1, 1, 128, 128, requires_grad=True)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.ones_(module.weight)
    net(image)[0, 0, 7, 7].backward()
    assert image.grad is not None
    rows = image.grad[0, 0].abs().sum(1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == 70


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


def test_pool_fills_then_exchanges_half() -> None:
    pool = Pool(10, seed=0)
    images = torch.arange(1000.0).reshape(1000, 1, 1, 1)
    shown = torch.cat([pool(images[i : i + 1]) for i in range(1000)]).flatten()
    assert shown[:10].equal(images[:10].flatten())
    old = int((shown[10:] != images[10:].flatten()).sum())
    assert 430 < old < 560  # half of 990, give or take four standard deviations
    counts = Counter(shown.tolist())
    assert max(counts.values()) == 2  # once as it passed into the filling pool, once as it left
    assert sum(n == 2 for n in counts.values()) == 10


def test_pool_of_zero_passes_all_and_state_returns_exactly() -> None:
    images = torch.randn(5, 1, 2, 2)
    assert Pool(0, seed=0)(images) is images
    first = Pool(3, seed=0)
    for _ in range(20):
        first(images)
    second = Pool(3, seed=9)
    second.load_state_dict(first.state_dict())
    for _ in range(20):
        assert first(images).equal(second(images))


def method(loss: LossConfig | None = None, a: int = 3, b: int = 3) -> CycleGAN:
    return CycleGAN(
        Config(
            data=DataConfig(size=32, channels_a=a, channels_b=b),
            loss=loss or LossConfig(),
            generator=GeneratorConfig(filters=2, blocks=1),
            discriminator=DiscriminatorConfig(filters=2),
            train=TrainConfig(pool=0),
        )
    )


def test_each_loss_is_what_its_name_says() -> None:
    cyclegan = method(LossConfig(cycle_a=10, cycle_b=5, identity=0.5)).train()
    with torch.no_grad():
        images = cyclegan(torch.randn(1, 3, 32, 32), torch.randn(1, 3, 32, 32))
        losses = cyclegan.groups[0].losses(images)
    # Close, not equal: made in one call with others, a convolution may round otherwise.
    g, f = cyclegan.generator_ab, cyclegan.generator_ba
    torch.testing.assert_close(images["idt_a"], f(images["real_a"]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(images["rec_b"], g(f(images["real_b"])), rtol=1e-4, atol=1e-5)
    assert float(losses["cycle_b"]) == pytest.approx(
        5 * float(l1(images["rec_b"], images["real_b"]))
    )
    assert float(losses["identity_a"]) == pytest.approx(
        5 * float(l1(images["idt_a"], images["real_a"]))
    )
    assert float(losses["identity_b"]) == pytest.approx(
        2.5 * float(l1(images["idt_b"], images["real_b"]))
    )


def test_identity_off_makes_no_identity_images_and_frees_the_channels() -> None:
    grey_to_colour = method(LossConfig(identity=0), a=1, b=3).train()
    images = grey_to_colour(torch.randn(1, 1, 32, 32), torch.randn(1, 3, 32, 32))
    assert "idt_a" not in images
    assert images["fake_b"].shape[1] == 3
    assert images["rec_a"].shape[1] == 1
    assert set(grey_to_colour.groups[0].losses(images)) == {
        "gan_ab",
        "gan_ba",
        "cycle_a",
        "cycle_b",
    }


def test_the_discriminators_turn_leaves_the_generators_alone() -> None:
    cyclegan = method().train()
    images = cyclegan(torch.randn(1, 3, 32, 32), torch.randn(1, 3, 32, 32))
    summed(cyclegan.groups[1].losses(images)).backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in cyclegan.generator_ab.parameters())
    assert all(p.grad is not None for p in cyclegan.adversarial_b.parameters())
