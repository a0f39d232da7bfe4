"""CycleGAN's step against one written again from the papers, with nothing of hwan or of torch's layers and
optimisers: weights in a list, convolutions as functions, Adam by its four lines."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu, pad

import tiny
from hwan.config import Config, DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig
from hwan.data.loader import Batch
from hwan.training.loop import loop
from hwan.training.state import Training

Weights = list[Tensor]


def norm(x: Tensor) -> Tensor:
    mean = x.mean(dim=(2, 3), keepdim=True)
    return (x - mean) / ((x - mean).square().mean(dim=(2, 3), keepdim=True) + 1e-5).sqrt()


def generate(w: Weights, x: Tensor) -> Tensor:
    """7x7 stem, one halving, one residual block, one doubling, 7x7 to the image."""
    x = norm(conv2d(pad(x, [3] * 4, "reflect"), w[0], w[1])).clamp(min=0)
    x = norm(conv2d(x, w[2], w[3], 2, 1)).clamp(min=0)
    y = norm(conv2d(pad(x, [1] * 4, "reflect"), w[4], w[5])).clamp(min=0)
    x = x + norm(conv2d(pad(y, [1] * 4, "reflect"), w[6], w[7]))
    x = norm(conv_transpose2d(x, w[8], w[9], 2, 1, output_padding=1)).clamp(min=0)
    return torch.tanh(conv2d(pad(x, [3] * 4, "reflect"), w[10], w[11]))


def judge(w: Weights, x: Tensor) -> Tensor:
    """A PatchGAN of two layers."""
    x = leaky_relu(conv2d(x, w[0], w[1], 2, 1), 0.2)
    x = leaky_relu(norm(conv2d(x, w[2], w[3], 2, 1)), 0.2)
    x = leaky_relu(norm(conv2d(x, w[4], w[5], 1, 1)), 0.2)
    return conv2d(x, w[6], w[7], 1, 1)


def objectives(g: Weights, f: Weights, da: Weights, db: Weights, a: Tensor, b: Tensor) -> tuple[
    dict[str, Tensor], dict[str, Tensor]
]:  # fmt: skip
    """Equation 3 with the weights of section 4 and the identity loss of 5.2; LSGAN."""
    fake_b, fake_a = generate(g, a), generate(f, b)
    makers = {
        "gan_ab": (judge(db, fake_b) - 1).square().mean(),
        "gan_ba": (judge(da, fake_a) - 1).square().mean(),
        "cycle_a": 10 * (generate(f, fake_b) - a).abs().mean(),
        "cycle_b": 10 * (generate(g, fake_a) - b).abs().mean(),
        "identity_a": 5 * (generate(f, a) - a).abs().mean(),
        "identity_b": 5 * (generate(g, b) - b).abs().mean(),
    }
    judges = {
        f"d_{name}": ((judge(d, real) - 1).square().mean() + judge(d, fake.detach()).square().mean()) / 2
        for name, d, real, fake in (("a", da, a, fake_a), ("b", db, b, fake_b))
    }  # fmt: skip
    return makers, judges


class Adam:
    """Kingma and Ba 2015, algorithm 1."""

    def __init__(self) -> None:
        self.t, self.m, self.v = 0, [torch.zeros(())] * 99, [torch.zeros(())] * 99

    def step(self, weights: Weights, gradients: tuple[Tensor, ...], lr: float) -> Weights:
        self.t += 1
        new = []
        for i, (w, g) in enumerate(zip(weights, gradients, strict=True)):
            self.m[i], self.v[i] = 0.5 * self.m[i] + 0.5 * g, 0.999 * self.v[i] + 0.001 * g * g
            m, v = self.m[i] / (1 - 0.5**self.t), self.v[i] / (1 - 0.999**self.t)
            new.append((w - lr * m / (v.sqrt() + 1e-8)).detach().requires_grad_())
        return new


def test_three_steps_equal_those_written_from_the_papers() -> None:
    config = Config(
        data=DataConfig(size=32),
        generator=GeneratorConfig(filters=3, blocks=1, downs=1),
        discriminator=DiscriminatorConfig(filters=3, layers=2),
        train=TrainConfig(pool=0, decay=1.0, precision="fp32"),
    )
    training = Training(config, torch.device("cpu"))
    method = training.method
    nets = [method.generator_ab, method.generator_ba,
            method.adversarial_a.discriminator, method.adversarial_b.discriminator]  # fmt: skip
    start = [[p.detach().clone() for p in net.parameters()] for net in nets]
    w = [[p.clone().requires_grad_() for p in weights] for weights in start]
    random = torch.Generator().manual_seed(3)
    pixels = [torch.randint(256, (2, 1, 32, 32, 3), generator=random).byte() for _ in range(3)]
    makers, judges = Adam(), Adam()
    statuses = loop(training, iter([Batch(*pair) for pair in pixels]), total=3)
    for status, (a, b) in zip(statuses, pixels, strict=True):
        real = [x.permute(0, 3, 1, 2).float() / 127.5 - 1 for x in (a, b)]
        made, judged = objectives(w[0], w[1], w[2], w[3], real[0], real[1])
        expected = {name: float(value.detach()) for name, value in {**made, **judged}.items()}
        got = tiny.numbers(status.losses)
        assert got == pytest.approx(expected, rel=1e-4)
        generators, discriminators = w[0] + w[1], w[2] + w[3]
        of_makers = torch.autograd.grad(torch.stack(list(made.values())).sum(), generators)
        of_judges = torch.autograd.grad(torch.stack(list(judged.values())).sum(), discriminators)
        generators = makers.step(generators, of_makers, 2e-4)
        discriminators = judges.step(discriminators, of_judges, 2e-4)
        w = [generators[:12], generators[12:], discriminators[:8], discriminators[8:]]
    for net, first, last in zip(nets, start, w, strict=True):
        for (name, own), old, new in zip(net.named_parameters(), first, last, strict=True):
            # Biases before a norm have no gradient but rounding: only those of the ends are compared.
            if own.ndim == 4 or name.startswith(
                f"{len(net) - 2 if net in nets[:2] else len(net) - 1}."
            ):
                assert float((own - new).detach().norm() / (new - old).detach().norm()) < 5e-3, name
