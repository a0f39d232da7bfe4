"""Equal to the reference implementation: outputs, losses of the first steps, and weights after them.

``golden/`` holds short trainings of the reference with tiny networks (tests/helpers/golden_training.py says
how they were made). Larger ones, and its networks' outputs, are compared with where they lie beside the
checkout.
"""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from hwan.config import (
    Config,
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    LossConfig,
    TrainConfig,
)
from hwan.data.loader import Batch
from hwan.interop.reference import reference_name
from hwan.nets import build_discriminator, build_generator
from hwan.training.loop import loop
from hwan.training.state import Training
from shared import SHARED

SMALL = Path(__file__).parent / "golden"
LARGE = SHARED / "golden"
Weights = dict[str, Tensor]
Shape = GeneratorConfig | DiscriminatorConfig
needs_shared = pytest.mark.skipif(not LARGE.is_dir(), reason="the larger ones are not here")


@dataclass(frozen=True)
class Golden:
    """A training of the reference: weights by network and key, a batch (B, H, W, C) of each domain and
    the losses for every step."""

    init: dict[str, Weights]
    final: dict[str, Weights]
    inputs: list[tuple[Tensor, Tensor]]
    losses: list[dict[str, float]]


def small(method: str) -> Golden:
    """A committed one."""
    with safe_open(SMALL / f"{method}.safetensors", "pt") as file:
        losses = json.loads(file.metadata()["losses"])
        a, b = file.get_tensor("inputs/a"), file.get_tensor("inputs/b")
        weights: dict[str, dict[str, Weights]] = {"init": {}, "final": {}}
        for key in file.keys():  # noqa: SIM118  # no dict
            when, net, name = key.split("/") if key.count("/") == 2 else ("", "", "")
            if when:
                weights[when].setdefault(net, {})[name] = file.get_tensor(key)
    inputs = list(zip(a.split(1), b.split(1), strict=True))
    return Golden(weights["init"], weights["final"], inputs, losses)


def large(name: str) -> Golden:
    """One that lies beside the checkout; its inputs are floats (B, C, H, W)."""
    made = torch.load(LARGE / f"{name}.pt", weights_only=True)
    inputs = [tuple(x.permute(0, 2, 3, 1) for x in pair) for pair in made["inputs"]]
    return Golden(made["init"], made["final"], inputs, made["losses"])


def data(size: int, depth: Any = "8", **options: Any) -> DataConfig:
    if depth == "float":
        options |= {"range_a": (-1.0, 1.0), "range_b": (-1.0, 1.0)}
    return DataConfig(size=size, depth_a=depth, depth_b=depth, **options)


def cyclegan(data: DataConfig, filters: int, blocks: int) -> Config:
    return Config(
        data=data,
        generator=GeneratorConfig(filters=filters, blocks=blocks),
        discriminator=DiscriminatorConfig(filters=filters),
        train=TrainConfig(pool=0, decay=1.0, precision="fp32"),
    )


def pix2pix(data: DataConfig, filters: int, downs: int, discriminator: int) -> Config:
    return Config(
        method="pix2pix",
        data=data,
        generator=GeneratorConfig(name="unet", filters=filters, downs=downs, norm="batch"),
        discriminator=DiscriminatorConfig(filters=discriminator, norm="batch"),
        loss=LossConfig(gan="nonsaturating", identity=0),
        train=TrainConfig(pool=0, decay=1.0, precision="fp32"),
    )


@needs_shared
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("resnet6_ngf8_in", GeneratorConfig(filters=8, blocks=6)),
        ("resnet9_ngf4_in", GeneratorConfig(filters=4, blocks=9)),
        ("resnet6_ngf8_bn", GeneratorConfig(filters=8, blocks=6, norm="batch")),
        ("resnet6_ngf8_in_dropout", GeneratorConfig(filters=8, blocks=6, dropout=0.5)),
        ("unet128_ngf8_bn", GeneratorConfig(name="unet", filters=8, downs=7, norm="batch")),
        (
            "unet128_ngf8_bn",
            GeneratorConfig(name="unet", filters=8, downs=7, norm="batch", dropout=0.5),
        ),
        ("patchgan_ndf8_in", DiscriminatorConfig(filters=8)),
        ("patchgan_ndf8_bn_6ch", DiscriminatorConfig(filters=8, norm="batch")),
        ("pixel_ndf8_in", DiscriminatorConfig(name="pixel", filters=8)),
    ],
)
def test_outputs(name: str, config: Shape) -> None:
    io = torch.load(LARGE / f"{name}.io.pt", weights_only=True)
    channels = io["input"].shape[1]
    if isinstance(config, GeneratorConfig):
        net = build_generator(config, channels, 3)
    else:
        net = build_discriminator(config, channels)
    load(net, config, torch.load(LARGE / f"{name}.pth", weights_only=True))
    with torch.no_grad():
        out = net.eval()(io["input"])
    torch.testing.assert_close(out, io["output"], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("where", "name", "config"),
    [
        (small, "cyclegan", cyclegan(data(32), 2, 2)),
        pytest.param(
            large, "train_cyclegan_3steps", cyclegan(data(64, "float"), 8, 6), marks=needs_shared
        ),
    ],
)
def test_cyclegan_losses_and_weights(where: Any, name: str, config: Config) -> None:
    """Three steps of the reference. Its D_A sees domain B, and its idt_A is G_A(real_B)."""
    golden: Golden = where(name)
    training = Training(config, torch.device("cpu"))
    method = training.method
    networks = {
        "G_A": method.generator_ab,
        "G_B": method.generator_ba,
        "D_A": method.adversarial_b.discriminator,
        "D_B": method.adversarial_a.discriminator,
    }
    shapes: dict[str, Shape] = {"G": config.generator, "D": config.discriminator}
    keys = {name: load(net, shapes[name[0]], golden.init[name]) for name, net in networks.items()}
    names = {
        "gan_ab": "G_A",
        "gan_ba": "G_B",
        "cycle_a": "cycle_A",
        "cycle_b": "cycle_B",
        "identity_b": "idt_A",
        "identity_a": "idt_B",
        "d_b": "D_A",
        "d_a": "D_B",
    }
    steps = run(training, golden)
    assert len(steps) == 3
    for losses, expected in zip(steps, golden.losses, strict=True):
        assert {names[name]: value for name, value in losses.items()} == close(expected)
    for name, net in networks.items():
        idle = idle_biases(net)
        assert len(idle) == {"G": 5 + 2 * config.generator.blocks, "D": 3}[name[0]]
        same_movement(net, golden.init[name], golden.final[name], keys[name], idle)


@pytest.mark.parametrize(
    ("where", "name", "config"),
    [
        (small, "pix2pix", pix2pix(data(32, pairs="sides"), 1, 5, 2)),
        pytest.param(
            large,
            "train_pix2pix_2steps",
            pix2pix(data(256, "float", pairs="sides"), 4, 8, 4),
            marks=needs_shared,
        ),
    ],
)
def test_pix2pix_losses_and_weights(where: Any, name: str, config: Config) -> None:
    """Two steps of the reference: U-Net, batch norm, vanilla GAN, the discriminator first."""
    golden: Golden = where(name)
    training = Training(config, torch.device("cpu"))
    nets: dict[str, tuple[nn.Module, Shape]] = {
        "G": (training.method.generator_ab, config.generator),
        "D": (training.method.adversarial_b.discriminator, config.discriminator),
    }
    keys = {name: load(net, shape, golden.init[name]) for name, (net, shape) in nets.items()}
    steps = run(training, golden)
    assert len(steps) == 2
    for losses, expected in zip(steps, golden.losses, strict=True):
        discriminator = (expected["D_real"] + expected["D_fake"]) / 2
        wanted = {"gan_ab": expected["G_GAN"], "l1_b": expected["G_L1"], "d_b": discriminator}
        assert losses == close(wanted)
    for name, (net, _) in nets.items():
        # The reference shows its discriminator the fake before the real, which changes nothing but
        # running statistics, and a discriminator's are never read.
        idle = {key for key in keys[name] if name == "D" and "running" in key}
        same_movement(net, golden.init[name], golden.final[name], keys[name], idle)


def run(training: Training, golden: Golden) -> list[dict[str, float]]:
    """The losses of every step over the golden's inputs."""
    batches = (Batch(a, b) for a, b in golden.inputs)
    return [flat(status.losses) for status in loop(training, batches, total=len(golden.inputs))]


def flat(losses: Mapping[str, Any]) -> dict[str, float]:
    """Losses by name, whether or not they are grouped by optimizer."""
    found: dict[str, float] = {}
    for name, value in losses.items():
        found |= flat(value) if isinstance(value, Mapping) else {name: float(value)}
    return found


def close(losses: dict[str, float]) -> Any:
    return pytest.approx(losses, rel=1e-4)


def load(net: nn.Module, shape: Shape, weights: Weights) -> dict[str, str]:
    """Copy the reference's weights into ``net``. Returns the reference's key of each of its own."""
    keys = {key: reference_name(key, shape) for key in net.state_dict()}
    assert sorted(keys.values()) == sorted(weights)
    net.load_state_dict({key: weights[old] for key, old in keys.items()})
    return keys


def same_movement(
    net: nn.Module, init: Weights, final: Weights, keys: dict[str, str], idle: set[str]
) -> None:
    """Adam divides a gradient by its size, which magnifies rounding: the measure is the error of a
    tensor's whole movement. A bias before instance norm is cancelled by it: its gradient is rounding
    alone, and it is the one thing left out (``idle``)."""
    for key, own in net.state_dict().items():
        old, new = init[keys[key]].double(), final[keys[key]].double()
        if key in idle:
            continue
        if own.dtype == torch.int64:
            assert own == new
        else:
            assert float((own - new).norm() / (new - old).norm()) < 5e-3, key


def idle_biases(net: nn.Module) -> set[str]:
    """Names of the biases of convolutions whose next layer is an instance norm."""
    modules = [(n, m) for n, m in net.named_modules() if not list(m.children())]
    return {
        f"{name}.bias"
        for (name, _), (_, after) in itertools.pairwise(modules)
        if isinstance(after, nn.InstanceNorm2d)
    }
