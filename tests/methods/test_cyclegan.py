"""CycleGAN's objective: what the paper says, on small tensors."""

import pytest
import torch

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


def test_lsgan_by_hand() -> None:
    real, fake = torch.tensor([[[[0.5, 1.0]]]]), torch.tensor([[[[0.0, 2.0]]]])
    assert float(lsgan_generator(fake)) == pytest.approx((1 + 1) / 2)
    assert float(lsgan_discriminator(real, fake)) == pytest.approx((0.125 + 2.0) / 2)
    assert float(l1(real, fake)) == pytest.approx(0.75)


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
