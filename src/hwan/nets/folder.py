"""The generator folder: config.json and model.safetensors, all that deploying reads. Nothing pickled."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import nn

from hwan.config import UNIT, Depth, GeneratorConfig, PixelFormat, ValueRange, from_dict
from hwan.errors import UsageError
from hwan.files import read_json, write_atomic, write_json
from hwan.nets import build_generator


@dataclass(frozen=True)
class GeneratorSpec:
    """What config.json says of a generator."""

    generator: GeneratorConfig
    channels_in: int
    channels_out: int
    direction: str
    """ab or ba: which domain it reads and which it writes."""
    size: int
    """Side of the crops it was trained on, pixels."""
    images: int
    """Images seen in training."""
    method: str
    format: str = "hwan-generator-1"
    depth_in: Depth = "8"
    depth_out: Depth = "8"
    range_in: ValueRange = UNIT
    """What -1 and 1 mean, where the depth is float."""
    range_out: ValueRange = UNIT

    @property
    def format_in(self) -> PixelFormat:
        """What it reads."""
        return PixelFormat(self.channels_in, self.depth_in, self.range_in)

    @property
    def format_out(self) -> PixelFormat:
        """What it writes."""
        return PixelFormat(self.channels_out, self.depth_out, self.range_out)


def direction_of(name: str) -> str:
    """ "ab" of "generator_ab"; "" where the name says none."""
    return name.removeprefix("generator_") if name in ("generator_ab", "generator_ba") else ""


def save_generator(folder: Path, net: nn.Module, spec: GeneratorSpec) -> None:
    """Write ``net`` and its card into ``folder``, replacing what is there file by file."""
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()
    }
    write_atomic(folder / "model.safetensors", safetensors.torch.save(tensors))
    write_json(folder / "config.json", asdict(spec))


def read_spec(folder: Path) -> GeneratorSpec:
    """The card alone. Raises ``UsageError`` for a folder that is no generator folder."""
    path = folder / "config.json"
    return from_dict(GeneratorSpec, read_json(path), str(path))


def load_generator(folder: Path) -> tuple[nn.Module, GeneratorSpec]:
    """The network, in evaluation mode on the CPU, and its card.

    Raises ``UsageError`` for a folder that is no generator folder, or whose files disagree.
    """
    spec = read_spec(folder)
    weights = folder / "model.safetensors"
    try:
        net = build_generator(spec.generator, spec.channels_in, spec.channels_out)
        net.load_state_dict(safetensors.torch.load(weights.read_bytes()))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UsageError(
            f"{weights} holds the weights config.json describes",
            str(error)[:300],
            "copy the whole generator folder again",
        ) from error
    return net.eval().requires_grad_(False), spec
