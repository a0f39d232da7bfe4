"""Checkpoints of pytorch-CycleGAN-and-pix2pix (``latest_net_G_A.pth``), read.

A checkpoint holds tensors under the reference's names and nothing of its options: names and shapes
say all that is needed. What they cannot say is listed in docs/guide/interop.md.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from hwan.config import DiscriminatorConfig, GeneratorConfig
from hwan.config.networks import Norm
from hwan.errors import UsageError, require
from hwan.interop.architectures import ARCHITECTURES, PREFIXES
from hwan.nets import build_discriminator, build_generator

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
DROPOUT = 0.5  # the reference has dropout at this probability, or none
Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Found:
    """A network as its tensors describe it; a discriminator's ``channels_out`` is 1."""

    config: GeneratorConfig | DiscriminatorConfig
    channels_in: int
    channels_out: int

    def __str__(self) -> str:
        kind = "generator" if isinstance(self.config, GeneratorConfig) else "discriminator"
        sizes = f"{self.channels_in} to {self.channels_out} channels, {self.config.filters} filters"
        return f"a {self.config.name} {kind} ({sizes}, norm {self.config.norm})"


def load_generator(
    path: Path, evaluating: bool = True
) -> tuple[nn.Module, GeneratorConfig, int, int]:
    """(network, config, channels in, channels out) of a generator's checkpoint; the network is on
    the CPU, in evaluation mode.

    Not ``evaluating`` is the reference's test.py without --eval: dropout goes on, and batch norm uses
    each batch's own statistics. Raises ``UsageError``, saying what was found, for anything else.
    """
    weights = read(path)
    found = identify(weights, path)
    config = found.config
    if not isinstance(config, GeneratorConfig):
        names = "latest_net_G_A.pth, latest_net_G_B.pth or latest_net_G.pth"
        fix = f"import {names}; hwan.interop.load_discriminator reads a discriminator"
        raise UsageError("a generator's checkpoint", f"{path}: {found}", fix)
    if not evaluating:
        # A U-Net's dropout leaves no trace in tensors; pix2pix has it by default.
        hidden = ARCHITECTURES[config.name].hides_dropout
        dropout = DROPOUT if hidden and config.family.dropout_places(config) > 0 else config.dropout
        config = replace(config, dropout=dropout, test_dropout=dropout > 0)
        config = replace(config, test_batch_statistics=config.norm == "batch")
        weights = {key: value for key, value in weights.items() if not key.endswith(STATISTICS)}
    cin, cout = found.channels_in, found.channels_out
    net = _fill(build_generator(config, cin, cout), found, weights, path)
    return net, config, cin, cout


def load_discriminator(path: Path) -> tuple[nn.Module, DiscriminatorConfig, int]:
    """(network, config, channels) of a discriminator's checkpoint, to score images or to train on.

    pix2pix's has the channels of A and B together. Raises ``UsageError`` as ``load_generator``.
    """
    weights = read(path)
    found = identify(weights, path)
    if not isinstance(found.config, DiscriminatorConfig):
        expected = "a discriminator's checkpoint"
        raise UsageError(expected, f"{path}: {found}", "give latest_net_D_A.pth")
    net = build_discriminator(found.config, found.channels_in)
    return _fill(net, found, weights, path), found.config, found.channels_in


def _fill(net: nn.Module, found: Found, weights: Weights, path: Path) -> nn.Module:
    """``net`` with ``weights``, in evaluation mode. Raises ``UsageError`` for every name, shape and
    value that does not fit the network that was found."""
    own = net.state_dict()
    names = {key: reference_name(key, found.config) for key in own}
    # The reference may have no tensor: without a norm for a bias, before PyTorch 0.4 for a count.
    optional = ".bias" if found.config.norm == "none" else ".num_batches_tracked"
    missing = {key: torch.zeros_like(own[key]) for key in own if key.endswith(optional)}
    filled = {
        key: weights.get(name, missing.get(key, torch.empty(0))) for key, name in names.items()
    }
    wrong = [names[key] for key in own if own[key].shape != filled[key].shape]
    wrong += [name for name in weights if name not in names.values()]
    wrong += [names[key] for key, value in filled.items() if not value.isfinite().all()]
    expected = f"{found} with just its tensors, each of its shape and finite"
    fix = "import a checkpoint of the reference's own networks, as it was saved"
    require(not wrong, expected, f"{path}: not so {', '.join(wrong[:4])}", fix)
    net.load_state_dict(filled)
    return net.eval().requires_grad_(False)


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict file, float32, without DataParallel's prefix and without the
    statistics that instance norm kept before PyTorch 0.4 (the reference drops them too).

    Nothing in the file is run. Raises ``UsageError`` for a file that is no state dict.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle versions; what matters raises
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UsageError(f"a readable file {path}", error.strerror, "check the path") from error
    except Exception as error:
        # torch reports a wrong file by a dozen types, KeyError among them, and advises at length to
        # run the code in it.
        code = re.search(r"GLOBAL (\S+)", str(error))
        expected = f"a checkpoint of nothing but tensors in {path}"
        received = f"code ({code[1]})" if code else "not a PyTorch checkpoint, or cut short"
        fix = "save net.state_dict() with torch.save, and import that"
        raise UsageError(expected, received, fix) from error
    entries = loaded if isinstance(loaded, dict) else {}
    tensors = bool(entries) and all(isinstance(value, Tensor) for value in entries.values())
    expected = f"one network's state dict, names and tensors, in {path}"
    received = f"{type(loaded).__name__} of {', '.join(map(str, entries))[:200] or 'no tensors'}"
    require(tensors, expected, received, "save net.state_dict() by itself, and import that")
    weights = {str(key).removeprefix("module."): value for key, value in entries.items()}
    return {
        key: value.float() if value.is_floating_point() else value
        for key, value in weights.items()
        if not key.endswith(STATISTICS) or f"{key.rpartition('.')[0]}.weight" in weights
    }


def identify(weights: Weights, path: Path) -> Found:
    """The network these names and shapes are of. Raises ``UsageError`` for one hwan has not."""
    convs = _convs(weights, r"model[.]\d+[.]weight")
    points = _convs(weights, r"net[.]\d+[.]weight")
    if any(key.endswith(".filt") for key in weights):
        raise _strange(path, weights, "blur filters, as in the ResNet of CUT")
    if "model.model.1.model.1.weight" in weights:
        return _unet(weights, path)
    if convs[:1] == ["model.1.weight"] and len(convs) >= 2 and len(convs) % 2 == 0:
        return _resnet(weights, convs, path)
    if convs[:2] == ["model.0.weight", "model.2.weight"] and len(convs) >= 3:
        config = DiscriminatorConfig(layers=len(convs) - 2, norm=_norm(weights, "model", 2, path))
    elif points == ["net.0.weight", "net.2.weight", "net.5.weight"]:
        config, convs = DiscriminatorConfig("pixel", norm=_norm(weights, "net", 2, path)), points
    else:
        raise _strange(path, weights, "another network")
    filters, channels = weights[convs[0]].shape[:2]
    return Found(replace(config, filters=filters), channels, 1)


def _unet(weights: Weights, path: Path) -> Found:
    first, last = (weights.get(f"model.model.{k}.weight", torch.empty(0)) for k in (0, 3))
    if first.ndim != 4 or last.ndim != 4:
        raise _strange(path, weights, "a U-Net without its outermost layers")
    downs = max(key.count("model.") for key in weights) - 1
    norm = _norm(weights, "model.model.1.model", 1, path)
    config = GeneratorConfig("unet", filters=first.shape[0], downs=downs, norm=norm)
    return Found(config, first.shape[1], last.shape[1])


def _resnet(weights: Weights, convs: list[str], path: Path) -> Found:
    inner = [m for key in weights if (m := re.match(r"model[.](\d+)[.]conv_block[.](\d+)[.]", key))]
    places = {m[2] for m in inner}
    if "0" in places:  # no padding layer before the convolution
        raise _strange(path, weights, "residual blocks with zero padding")
    stem, head = weights[convs[0]], weights[convs[-1]]
    config = GeneratorConfig(
        filters=stem.shape[0],
        blocks=len({m[1] for m in inner}),
        downs=len(convs) // 2 - 1,
        stem=stem.shape[-1],
        norm=_norm(weights, "model", 1, path),
        # Dropout has no tensors, but it moves a block's second convolution from 5 to 6.
        dropout=DROPOUT if inner and "5" not in places else 0.0,
    )
    return Found(config, stem.shape[1], head.shape[0])


def _norm(weights: Weights, prefix: str, place: int, path: Path) -> Norm:
    """The norm after the convolution at ``place``. Only batch norm has tensors; without any norm the
    reference leaves the convolution's bias out too."""
    norm = f"{prefix}.{place + 1}"
    if f"{norm}.weight" not in weights:
        return "instance" if f"{prefix}.{place}.bias" in weights else "none"
    if f"{norm}.running_mean" not in weights:
        raise _strange(path, weights, "a norm with learned scale but no statistics")
    return "batch"


def _convs(weights: Weights, pattern: str) -> list[str]:
    """The names of convolution weights that match ``pattern``, by the number they have second."""
    kernels = [k for k, v in weights.items() if v.ndim == 4 and re.fullmatch(pattern, k)]
    return sorted(kernels, key=lambda name: int(name.split(".")[1]))


def _strange(path: Path, weights: Weights, what: str) -> UsageError:
    first = ", ".join(f"{key} {tuple(value.shape)}" for key, value in list(weights.items())[:3])
    expected = "a checkpoint of the reference's ResNet, U-Net, PatchGAN or pixel discriminator"
    received = f"{path}: {what}; {len(weights)} tensors: {first} ..."
    return UsageError(expected, received, "see docs/guide/interop.md for what can be imported")


def reference_name(key: str, config: GeneratorConfig | DiscriminatorConfig) -> str:
    """The reference's name of hwan's tensor ``key``: its layers lie in the same places, but a
    U-Net's level is one Sequential there, of its halving, the level inside and its doubling."""
    level = re.fullmatch(r"levels((?:[.]inner)*)[.](down|up)[.](\d+)[.](.+)", key)
    if not level:
        return PREFIXES.get(config.name, "model.") + key.replace(".body.", ".conv_block.")
    depth, part, place, tensor = level[1].count("inner"), level[2], int(level[3]), level[4]
    assert isinstance(config, GeneratorConfig)
    if part == "up":
        # After the convolution (outermost), activation and convolution (innermost), those and a norm.
        place += 2 if depth in (0, config.downs - 1) else 4
    inside = "".join("1.model." if i == 0 else "3.model." for i in range(depth))
    return f"model.model.{inside}{place}.{tensor}"
