"""Generators in forms other programs run: ONNX, with a report of how equal it is."""

from __future__ import annotations

import json
import logging
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from hwan.errors import Failure, UsageError
from hwan.image import write_atomic
from hwan.nets import sizes
from hwan.nets.folder import load_generator
from hwan.runtime import need

TOLERANCE = 1e-4  # of a range of 2; an 8-bit level is 0.0078
OPSET = 20


@dataclass(frozen=True)
class Parity:
    """PyTorch against ONNX Runtime on one random input (B, C, H, W): errors of outputs in [-1, 1]."""

    shape: tuple[int, int, int, int]
    max_error: float
    mean_error: float


def export_onnx(folder: Path, out: Path) -> tuple[Path, list[Parity]]:
    """Write the generator in ``folder`` as ``out/model.onnx``, with free batch, height and width.

    Input "image" and output "translation" are float32 (B, C, H, W) in [-1, 1]; H and W are multiples
    of metadata "multiple". The file is compared with PyTorch on three sizes; ``out/parity.json``
    has the errors. Raises ``UsageError`` without the onnx extra and for a generator that drops out
    when translating, and ``Failure``, leaving no model, where an error is above 1e-4.
    """
    onnx, runtime, _ = (
        need(name, "onnx", "export to ONNX") for name in ("onnx", "onnxruntime", "onnxscript")
    )
    net, card = load_generator(folder)
    if card.generator.norm == "whitening" and card.generator.test_batch_statistics:
        raise UsageError(
            "ONNX has no eigenvectors, which whitening by the image's own statistics needs",
            "norm whitening with generator.test_batch_statistics",
            "train without generator.test_batch_statistics",
        )
    if card.generator.test_dropout:
        raise UsageError(
            "an exported generator gives one translation of an image",
            "generator.test_dropout, which draws another each time",
            'set "test_dropout": false in the folder\'s config.json',
        )
    multiple, least = sizes(card.generator)
    side = max(least, 16 * multiple)
    free = torch.export.Dim.DYNAMIC
    # Both sides are traced at different multiples so that nothing takes them for equal.
    example = torch.zeros(2, card.channels_in, side, side + multiple)
    # torch's exporter warns of its own insides, and logs that torchvision is absent, which hwan
    # does without: neither is anything a user can act on.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`isinstance.treespec, LeafSpec.`", FutureWarning)
        program = torch.onnx.export(
            net,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["translation"],
            dynamic_shapes=({0: free, 2: free, 3: free},),
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    facts = {"multiple": multiple, "least": least, "range": "-1..1", **asdict(card)}
    onnx.helper.set_model_props(proto, {f"hwan.{k}": json.dumps(v) for k, v in facts.items()})
    data = proto.SerializeToString()
    session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
    shapes = [(1, least, least), (1, side, side), (3, side + multiple, 2 * side)]
    found = [_parity(net, session, (b, card.channels_in, h, w)) for b, h, w in shapes]
    if bad := [p.max_error for p in found if not p.max_error <= TOLERANCE]:  # nan too
        raise Failure(
            f"ONNX differs from PyTorch by {max(bad):.2g}, above {TOLERANCE}: not written"
        )
    write_atomic(out / "model.onnx", data)
    write_atomic(
        out / "parity.json", (json.dumps([asdict(p) for p in found], indent=2) + "\n").encode()
    )
    return out / "model.onnx", found


def _parity(net: torch.nn.Module, session: object, shape: tuple[int, int, int, int]) -> Parity:
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected = net(image)
    got = torch.from_numpy(session.run(None, {"image": image.numpy()})[0])  # type: ignore[attr-defined]
    error = (got - expected).abs()
    return Parity(shape, float(error.max()), float(error.mean()))
