"""The adversary in training: every combination runs, resumes bit for bit, and cuts up as it should."""

import dataclasses
import itertools
import json
import math
from pathlib import Path
from typing import Any, cast, get_args

import pytest
import torch
from torch import Tensor

import tiny
from hwan.config import Config, Gan, LossConfig, from_dict, to_dict
from hwan.data.loader import Batch
from hwan.errors import UsageError
from hwan.methods.adversarial import AdversarialLoss
from hwan.methods.cyclegan import CycleGAN
from hwan.training.loop import loop
from hwan.training.state import Training
from hwan.training.state_file import load_state, save_state
from hwan.training.steps.eager import step

CPU = torch.device("cpu")
ALL: Any = ("colour", "translation", "cutout")


def config(loss: LossConfig, **train: Any) -> Config:
    return dataclasses.replace(tiny.config(**train), loss=loss)


def noise(count: int, size: int = 32) -> list[Batch]:
    random = torch.Generator().manual_seed(0)
    return [
        Batch(*torch.randint(256, (2, 1, size, size, 3), generator=random).byte())
        for _ in range(count)
    ]


def weights(training: Training) -> Tensor:
    return torch.cat([p.detach().flatten() for p in training.method.parameters()])


def numbers(losses: Any) -> dict[str, float]:
    return {name: float(value.detach()) for name, value in losses.items()}


@pytest.mark.parametrize(
    ("gan", "diffaugment", "gamma"),
    list(itertools.product(get_args(Gan), [(), ALL], [0.0, 10.0])),
)
def test_every_combination_trains(gan: Any, diffaugment: Any, gamma: float) -> None:
    loss = LossConfig(gan=gan, diffaugment=diffaugment, r1=gamma)
    training = Training(config(loss, pool=1), CPU)
    before = weights(training)
    statuses = list(loop(training, iter(noise(2)), 2))
    expected = {"gan_ab", "gan_ba", "cycle_a", "cycle_b", "identity_a", "identity_b", "d_a", "d_b"}
    expected |= {"gp_a", "gp_b"} if gan == "wgan-gp" else set()
    expected |= {"r1_a", "r1_b"} if gamma else set()
    for status in statuses:
        found = tiny.numbers(status.losses)
        assert set(found) == expected
        assert all(math.isfinite(value) for value in found.values())
        assert set(status.losses["discriminators"]) == {
            n for n in expected if n.startswith(("d_", "gp_", "r1_"))
        }
    assert training.finite()
    assert not weights(training).equal(before)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_penalties_train_in_mixed_precision(precision: Any) -> None:
    loss = LossConfig(gan="wgan-gp", r1=1.0, diffaugment=ALL)
    curves = []
    for kind in ("fp32", precision):
        training = Training(config(loss, precision=kind, pool=0), CPU)
        statuses = list(loop(training, iter(noise(3)), 3))
        assert training.finite()
        curves.append([tiny.numbers(status.losses) for status in statuses])
    # The first step differs by rounding alone; later ones by what Adam makes of it.
    assert curves[1][0] == pytest.approx(curves[0][0], rel=0.05, abs=0.02)


def test_resuming_changes_no_bit(tmp_path: Path) -> None:
    """DiffAugment, the pool and the gradient penalty draw on from where they stopped."""
    loss = LossConfig(gan="wgan-gp", r1=1.0, diffaugment=ALL)
    whole, stopped, resumed = (Training(config(loss, pool=2, seed=3), CPU) for _ in range(3))
    curve = [tiny.numbers(s.losses) for s in loop(whole, iter(noise(8)), 8)]
    for _, _ in zip(range(5), loop(stopped, iter(noise(8)), 8), strict=False):
        pass
    save_state(tmp_path, stopped.state_dict())
    resumed.load_state_dict(load_state(tmp_path, CPU)[0])
    assert [tiny.numbers(s.losses) for s in loop(resumed, iter(noise(8)[5:]), 8)] == curve[5:]
    assert weights(resumed).equal(weights(whole))


def test_an_adversarys_state_returns_exactly() -> None:
    settings = config(LossConfig(gan="wgan-gp", diffaugment=ALL), pool=2)
    real, fake = torch.rand(2, 4, 6, 32, 32) * 2 - 1  # six channels: an input and its output
    first, second = AdversarialLoss(settings, 6, seed=1), AdversarialLoss(settings, 6, seed=2)
    for _ in range(3):
        first.discriminator_loss(real, fake, "b")
    second.load_state_dict(first.state_dict())
    for _ in range(3):
        losses = [
            numbers(adversarial.discriminator_loss(real, fake, "b"))
            for adversarial in (first, second)
        ]
        assert losses[0] == losses[1]
        assert set(losses[0]) == {"d_b", "gp_b"}
        assert first.generator_loss(fake).equal(second.generator_loss(fake))


def test_gradients_reach_the_generator_in_its_turn_alone() -> None:
    adversarial = AdversarialLoss(config(LossConfig(r1=1.0, diffaugment=ALL), pool=0), 3, seed=0)
    real, fake = (torch.rand(1, 3, 32, 32).requires_grad_() for _ in "rf")
    torch.stack(list(adversarial.discriminator_loss(real, fake, "a").values())).sum().backward()  # type: ignore[no-untyped-call]
    assert real.grad is None
    assert fake.grad is None
    assert all(p.grad is not None for p in adversarial.parameters())
    adversarial.generator_loss(fake).backward()  # type: ignore[no-untyped-call]
    assert fake.grad is not None
    assert float(fake.grad.norm()) > 0


def test_the_discriminator_sees_nothing_that_is_not_augmented() -> None:
    """Real and generated, in both turns and in the penalties, each with a hole of its own."""
    loss = LossConfig(gan="wgan-gp", r1=1.0, diffaugment=("cutout",))
    adversarial = AdversarialLoss(config(loss, pool=0), 3, seed=0)
    seen: list[Tensor] = []
    adversarial.discriminator.register_forward_pre_hook(
        lambda _, given: seen.extend(given[0].split(1))
    )
    adversarial.discriminator_loss(torch.ones(1, 3, 32, 32), torch.ones(1, 3, 32, 32), "a")
    adversarial.generator_loss(torch.ones(1, 3, 32, 32))
    real, fake, between, penalised, fooled = (x.detach() for x in seen)
    for image in (real, fake, fooled):
        assert 0 < int((image[0, 0] == 0).sum()) <= 16 * 16
    assert penalised.equal(real)
    assert not real.equal(fake)
    inside = (between[0, 0] == 0) == ((real + fake)[0, 0] == 0)  # holes of both, mixed in between
    assert bool(inside.all())


@pytest.mark.parametrize("loss", [LossConfig(r1=10.0), LossConfig(gan="wgan-gp")])
def test_accumulated_penalties_equal_those_of_one_large_batch(loss: LossConfig) -> None:
    """Means over images, and one draw an image in their order. (With DiffAugment or a pool the draws
    come in another order: the same in distribution, not in number.)"""
    small = noise(4)
    large = Batch(torch.cat([b.a for b in small]), torch.cat([b.b for b in small]))
    found = []
    for micro in (small, [large]):
        training = Training(config(loss, pool=0), CPU)
        training.optimizers = {
            group.name: cast(Any, torch.optim.SGD(group.parameters, 1.0))
            for group in training.method.groups
        }
        before = weights(training)
        losses = step(training, micro, lr=1.0)
        found.append((weights(training) - before, tiny.numbers(losses)))
    assert float((found[0][0] - found[1][0]).norm() / found[1][0].norm()) < 1e-4
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-4)


def test_a_partial_cycle_is_each_generators_own_objective() -> None:
    """Against the Keras example's way: one sum a generator, differentiated by its weights alone."""
    settings = config(LossConfig(partial_cycle=True, cycle_a=10, cycle_b=5), pool=0)
    method = CycleGAN(settings).train().double()
    paper = CycleGAN(dataclasses.replace(settings, loss=LossConfig(cycle_a=10, cycle_b=5))).train()
    paper.double()
    paper.load_state_dict(method.state_dict())
    x, y = torch.rand(2, 1, 3, 32, 32).double() * 2 - 1
    g, f = method.generator_ab, method.generator_ba

    def mae(a: Tensor, b: Tensor) -> Tensor:
        return (a - b).abs().mean()

    def fooled(judge: torch.nn.Module, fake: Tensor) -> Tensor:
        return cast(Tensor, judge(fake) - 1).square().mean()

    fake_y, fake_x = g(x), f(y)
    total_g = fooled(method.adversarial_b.discriminator, fake_y)
    total_g = total_g + 5 * mae(y, g(fake_x)) + 2.5 * mae(y, g(y))
    total_f = fooled(method.adversarial_a.discriminator, fake_x)
    total_f = total_f + 10 * mae(x, f(fake_y)) + 5 * mae(x, f(x))
    by_hand = [
        *torch.autograd.grad(total_g, list(g.parameters()), retain_graph=True),
        *torch.autograd.grad(total_f, list(f.parameters())),
    ]
    gradients, losses = [], []
    for model in (method, paper):
        own = [*model.generator_ab.parameters(), *model.generator_ba.parameters()]
        losses.append(model.groups[0].losses(model(x, y)))
        gradients.append(torch.autograd.grad(torch.stack(list(losses[-1].values())).sum(), own))
    # Biases before instance norm have rounding for a gradient, hence the absolute measure.
    for mine, theirs in zip(gradients[0], by_hand, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)
    assert numbers(losses[0]) == numbers(losses[1])  # the same figures
    difference = sum(
        float((p - q).square().sum()) for p, q in zip(gradients[0], gradients[1], strict=True)
    )
    assert difference > 1e-4  # but another gradient


@pytest.mark.parametrize(
    ("loss", "norm", "rule"),
    [
        ({"gan": "wgan-gp"}, "batch", "treats each image by itself"),
        ({"r1": 1.0}, "batch", "treats each image by itself"),
        ({"gan": "wgan-gp", "gp": 0.0}, "instance", "loss.gp above 0"),
        ({"r1": -1.0}, "instance", "loss.r1 of at least 0"),
        ({"diffaugment": "colour"}, "instance", "for loss.diffaugment"),
        ({"diffaugment": ("color",)}, "instance", "for loss.diffaugment"),
    ],
)
def test_what_does_not_fit_is_refused(loss: Any, norm: Any, rule: str) -> None:
    base = tiny.config()
    with pytest.raises(UsageError, match=rule):
        dataclasses.replace(
            base,
            loss=LossConfig(**loss),
            discriminator=dataclasses.replace(base.discriminator, norm=norm),
        )


def test_a_saved_configuration_returns() -> None:
    settings = config(LossConfig(gan="hinge", diffaugment=("colour", "cutout"), partial_cycle=True))
    stored = json.loads(json.dumps(to_dict(settings)))
    assert from_dict(Config, stored, "config.json") == settings
