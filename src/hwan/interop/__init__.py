"""Generators trained elsewhere as generator folders, and back. It uses nets/ and inference/; cli/ imports it.

The kind of file is read from its contents, the architecture from its tensors: docs/guide/interop.md.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Literal

from torch import nn

from hwan.errors import UsageError, require
from hwan.inference.padding import padded_side
from hwan.interop import keras, reference
from hwan.interop.reference import load_discriminator
from hwan.interop.to_reference import export_reference
from hwan.nets.folder import GeneratorSpec, save_generator

__all__ = ["export_reference", "import_weights", "load_discriminator", "read_weights"]

SIZE = 256  # the reference and the Keras example train at this by default


def import_weights(
    source: Path,
    out: Path,
    direction: Literal["auto", "ab", "ba"] = "auto",
    evaluating: bool = True,
) -> GeneratorSpec:
    """Write the generator in the file ``source`` as the generator folder ``out``; returns its spec.

    ``source`` is a checkpoint of pytorch-CycleGAN-and-pix2pix (.pth), or the weights of the keras.io
    CycleGAN example (.weights.h5, .keras, .h5). ``direction`` goes into the spec, and of a Keras file
    with both generators ab takes gen_G and ba gen_F; "auto" reads it off the file's name
    (latest_net_G_B.pth, gen_F), else it is ab. Not ``evaluating`` translates as the reference's
    test.py does without --eval (``reference.load_generator``).

    Raises ``UsageError`` for a file that holds neither, or another network, and where ``out`` holds a
    generator already.
    """
    expected, received = "a folder without a generator at --out", f"{out}, which has one"
    require(not (out / "model.safetensors").exists(), expected, received, "give another --out")
    net, spec = read_weights(source, direction, evaluating)
    save_generator(out, net, spec)
    return spec


def read_weights(
    source: Path, direction: Literal["auto", "ab", "ba"] = "auto", evaluating: bool = True
) -> tuple[nn.Module, GeneratorSpec]:
    """The generator in the file ``source``, on the CPU, and its spec; as ``import_weights``."""
    if direction == "auto":
        direction = "ba" if re.search(r"net_G_B|gen(erator)?_F", source.name) else "ab"
    if _is_keras(source):
        net, config, cin, cout = keras.load_generator(source, direction)
    else:
        net, config, cin, cout = reference.load_generator(source, evaluating)
    size = padded_side(SIZE, *config.sizes)
    return net, GeneratorSpec(config, cin, cout, direction, (size, size), 0, method="imported")


def _is_keras(path: Path) -> bool:
    """Whether this is an HDF5 file, or a zip with Keras' config.json at its root (torch's zip has a
    folder of its own)."""
    try:
        with path.open("rb") as file:
            hdf5 = file.read(8) == b"\x89HDF\r\n\x1a\n"
        return hdf5 or (zipfile.is_zipfile(path) and zipfile.Path(path, "config.json").exists())
    except OSError as error:
        raise UsageError(f"a readable file {path}", error.strerror, "check the path") from error
