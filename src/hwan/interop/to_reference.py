"""Generators as checkpoints that pytorch-CycleGAN-and-pix2pix loads."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import torch

from hwan.config import GeneratorConfig
from hwan.config.methods import record_of
from hwan.errors import require
from hwan.files import write_atomic
from hwan.interop.architectures import ARCHITECTURES, NORMS
from hwan.interop.reference import STATISTICS, reference_name
from hwan.nets import folder


@dataclass(frozen=True)
class Exported:
    """A checkpoint written for the reference, and the options that read it there."""

    path: Path
    options: str


def export_reference(source: Path, out: Path) -> Exported:
    """Write the generator in the folder ``source`` as a checkpoint the reference loads.

    ``out`` is a .pth file, or a folder, for the name the reference looks for there:
    latest_net_G_A.pth (direction ab), latest_net_G_B.pth (ba), latest_net_G.pth (pix2pix).
    Raises ``UsageError`` for a generator with an option that the reference has not.
    """
    net, spec = folder.load_generator(source)
    config = spec.generator
    _refuse(source, _foreign(config) + ["it takes colour hints"] * spec.hints)
    own = net.state_dict()
    if config.norm == "none":  # the reference has no biases then, but in the last convolution
        biases = [key for key in own if key.endswith(".bias")][:-1]
        _refuse(source, [f"{key} is not 0, under norm none" for key in biases if own[key].any()])
        own = {key: value for key, value in own.items() if key not in biases}
    weights = {}
    for key, value in own.items():
        name = reference_name(key, config)
        weights[name] = value
        norm = name.removesuffix(".bias")
        if config.test_batch_statistics and norm != name and weights[f"{norm}.weight"].ndim == 1:
            # The reference's batch norm has a place for statistics, used under --eval alone.
            statistics = torch.zeros_like(value), torch.ones_like(value), torch.tensor(0)
            weights |= {f"{norm}.{k}": v for k, v in zip(STATISTICS, statistics, strict=True)}
    name = record_of(spec.method).reference_names[("ab", "ba").index(spec.direction)]
    path = out if out.suffix == ".pth" else out / f"latest_net_{name}.pth"
    data = io.BytesIO()
    torch.save(weights, data)
    write_atomic(path, data.getvalue())
    return Exported(path, _options(config, spec))


def _foreign(config: GeneratorConfig) -> list[str]:
    """The options of a generator in which it differs from every one of the reference's."""
    free = {"blocks", "filters", "dropout", "test_dropout", "test_batch_statistics"}
    # How training began, and options of norms that are refused.
    free |= {"init", "gain", "last_init", "gamma_mean", "gamma_std", "groups", "whitening_channels"}
    standard, given = vars(GeneratorConfig()), vars(config)
    known = ARCHITECTURES.get(config.name)
    fits = {name: name in free or given[name] == standard[name] for name in given} | {
        "name": known is not None,
        "norm": config.norm in NORMS,
        "downs": known is None or config.downs in known.downs,
    }
    return [f"generator.{name} {given[name]}" for name in given if not fits[name]]


def _refuse(source: Path, wrong: list[str]) -> None:
    expected = "a ResNet of two halvings or a U-Net of five or more, with the reference's options"
    require(not wrong, expected, f"{source}: {', '.join(wrong[:4])}", "export it to ONNX")


def _options(config: GeneratorConfig, spec: folder.GeneratorSpec) -> str:
    """The reference's command-line options for this generator."""
    net = ARCHITECTURES[config.name].net(config)
    return (
        f"--netG {net} --ngf {config.filters} --norm {config.norm} --input_nc {spec.channels_in} "
        f"--output_nc {spec.channels_out}{'' if config.dropout else ' --no_dropout'}"
        f"{'' if config.test_dropout or config.test_batch_statistics else ' --eval'}"
    )
