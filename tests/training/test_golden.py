"""Equal to the reference implementation: outputs, losses of the first steps, and weights after them."""

import dataclasses
import itertools
from typing import Any

import pytest
import torch

import tiny
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
from hwan.methods.cyclegan import CycleGAN
from hwan.nets import build_discriminator, build_generator
from hwan.training.loop import Status, loop
from hwan.training.state import Training
from shared import SHARED

GOLDEN = SHARED / "golden"
Weights = dict[str, torch.Tensor]
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="the reference's outputs are not here")


def load_in_order(net: torch.nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Copy a reference state dict by position: the layers come in the same order, other names."""
    own = net.state_dict()
    assert [v.shape for v in own.values()] == [v.shape for v in weights.values()]
    net.load_state_dict(dict(zip(own, weights.values(), strict=True)))


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
def test_outputs(name: str, config: GeneratorConfig | DiscriminatorConfig) -> None:
    io = torch.load(GOLDEN / f"{name}.io.pt", weights_only=True)
    channels = io["input"].shape[1]
    if isinstance(config, GeneratorConfig):
        net = build_generator(config, channels, 3)
    else:
        net = build_discriminator(config, channels)
    load_in_order(net, torch.load(GOLDEN / f"{name}.pth", weights_only=True))
    with torch.no_grad():
        out = net.eval()(io["input"])
    torch.testing.assert_close(out, io["output"], atol=1e-5, rtol=0)


def test_cyclegan_losses_and_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three steps of the reference. Its D_A judges domain B, and its idt_A is G_A(real_B)."""
    golden = torch.load(GOLDEN / "train_cyclegan_3steps.pt", weights_only=True)
    config = Config(
        generator=GeneratorConfig(filters=8, blocks=6),
        discriminator=DiscriminatorConfig(filters=8),
        loss=LossConfig(),
        train=TrainConfig(pool=0, decay=1.0),
    )
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, size=64))
    training = Training(config, torch.device("cpu"))
    method: CycleGAN = training.method
    networks = {
        "G_A": method.generator_ab,
        "G_B": method.generator_ba,
        "D_A": method.adversarial_b.discriminator,
        "D_B": method.adversarial_a.discriminator,
    }
    for name, net in networks.items():
        load_in_order(net, golden["init"][name])
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

    steps = run(training, golden, monkeypatch)
    assert len(steps) == 3
    for status, expected in zip(steps, golden["losses"], strict=True):
        got = {names[name]: value for name, value in tiny.numbers(status.losses).items()}
        assert got == pytest.approx(expected, rel=1e-4)
    for name, net in networks.items():
        idle = idle_biases(net)
        assert len(idle) == {"G": 17, "D": 3}[name[0]]
        keys = dict(zip(net.state_dict(), golden["init"][name], strict=True))
        same_movement(net, golden["init"][name], golden["final"][name], keys, idle)


def test_pix2pix_losses_and_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps of the reference: U-Net 256, batch norm, vanilla GAN, the discriminator first."""
    golden = torch.load(GOLDEN / "train_pix2pix_2steps.pt", weights_only=True)
    config = Config(
        method="pix2pix",
        data=DataConfig(pairs="sides"),
        generator=GeneratorConfig(name="unet", filters=4, downs=8, norm="batch"),
        discriminator=DiscriminatorConfig(filters=4, norm="batch"),
        loss=LossConfig(gan="nonsaturating", identity=0),
        train=TrainConfig(pool=0, decay=1.0),
    )
    training = Training(config, torch.device("cpu"))
    nets: dict[str, tuple[torch.nn.Module, GeneratorConfig | DiscriminatorConfig]] = {
        "G": (training.method.generator_ab, config.generator),
        "D": (training.method.adversarial_b.discriminator, config.discriminator),
    }
    keys = {}
    for name, (net, shape) in nets.items():
        keys[name] = {key: reference_name(key, shape) for key in net.state_dict()}
        assert sorted(keys[name].values()) == sorted(golden["init"][name])
        net.load_state_dict({key: golden["init"][name][old] for key, old in keys[name].items()})
    steps = run(training, golden, monkeypatch)
    assert len(steps) == 2
    for status, expected in zip(steps, golden["losses"], strict=True):
        got = tiny.numbers(status.losses)
        assert got == pytest.approx(
            {
                "gan_ab": expected["G_GAN"],
                "l1_b": expected["G_L1"],
                "d_b": (expected["D_real"] + expected["D_fake"]) / 2,
            },
            rel=1e-4,
        )
    for name, (net, _) in nets.items():
        # The reference shows its discriminator the fake before the real, which changes nothing but
        # running statistics, and a discriminator's are never read.
        idle = {key for key in keys[name] if name == "D" and "running" in key}
        same_movement(net, golden["init"][name], golden["final"][name], keys[name], idle)


def run(
    training: Training, golden: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> list[Status]:
    # The golden inputs are floats already; the loop's own conversion has tests of its own.
    monkeypatch.setattr("hwan.training.state.to_tensor", lambda x, limits: x)
    batches = (Batch(a, b) for a, b in golden["inputs"])
    return list(loop(training, batches, total=len(golden["inputs"])))


def same_movement(
    net: torch.nn.Module, init: Weights, final: Weights, keys: dict[str, str], idle: set[str]
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


def idle_biases(net: torch.nn.Module) -> set[str]:
    """Names of the biases of convolutions whose next layer is an instance norm."""
    modules = [(n, m) for n, m in net.named_modules() if not list(m.children())]
    return {
        f"{name}.bias"
        for (name, _), (_, after) in itertools.pairwise(modules)
        if isinstance(after, torch.nn.InstanceNorm2d)
    }
