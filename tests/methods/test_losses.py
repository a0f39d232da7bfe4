"""Objectives, penalties, PatchNCE: closed forms by hand, gradients, extremes, and naive versions."""

import math
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hwan.methods.losses import GAN_OBJECTIVES, gradient_penalty, patch_nce, r1

REAL, FAKE = [0.5, -2.0], [1.5, -0.25]


def log_d(logit: float) -> float:
    return math.log(1 / (1 + math.exp(-logit)))


def log_not_d(logit: float) -> float:
    return math.log(1 - 1 / (1 + math.exp(-logit)))


def number(loss: Tensor) -> float:
    return float(loss.detach())


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def logits(values: list[float]) -> Tensor:
    return torch.tensor(values).reshape(1, 1, 1, -1)


CROSS_ENTROPY = -(mean([log_d(x) for x in REAL]) + mean([log_not_d(x) for x in FAKE])) / 2


@pytest.mark.parametrize(
    ("name", "generator", "discriminator"),
    [
        ("minimax", mean([log_not_d(x) for x in FAKE]), CROSS_ENTROPY),
        ("nonsaturating", -mean([log_d(x) for x in FAKE]), CROSS_ENTROPY),
        ("lsgan", (0.5**2 + 1.25**2) / 2, ((0.5**2 + 3**2) / 2 + (1.5**2 + 0.25**2) / 2) / 2),
        ("hinge", -0.625, (0.5 + 3) / 2 + (2.5 + 0.75) / 2),
        ("wgan-gp", -0.625, 0.625 + 0.75),
    ],
)
def test_closed_forms(name: Any, generator: float, discriminator: float) -> None:
    objective = GAN_OBJECTIVES[name]
    assert float(objective.generator_loss(logits(FAKE))) == pytest.approx(generator)
    assert float(objective.discriminator_loss(logits(REAL), logits(FAKE))) == pytest.approx(
        discriminator
    )


@pytest.mark.parametrize("name", GAN_OBJECTIVES)
def test_several_judgements_are_averaged_whatever_their_sizes(name: Any) -> None:
    objective, sizes = GAN_OBJECTIVES[name], (7, 3)
    real, fake = (tuple(torch.randn(2, 1, n, n) for n in sizes) for _ in range(2))
    one_by_one = [
        float(objective.discriminator_loss(r, f)) for r, f in zip(real, fake, strict=True)
    ]
    assert float(objective.discriminator_loss(real, fake)) == pytest.approx(mean(one_by_one))
    assert float(objective.generator_loss(fake)) == pytest.approx(
        mean([float(objective.generator_loss(f)) for f in fake])
    )
    with pytest.raises(ValueError, match="zip"):
        objective.discriminator_loss(real, fake[:1])


@pytest.mark.parametrize("name", GAN_OBJECTIVES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_sure_discriminators_give_finite_losses_and_gradients(name: Any, dtype: Any) -> None:
    objective = GAN_OBJECTIVES[name]
    for value in (80.0, -80.0):
        real, fake = (torch.full((1, 1, 2, 2), value, dtype=dtype).requires_grad_() for _ in "rf")
        losses = objective.generator_loss(fake), objective.discriminator_loss(real, fake)
        assert all(x.dtype == torch.float32 and bool(x.isfinite()) for x in losses)
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        assert real.grad is not None
        assert fake.grad is not None
        assert bool(real.grad.isfinite().all() & fake.grad.isfinite().all())


@pytest.mark.parametrize("logit", [-80.0, -10.0, -1.0, 0.0, 3.0])
def test_minimax_saturates_where_the_discriminator_is_sure_and_the_other_does_not(
    logit: float,
) -> None:
    """By the logit: -D for log(1 - D), D - 1 for -log D. At D near 0 only the second still moves G."""
    d = 1 / (1 + math.exp(-logit))
    slopes = {}
    for name in ("minimax", "nonsaturating"):
        fake = logits([logit]).requires_grad_()
        GAN_OBJECTIVES[name].generator_loss(fake).backward()  # type: ignore[no-untyped-call]
        slopes[name] = float(cast(Tensor, fake.grad))
    assert slopes["minimax"] == pytest.approx(-d, rel=1e-5)
    assert slopes["nonsaturating"] == pytest.approx(d - 1, rel=1e-5)
    if logit <= -10:
        assert abs(slopes["minimax"]) < 1e-4
        assert slopes["nonsaturating"] == pytest.approx(-1, rel=1e-4)


class Linear(nn.Module):
    """D(x) = w . x: its gradient is w everywhere."""

    def __init__(self, norm: float, members: int = 1) -> None:
        super().__init__()
        weight = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
        self.weight = nn.Parameter(weight * norm / weight.norm())
        self.members = members

    def forward(self, x: Tensor) -> Any:
        score = (x * self.weight).sum((1, 2, 3)).reshape(-1, 1, 1, 1)
        # Two patches each, whose mean is the score: what an image's score is made of.
        out = torch.cat([score - 1, score + 1], 3)
        return out if self.members == 1 else (out,) * self.members


@pytest.mark.parametrize("members", [1, 2])
def test_penalties_of_a_linear_discriminator(members: int) -> None:
    net = Linear(norm=3.0, members=members)
    real, fake = torch.randn(2, 6, 3, 4, 5)
    assert number(gradient_penalty(net, real, fake)) == pytest.approx(10 * (3 - 1) ** 2, rel=1e-5)
    assert number(gradient_penalty(net, real, fake, weight=0.5)) == pytest.approx(2, rel=1e-5)
    assert number(r1(net, real)) == pytest.approx(3**2 / 2, rel=1e-5)
    # By the weights: d/dw of gamma / 2 |w|^2 is gamma w; of (|w| - 1)^2 it is 2 (|w| - 1) w / |w|.
    r1(net, real, gamma=4.0).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(net.weight.grad, 4 * net.weight.detach())
    net.weight.grad = None
    gradient_penalty(net, real, fake, weight=1.0).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(net.weight.grad, 2 * (3 - 1) / 3 * net.weight.detach())


def test_opposite_members_do_not_hide_each_others_gradient() -> None:
    net, images = Linear(norm=3.0), torch.randn(2, 3, 4, 5)
    assert number(r1(lambda x: (net(x), -net(x)), images)) == pytest.approx(3**2 / 2, rel=1e-5)
    both = number(gradient_penalty(lambda x: (net(x), 0 * net(x)), images, images, weight=1.0))
    assert both == pytest.approx(((3 - 1) ** 2 + 1) / 2, rel=1e-5)


def test_the_gradient_penalty_looks_between_real_and_fake() -> None:
    """D(x) = |x|^2 / 2 has the gradient x itself, which shows the place."""
    real, fake = torch.zeros(4, 1, 2, 2), torch.full((4, 1, 2, 2), 3.0)
    seed = 3
    share = torch.rand(4, 1, 1, 1, generator=torch.Generator().manual_seed(seed))
    norms = (1 - share.flatten()) * 6  # of four pixels at 3 (1 - share)
    found = gradient_penalty(
        lambda x: x.square().sum((1, 2, 3), keepdim=True) / 2,
        real,
        fake,
        torch.Generator().manual_seed(seed),
        weight=1.0,
    )
    assert number(found) == pytest.approx(float((norms - 1).square().mean()))


def test_penalties_by_hand_on_a_network() -> None:
    """Image by image with autograd, and the second derivative against finite differences."""
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Softplus(), nn.InstanceNorm2d(3), nn.Conv2d(3, 1, 3))
    real = torch.randn(3, 2, 8, 8)
    squares = []
    for image in real:
        x = image[None].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(net(x).mean(), x)
        squares.append(float(gradient.square().sum()))
    penalty = r1(net, real, gamma=100.0)
    assert number(penalty) == pytest.approx(50 * mean(squares), rel=1e-4)
    penalty.backward()  # type: ignore[no-untyped-call]
    weight = cast(nn.Conv2d, net[3]).weight
    slope, h = float(cast(Tensor, weight.grad).flatten()[0]), 1e-2
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight.view(-1)[0] += sign * h
        values.append(number(r1(net, real, gamma=100.0)))
        with torch.no_grad():
            weight.view(-1)[0] -= sign * h
    assert (values[0] - values[1]) / (2 * h) == pytest.approx(slope, rel=1e-2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_penalties_are_fp32_under_autocast(dtype: Any) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 4, 2), nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(4, 1, 3))
    real, fake = torch.randn(2, 2, 3, 16, 16)
    expected = r1(net, real), gradient_penalty(net, real, fake, torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype):
        found = r1(net, real), gradient_penalty(net, real, fake, torch.Generator().manual_seed(0))
        assert net(real).dtype == dtype
    assert [number(x) for x in found] == [number(x) for x in expected]


def naive_nce(query: Tensor, key: Tensor, temperature: float) -> float:
    """Equation 3 of CUT, one query at a time."""
    total, (b, n, _) = 0.0, query.shape
    for i in range(b):
        for place in range(n):
            q = query[i, place] / query[i, place].norm()
            scores = [float(q @ (k / k.norm())) / temperature for k in key[i]]
            total -= scores[place] - math.log(sum(math.exp(s) for s in scores))
    return total / (b * n)


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_patch_nce_is_the_naive_loop(temperature: float) -> None:
    query, key = torch.randn(2, 3, 5, 7)
    expected = naive_nce(query, key, temperature)
    assert float(patch_nce(query, key, temperature)) == pytest.approx(expected, rel=1e-4)
    # Already on the sphere, nothing changes; another image's patches are no negatives.
    on_sphere = patch_nce(F.normalize(query, dim=2), F.normalize(key, dim=2), temperature)
    assert float(on_sphere) == pytest.approx(expected, rel=1e-4)
    alone = mean([float(patch_nce(query[i, None], key[i, None], temperature)) for i in range(3)])
    assert alone == pytest.approx(expected, rel=1e-4)


def test_patch_nce_at_its_ends_and_its_gradient() -> None:
    places = torch.eye(4)[None]  # features that are all different
    assert float(patch_nce(places, places)) == pytest.approx(0, abs=1e-5)
    same = torch.ones(1, 4, 3)  # a guess among four
    assert float(patch_nce(same, same)) == pytest.approx(math.log(4))
    query, key = (torch.randn(2, 4, 3, requires_grad=True) for _ in "qk")
    patch_nce(query, key).backward()  # type: ignore[no-untyped-call]
    assert key.grad is None
    assert query.grad is not None
    half = patch_nce(query.half(), key.half())
    assert half.dtype == torch.float32
    assert number(half) == pytest.approx(number(patch_nce(query, key)), rel=0.02)
