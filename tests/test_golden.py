"""Equal to the reference implementation: outputs, losses of the first steps, and weights after them."""

import dataclasses
import itertools

import pytest
import torch

from conftest import SHARED
from hwan.config import Config, DiscriminatorConfig, GeneratorConfig, LossConfig, TrainConfig
from hwan.methods.cyclegan import CycleGAN
from hwan.nets import build_discriminator, build_generator
from hwan.training.loop import Training, loop

GOLDEN = SHARED / "golden"
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
        "D_A": method.discriminator_b,
        "D_B": method.discriminator_a,
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

    # The golden inputs are floats already; the loop's own conversion has tests of its own.
    monkeypatch.setattr("hwan.training.loop.to_tensor", lambda x: x)
    from hwan.data.loader import Batch

    batches = (Batch(a, b) for a, b in golden["inputs"])
    steps = list(loop(training, batches, total=3))
    assert len(steps) == 3
    for status, expected in zip(steps, golden["losses"], strict=True):
        got = {names[name]: float(value) for name, value in status.losses.items()}
        assert got == pytest.approx(expected, rel=1e-4)
    # Adam divides a gradient by its size, which magnifies rounding: the measure is the error of a
    # tensor's whole movement. A bias before instance norm is cancelled by it: its gradient is
    # rounding alone, and it is the one thing left out.
    idle = {name: idle_biases(net) for name, net in networks.items()}
    for name, net in networks.items():
        assert len(idle[name]) == {"G": 17, "D": 3}[name[0]]
        for (key, own), (old, new) in zip(
            net.state_dict().items(),
            zip(golden["init"][name].values(), golden["final"][name].values(), strict=True),
            strict=True,
        ):
            if key not in idle[name]:
                assert float((own - new).norm() / (new - old).norm()) < 5e-3, f"{name} {key}"


def idle_biases(net: torch.nn.Module) -> set[str]:
    """Names of the biases of convolutions whose next layer is an instance norm."""
    modules = [(n, m) for n, m in net.named_modules() if not list(m.children())]
    return {
        f"{name}.bias"
        for (name, _), (_, after) in itertools.pairwise(modules)
        if isinstance(after, torch.nn.InstanceNorm2d)
    }
