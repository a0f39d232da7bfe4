"""Checkpoints of pytorch-CycleGAN-and-pix2pix: read, refused, and written for it."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from golden_networks import NETWORKS, names
from hwan.cli import main as cli
from hwan.config import DiscriminatorConfig, GeneratorConfig
from hwan.errors import UsageError
from hwan.interop import export_reference, import_weights, load_discriminator
from hwan.nets.folder import GeneratorSpec, load_generator, save_generator
from imports import made, refused
from shared import SHARED

HERE = Path(__file__).parent / "golden"
GOLDEN = SHARED / "golden"
TENSORS = load_file(HERE / "reference.safetensors")
GENERATORS = [name for name, config in NETWORKS.items() if isinstance(config, GeneratorConfig)]
REFERENCE = [
    file.stem for file in sorted(GOLDEN.glob("*_ngf*.pth")) + sorted(GOLDEN.glob("*_ndf*.pth"))
]
JUDGES = [name for name in NETWORKS if name not in GENERATORS]


def own(name: str) -> dict[str, Tensor]:
    """The state dict of one of the project's own goldens, as the reference saves it."""
    return OrderedDict((key, TENSORS[f"{name}/{key}"]) for key in names(NETWORKS[name]))


def write(weights: dict[str, Tensor], path: Path) -> Path:
    torch.save(weights, path)
    return path


def imported(weights: dict[str, Tensor], folder: Path) -> tuple[torch.nn.Module, GeneratorSpec]:
    import_weights(write(weights, folder / "net.pth"), folder / "generator")
    return load_generator(folder / "generator")


# --- pytorch-CycleGAN-and-pix2pix: reading


@pytest.mark.parametrize("name", GENERATORS)
def test_generator(name: str, tmp_path: Path) -> None:
    """Outputs, and the architecture, told from the tensors alone."""
    net, spec = imported(own(name), tmp_path)
    expected = NETWORKS[name]
    assert spec.generator == expected
    assert (spec.channels_in, spec.channels_out, spec.direction) == (1, 3, "ab")
    out = net(TENSORS["input"])[:, :, ::4, ::4]
    torch.testing.assert_close(out, TENSORS[f"{name}/output"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", JUDGES)
def test_discriminator(name: str, tmp_path: Path) -> None:
    net, config, channels = load_discriminator(write(own(name), tmp_path / "latest_net_D.pth"))
    expected = NETWORKS[name]
    assert isinstance(expected, DiscriminatorConfig)
    assert config == expected
    assert channels == 1
    out = net(TENSORS["input"])[:, :, ::4, ::4]
    torch.testing.assert_close(out, TENSORS[f"{name}/output"], atol=1e-5, rtol=0)


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the reference's outputs are not here")
@pytest.mark.parametrize("name", REFERENCE)
def test_reference_outputs(name: str, tmp_path: Path) -> None:
    """The reference's own files and outputs; and a generator's file is written back as it was."""
    file = GOLDEN / f"{name}.pth"
    golden = torch.load(GOLDEN / f"{name.removesuffix('_oldstyle')}.io.pt", weights_only=True)
    if name.startswith(("patchgan", "pixel")):
        net, _, _ = load_discriminator(file)
    else:
        import_weights(file, tmp_path)
        net, _ = load_generator(tmp_path)
        back = torch.load(export_reference(tmp_path, tmp_path).path, weights_only=True)
        plain = torch.load(GOLDEN / f"{name.removesuffix('_oldstyle')}.pth", weights_only=True)
        assert list(back) == list(plain)
        assert all(torch.equal(back[key], plain[key]) for key in back)
    with torch.no_grad():
        out = net(golden["input"])
    torch.testing.assert_close(out, golden["output"], atol=1e-5, rtol=0)


def test_old_and_parallel_checkpoints(tmp_path: Path) -> None:
    """DataParallel's prefix, half precision, no batch count, statistics inside instance norm."""
    weights = own("resnet_instance")
    for norm in ("model.2", "model.10.conv_block.2"):
        weights |= {f"{norm}.running_mean": torch.ones(4), f"{norm}.running_var": torch.ones(4)}
    prefixed = {f"module.{key}": value for key, value in weights.items()}
    net, _ = imported(prefixed, tmp_path)
    out = net(TENSORS["input"])[:, :, ::4, ::4]
    torch.testing.assert_close(out, TENSORS["resnet_instance/output"], atol=1e-5, rtol=0)

    early = own("resnet_batch")
    early = {k: v.half() for k, v in early.items() if not k.endswith("num_batches_tracked")}
    (tmp_path / "batch").mkdir()
    net, _ = imported(early, tmp_path / "batch")
    out = net(TENSORS["input"])[:, :, ::4, ::4]
    torch.testing.assert_close(out, TENSORS["resnet_batch/output"], atol=2e-2, rtol=0)


def test_direction_comes_from_the_name(tmp_path: Path) -> None:
    file = write(own("resnet_instance"), tmp_path / "latest_net_G_B.pth")
    assert import_weights(file, tmp_path / "b").direction == "ba"
    assert import_weights(file, tmp_path / "a", "ab").direction == "ab"


def test_import_does_not_replace_a_generator(tmp_path: Path) -> None:
    imported(own("resnet_instance"), tmp_path)
    with pytest.raises(UsageError, match="without a generator"):
        import_weights(tmp_path / "net.pth", tmp_path / "generator")


# --- pytorch-CycleGAN-and-pix2pix: refusing


class Harmful:
    """Pickled, it would make a folder when loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_code_is_not_run(tmp_path: Path) -> None:
    torch.save({"model.1.weight": Harmful(tmp_path / "ran")}, tmp_path / "net.pth")
    refused(tmp_path / "net.pth", "mkdir)", "state_dict")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"hello world" * 50, b"PK\x03\x04 cut short"])
def test_no_checkpoint(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(content)
    refused(tmp_path / "net.pth", "not a PyTorch checkpoint")


def test_no_file(tmp_path: Path) -> None:
    refused(tmp_path / "net.pth", "No such file")
    refused(tmp_path, "directory")


def test_other_contents(tmp_path: Path) -> None:
    file = tmp_path / "net.pth"
    whole = {"epoch": 3, "state_dict": own("resnet_instance")}
    torch.save(whole, file)
    refused(file, "epoch, state_dict")
    torch.save([1, 2], file)
    refused(file, "list")
    for name in JUDGES:
        refused(write(own(name), file), "discriminator", NETWORKS[name].norm)
    with pytest.raises(UsageError, match="a resnet generator"):
        load_discriminator(write(own("resnet_batch"), file))
    refused(write({"encoder.0.weight": torch.zeros(2, 2)}, file), "encoder.0.weight (2, 2)")


def test_other_networks(tmp_path: Path) -> None:
    """CUT's ResNet; zero padding; a norm with scale alone; a layer too many; no finite weight."""
    file, weights = tmp_path / "net.pth", own("resnet_instance")
    refused(write(weights | {"model.7.filt": torch.zeros(1, 1, 3, 3)}, file), "CUT")
    moved = {key.replace("conv_block.1", "conv_block.0"): v for key, v in weights.items()}
    refused(write(moved, file), "zero padding")
    refused(write(weights | {"model.2.weight": torch.zeros(1)}, file), "learned scale")
    extra = weights | {"model.11.conv_block.9.bias": torch.zeros(4)}
    refused(write(extra, file), "model.11.conv_block.9.bias")
    short = {key: value for key, value in weights.items() if key != "model.4.weight"}
    refused(write(short, file), "another network")
    refused(write(weights | {"model.1.bias": torch.tensor([torch.nan])}, file), "model.1.bias")
    refused(write(weights | {"model.1.bias": torch.zeros(3)}, file), "model.1.bias")
    unet = own("unet_batch")
    del unet["model.model.3.weight"]
    refused(write(unet, file), "outermost")


# --- pytorch-CycleGAN-and-pix2pix: writing


@pytest.mark.parametrize("name", GENERATORS)
def test_round_trip(name: str, tmp_path: Path) -> None:
    """import(export(import(x))) is exact, and the file is the reference's: names, order, values."""
    net, spec = imported(own(name), tmp_path)
    exported = export_reference(tmp_path / "generator", tmp_path / "out")
    assert exported.path.name == "latest_net_G_A.pth"
    assert f"--norm {spec.generator.norm} --input_nc 1 --output_nc 3" in exported.options
    assert ("--no_dropout" in exported.options) == (spec.generator.dropout == 0)
    assert exported.options.endswith("--eval")
    back = torch.load(exported.path, weights_only=True)
    assert list(back) == list(own(name))
    assert all(torch.equal(back[key], value) for key, value in own(name).items())
    assert import_weights(exported.path, tmp_path / "again") == spec
    again, _ = load_generator(tmp_path / "again")
    for one, other in zip(net.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_without_eval(tmp_path: Path) -> None:
    """Batch norm by the batch's own statistics, dropout on; and back, to names the reference loads."""
    file = write(own("resnet_batch"), tmp_path / "net.pth")
    import_weights(file, tmp_path / "generator", evaluating=False)
    net, spec = load_generator(tmp_path / "generator")
    assert spec.generator.test_batch_statistics
    import_weights(file, tmp_path / "evaluating")
    training = load_generator(tmp_path / "evaluating")[0].train()
    with torch.no_grad():
        torch.testing.assert_close(net(TENSORS["input"]), training(TENSORS["input"]))
    exported = export_reference(tmp_path / "generator", tmp_path)
    assert not exported.options.endswith("--eval")
    back = torch.load(exported.path, weights_only=True)
    assert list(back) == list(own("resnet_batch"))
    assert all(
        torch.equal(back[key], value)
        for key, value in own("resnet_batch").items()
        if not key.endswith(("running_mean", "running_var", "num_batches_tracked"))
    )
    folder = made(tmp_path / "unet", name="unet", downs=6, norm="batch")
    import_weights(export_reference(folder, tmp_path).path, tmp_path / "noisy", evaluating=False)
    config = load_generator(tmp_path / "noisy")[1].generator
    assert (config.dropout, config.test_dropout) == (0.5, True)


def test_exported_names(tmp_path: Path) -> None:
    folder = made(tmp_path / "g", blocks=6)
    exported = export_reference(folder, tmp_path)
    assert exported.path == tmp_path / "latest_net_G_B.pth"
    assert "resnet_6blocks --ngf 1" in exported.options
    assert export_reference(folder, tmp_path / "x.pth").path == tmp_path / "x.pth"
    folder = made(tmp_path / "u", "pix2pix", name="unet", downs=7, norm="batch")
    exported = export_reference(folder, tmp_path)
    assert exported.path == tmp_path / "latest_net_G.pth"
    assert "unet_128" in exported.options


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"up": "nearest"}, "generator.up nearest"),
        ({"norm": "group"}, "generator.norm group"),
        ({"padding": "zero"}, "generator.padding zero"),
        ({"downs": 3}, "generator.downs 3"),
        ({"name": "unet", "downs": 3}, "generator.downs 3"),
        ({"name": "bottleneck", "downs": 6}, "generator.name bottleneck"),
        ({"stem": 3}, "generator.stem 3"),
        ({"norm_eps": 1e-3}, "generator.norm_eps"),
    ],
)
def test_what_the_reference_has_not(options: dict[str, Any], word: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=word):
        export_reference(made(tmp_path / "g", **options), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_biases_without_a_norm_are_not_dropped(tmp_path: Path) -> None:
    folder = made(tmp_path / "g", norm="none")
    net, spec = load_generator(folder)
    torch.nn.init.ones_(net.state_dict()["1.bias"])
    save_generator(folder, net, spec)
    with pytest.raises(UsageError, match=r"1\.bias is not 0"):
        export_reference(folder, tmp_path)


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(own("resnet_batch"), tmp_path / "latest_net_G_A.pth")
    assert cli.main(["import", str(file), "--out", str(tmp_path / "g")]) == 0
    assert "a generator" in capsys.readouterr().out
    back = tmp_path / "back.pth"
    assert cli.main(["export", str(tmp_path / "g"), "--to", "reference", "--out", str(back)]) == 0
    assert "--norm batch" in capsys.readouterr().out
    assert back.is_file()
    judge = write(own("pixel_batch"), tmp_path / "latest_net_D.pth")
    assert cli.main(["import", str(judge), "--out", str(tmp_path / "d")]) == 2
    assert "a pixel discriminator" in capsys.readouterr().err
