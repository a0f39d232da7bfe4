"""torch.export: a program that PyTorch runs without hwan."""

from __future__ import annotations

import io
import json
from pathlib import Path

import torch

from hwan.exporting.onnx import FREE, check_exportable, example, inputs, metadata
from hwan.exporting.parity import Parity, compare, refuse_above, write_export
from hwan.nets.folder import load_generator


def export_program(folder: Path, out: Path) -> tuple[Path, list[Parity]]:
    """Write the generator in ``folder`` as ``out/model.pt2``, with free batch, height and width.

    ``torch.export.load("model.pt2").module()`` maps float32 (B, C, H, W) in [-1, 1] to the same; H and
    W are multiples of "hwan.multiple" in the file "hwan.json" inside. The file is read again and compared
    with the generator on three sizes. Raises ``UsageError`` for a generator that drops out when
    translating, and ``Failure``, leaving no program, where an error is above 1e-4.
    """
    net, spec = load_generator(folder)
    check_exportable(spec)
    program = torch.export.export(net, (example(spec),), dynamic_shapes=FREE)
    # torch.export takes a side that can be 1 for one that always is, so a U-Net's bottleneck, a pixel
    # at its least side, has to have two here.
    multiple, least = spec.generator.sizes
    least = max(least, 2 * multiple)
    facts = metadata(folder, spec, "fp32", images=False) | {"least": least}
    file, text = io.BytesIO(), json.dumps({f"hwan.{k}": v for k, v in facts.items()})
    torch.export.save(program, file, extra_files={"hwan.json": text})
    read = torch.export.load(io.BytesIO(file.getvalue())).module()
    found = [compare(net, read, image) for image in inputs(spec, least, "fp32", None)]
    refuse_above(found, "fp32", "the program")
    return write_export(out / "model.pt2", file.getvalue(), found, "fp32", folder)
