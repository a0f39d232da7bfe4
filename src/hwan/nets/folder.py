"""The generator folder: config.json and model.safetensors, all that inference reads. Nothing pickled.

Format 2: the header of model.safetensors holds the spec, and a checksum over the spec and all tensors.
config.json is a copy of the spec for people, and it may be edited. It names the checksum of the weights
that it belongs to, so weights and spec always belong together: a copy beside other weights is ignored
(``IgnoredFile``).
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from hwan.config import UNIT, Depth, GeneratorConfig, PixelFormat, ValueRange, from_dict, to_dict
from hwan.errors import Count, IgnoredFile, OutdatedFile, UsageError, Whole, check_options, require
from hwan.files import read_json, write_atomic, write_json
from hwan.nets import build_generator

CONFIG, WEIGHTS = "config.json", "model.safetensors"
FORMAT_1, FORMAT = "hwan-generator-1", "hwan-generator-2"
HEADER_KEY = "hwan"  # of the spec, in the safetensors header
AGAIN = "copy the whole generator folder again"


class OldGeneratorFormat(OutdatedFile):
    """A generator folder has an older format."""


@dataclass(frozen=True)
class GeneratorSpec:
    """What a generator folder says of its generator."""

    generator: GeneratorConfig
    channels_in: Count
    channels_out: Count
    direction: str
    """ab or ba: which domain it reads and which it writes."""
    size: tuple[int, int]
    """(H, W) of the crops it was trained on, pixels."""
    images: Whole
    """Images seen in training."""
    method: str
    format: str = FORMAT
    depth_in: Depth = "8"
    depth_out: Depth = "8"
    range_in: ValueRange = UNIT
    """What -1 and 1 mean, where the depth is float."""
    range_out: ValueRange = UNIT
    hints: bool = False
    """It takes colour hints beside a picture, in four channels that ``channels_in`` does not count."""
    domain_in: str = ""
    """Name of the domain it reads; "A" or "B" by its direction, if not said."""
    domain_out: str = ""
    """Name of the domain it writes; "A" or "B" by its direction, if not said."""
    title: str = ""
    """What people call it; "" leaves that to the folder's name."""
    trained_against: tuple[str, ...] = ()
    """Feature networks that a loss or a discriminator of its training saw by. A figure that is computed
    with one of them flatters the generator. Fine-tuning keeps these names."""
    figures_at: Whole = 0
    """Images seen when the figures that are shown for it were taken; 0: no figures."""
    checksum: str = field(default="", compare=False)
    """SHA-256 over the spec and the tensors, of a generator that was saved or loaded."""

    def __post_init__(self) -> None:
        known = self.direction in ("ab", "ba")
        require(known, "ab or ba for direction", self.direction, "give one of them")
        check_options("generator folder", self)
        sides = isinstance(self.size, tuple) and len(self.size) == 2 and min(self.size) > 0
        expected = "size (height, width), both above 0"
        require(sides, expected, self.size, "give (256, 256), say")
        for name, letter in zip(("domain_in", "domain_out"), self.direction, strict=True):
            if not vars(self)[name]:
                object.__setattr__(self, name, letter.upper())

    @property
    def format_in(self) -> PixelFormat:
        """The pixels that it reads."""
        return PixelFormat(self.channels_in, self.depth_in, self.range_in)

    @property
    def format_out(self) -> PixelFormat:
        """The pixels that it writes."""
        return PixelFormat(self.channels_out, self.depth_out, self.range_out)


def direction_of(name: str) -> str:
    """ "ab" of "generator_ab"; "" where the name says none."""
    return name.removeprefix("generator_") if name in ("generator_ab", "generator_ba") else ""


def save_generator(folder: Path, net: nn.Module, spec: GeneratorSpec) -> None:
    """Write ``net`` and its spec into ``folder``, in format 2. Each file is replaced as a whole."""
    tensors = {name: tensor.cpu().contiguous() for name, tensor in net.state_dict().items()}
    values = to_dict(replace(spec, format=FORMAT, checksum=""))
    values["checksum"] = _checksum(values, tensors)
    weights = safetensors.torch.save(tensors, {HEADER_KEY: json.dumps(values)})
    write_atomic(folder / WEIGHTS, weights)
    write_json(folder / CONFIG, values)


def read_spec(folder: Path) -> GeneratorSpec:
    """The spec alone, without a look at the weights.

    Raises ``UsageError`` for a folder that is no generator folder, or of an unknown format.
    """
    return _read(folder)[0]


def load_generator(folder: Path) -> tuple[nn.Module, GeneratorSpec]:
    """The network, in evaluation mode on the CPU, and its spec.

    Raises ``UsageError`` for a folder that is no generator folder or of an unknown format, for files
    that do not belong together, and for weights that are damaged or not finite.
    """
    spec, saved, tensors = _read(folder)
    with _whole(folder / WEIGHTS):
        if saved and saved.get("checksum") != _checksum(saved, tensors):
            raise ValueError("other values than were saved (their checksum differs)")
        for name, tensor in tensors.items():
            if not torch.isfinite(tensor).all():
                raise ValueError(f"{name} has a value that is not a finite number")
        net = build_generator(spec.generator, spec.channels_in, spec.channels_out, spec.hints)
        net.load_state_dict(tensors)
    return net.eval().requires_grad_(False), spec


def _read(folder: Path) -> tuple[GeneratorSpec, dict[str, Any], dict[str, Tensor]]:
    """The spec, the values in the header of the weights (of format 1 none), and the tensors."""
    config, weights = folder / CONFIG, folder / WEIGHTS
    wanted = f"a generator folder with {WEIGHTS} at {folder}"
    require(weights.is_file(), wanted, "no such file", f"check the path, or {AGAIN}")
    with _whole(weights), safetensors.safe_open(weights, "pt") as file:
        saved = json.loads((file.metadata() or {}).get(HEADER_KEY, "{}"))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    # A kill before the first config.json was written leaves the weights, which are enough.
    values = read_json(config) if config.is_file() or not saved else saved
    for source, found in ((config, values), (weights, saved or values)):
        name = found.get("format") if isinstance(found, dict) else None
        wanted = f"the format {FORMAT} or {FORMAT_1} in {source}"
        fix = "update hwan, if a later version wrote it; else give a generator folder"
        require(name in (FORMAT, FORMAT_1), wanted, name or "no format", fix)
    if saved:
        # Another checksum: a kill came between the two files, or they were copied from two folders.
        if values.get("checksum") != saved.get("checksum"):
            note = f"{config} belongs to other weights (by its checksum): {weights} says what it is"
            warnings.warn(note, IgnoredFile, stacklevel=4)
            values = saved
    else:
        checksum = f"the checksum that {config} names in {weights}"
        require(values["format"] == FORMAT_1, checksum, "none", AGAIN)
        note = f"{folder}: format 1 has no checksum; hwan export --to folder writes format 2"
        warnings.warn(note, OldGeneratorFormat, stacklevel=4)
        size = values.get("size")
        values |= {"format": FORMAT, "size": [size, size] if isinstance(size, int) else size}
    return from_dict(GeneratorSpec, values, str(config)), saved, tensors


@contextmanager
def _whole(weights: Path) -> Iterator[None]:
    """What goes wrong in the block is a ``UsageError`` about ``weights``."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, safetensors.SafetensorError) as error:
        expected = f"whole weights at {weights}, as {CONFIG} describes them"
        raise UsageError(expected, str(error)[:300], AGAIN) from error


def _checksum(values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the spec but its checksum, and each tensor's name, dtype, shape and bytes."""
    spec = {key: value for key, value in values.items() if key != "checksum"}
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
