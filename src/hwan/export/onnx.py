"""ONNX: one file with free batch, height and width, in fp32, fp16 or int8, refused where it is not equal."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hwan import __version__
from hwan.errors import Failure, UsageError
from hwan.export.calibration import CHECK, crops
from hwan.export.graph import OPSET, around
from hwan.export.parity import (
    TOLERANCES,
    ExportPrecision,
    Parity,
    compare,
    refuse_above,
    write_report,
)
from hwan.export.precision import to_fp16, to_int8
from hwan.files import write_atomic
from hwan.imaging.pixels import DTYPES, FULL, to_unit
from hwan.inference.hub import licence
from hwan.inference.translate import Translator
from hwan.nets import sizes
from hwan.nets.folder import GeneratorSpec, load_generator
from hwan.runtime import need


def export_onnx(
    folder: Path,
    out: Path,
    precision: ExportPrecision = "fp32",
    images: bool = False,
    data: Sequence[Path] = (),
) -> tuple[Path, list[Parity]]:
    """Write the generator in ``folder`` as ``out/model.onnx``, with free batch, height and width.

    Input "image" and output "translation" are float32 (B, C, H, W) in [-1, 1]; H and W are multiples
    of metadata "hwan.multiple", from "hwan.least" up. With ``images`` they are pixels (B, H, W, C) of
    the generator's depth (uint8), any H and W, padded and cropped back inside. ``fp16`` and ``int8``
    keep the same input and output. ``data``, a data set or folders of images, is what int8 is
    calibrated on, and what fp16 and int8 are compared on (random images without it, for fp16).

    The file is compared with PyTorch on several sizes; ``out/parity.json`` has errors, seconds and
    file sizes. Raises ``UsageError`` without the onnx extra, for a generator that drops out when
    translating and for int8 without data, and ``Failure``, leaving no model, above a tolerance.
    """
    onnx, runtime, _ = (
        need(name, "onnx", "export to ONNX") for name in ("onnx", "onnxruntime", "onnxscript")
    )
    net, spec = load_generator(folder)
    check_exportable(spec)
    pictures = crops(data, spec) if data else None
    if precision == "int8" and pictures is None:
        raise UsageError(
            "int8 is calibrated on images like those it will see",
            "no --data",
            "add --data DIR, the training's data set or a folder of images",
        )
    proto = trace(net, spec)
    if precision == "fp16":
        proto = to_fp16(proto)
    elif precision == "int8" and pictures is not None:
        proto = to_int8(proto, pictures[:-CHECK])
    _, least = sizes(spec.generator)
    run = runner(runtime, proto)
    found = [compare(net, run, image) for image in inputs(spec, least, precision, pictures)]
    tolerance = TOLERANCES[precision]
    refuse_above(found, tolerance, "ONNX" if precision == "fp32" else f"ONNX in {precision}")
    if images:
        proto = around(onnx, proto, spec.format_in, spec.format_out, sizes(spec.generator))
        outside = Translator(net, spec)
        outside.engine = lambda image: run(image.contiguous())
        same_pixels(outside, runner(runtime, proto), spec)
    facts = {**metadata(spec, precision, images), "licence": licence(folder)}
    onnx.helper.set_model_props(proto, {f"hwan.{k}": json.dumps(v) for k, v in facts.items()})
    model = proto.SerializeToString()
    write_atomic(out / "model.onnx", model)
    weights = (folder / "model.safetensors").stat().st_size
    write_report(out / "parity.json", found, tolerance, precision, len(model), weights)
    return out / "model.onnx", found


def check_exportable(spec: GeneratorSpec) -> None:
    """Raise ``UsageError`` for a generator that no fixed graph can be."""
    if spec.generator.norm_record.whitens and spec.generator.test_batch_statistics:
        raise UsageError(
            "ONNX has no eigenvectors, which whitening by the image's own statistics needs",
            f"norm {spec.generator.norm} with generator.test_batch_statistics",
            "train without generator.test_batch_statistics",
        )
    if spec.generator.test_dropout:
        raise UsageError(
            "an exported generator gives one translation of an image",
            "generator.test_dropout, which draws another each time",
            'set "test_dropout": false in the folder\'s config.json',
        )


def example(spec: GeneratorSpec) -> Tensor:
    """(2, C, H, W): no side 1 anywhere in the network, nor two sides alike, which tracing would fix."""
    multiple, least = sizes(spec.generator)
    side = max(2 * least, _at_least(64, multiple))
    return torch.zeros(2, spec.channels_in, side, side + multiple)


def _at_least(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def trace(net: nn.Module, spec: GeneratorSpec) -> Any:
    """The fp32 ModelProto, without metadata."""
    free = torch.export.Dim.DYNAMIC
    # torch's exporter warns of its own insides, and logs that torchvision is absent, which hwan
    # does without: neither is anything a user can act on.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`isinstance.treespec, LeafSpec.`", FutureWarning)
        program = torch.onnx.export(
            net,
            (example(spec),),
            dynamo=True,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["translation"],
            dynamic_shapes=({0: free, 2: free, 3: free},),
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def metadata(spec: GeneratorSpec, precision: ExportPrecision, images: bool) -> dict[str, Any]:
    """What the file says of itself, each value as JSON under "hwan.NAME": all of the card, and

    ``version`` of hwan, ``precision``, ``multiple`` and ``least`` side, ``range`` of a float input and
    output, ``layout`` "NCHW" ([-1, 1], padded by the caller) or "NHWC" (pixels of any size).
    """
    multiple, least = sizes(spec.generator)
    return {
        "version": __version__,
        "precision": precision,
        "layout": "NHWC" if images else "NCHW",
        "multiple": 1 if images else multiple,
        "least": 1 if images else least,
        "range": "pixels" if images else "-1..1",
        **asdict(spec),
    }


def runner(runtime: Any, proto: Any) -> Callable[[Tensor], Tensor]:
    """The model in ONNX Runtime on the CPU, with as many threads as torch has."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def run(image: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"image": image.numpy()})[0])

    return run


def onnx_engine(translator: Translator) -> Callable[[Tensor], Tensor]:
    """The translator's network in ONNX Runtime on the CPU, for ``translator.engine``: the same pictures.

    Tracing takes seconds. It pays for narrow networks, whose time goes into norms and padding more
    than into convolutions (docs/guide/translate.md). Raises ``UsageError`` without the onnx extra, for
    another device or precision, and for a generator that no fixed graph can be.
    """
    runtime, _ = (need(name, "onnx", "--engine onnx") for name in ("onnxruntime", "onnxscript"))
    if not translator.on_cpu or translator.half is not None:
        raise UsageError(
            "ONNX Runtime is the engine of a CPU in fp32",
            f"{translator.device}, {translator.half or 'fp32'}",
            "add --device cpu, or leave --engine (or --precision) out",
        )
    check_exportable(translator.spec)
    run = runner(runtime, trace(translator.generator, translator.spec))
    return lambda image: run(image.contiguous())


def inputs(
    spec: GeneratorSpec, least: int, precision: ExportPrecision, pictures: Tensor | None
) -> list[Tensor]:
    """What the export is compared on: three sizes, of them one batch, random or cut from ``pictures``
    that calibration did not see.

    From 16 pixels up: at the least side of 8 an untrained ResNet-9's instance norms see four pixels
    each, and PyTorch's own rounding (8e-5 from double precision) leaves no room to compare.
    """
    multiple, _ = sizes(spec.generator)
    if precision == "fp32" or pictures is None:
        noise = torch.Generator().manual_seed(0)
        few, side = (max(least, _at_least(n, multiple)) for n in (16, 64))
        shapes = [(1, few, few), (1, side, side), (3, side + multiple, 2 * side)]
        return [
            torch.rand((b, spec.channels_in, h, w), generator=noise) * 2 - 1 for b, h, w in shapes
        ]
    held, side = pictures[-CHECK:], pictures.shape[2]
    half = max(least, side // 2 // multiple * multiple)
    return [held[:1], held[1:], held[:1, :, :half]]


def same_pixels(
    translator: Translator, run: Callable[[Tensor], Tensor], spec: GeneratorSpec
) -> None:
    """Raise ``Failure`` unless the model of pixels gives what padding, the model and cropping give.

    One level's difference is a rounding at the edge between two; it may be in one pixel of a hundred.
    """
    multiple, least = sizes(spec.generator)
    dtype = DTYPES[spec.depth_in]
    draw = np.random.default_rng(0)
    for height, width in ((1, 2), (least + 1, least + multiple), (3 * least - 1, 2 * least + 3)):
        shape = (height, width, spec.channels_in)
        low, high = spec.range_in if spec.depth_in == "float" else (0, FULL[dtype] + 1)
        pixels = draw.uniform(low, high, shape).astype(dtype)
        expected = to_unit(translator.pixels(pixels), spec.format_out)
        got = to_unit(run(torch.from_numpy(pixels)[None])[0].numpy(), spec.format_out)
        level = 1e-4 if spec.depth_out == "float" else 1.001 / FULL[DTYPES[spec.depth_out]]
        error = np.abs(got - expected) if got.shape == expected.shape else np.array(np.inf)
        if not (error.max() <= level and (error > level / 2).mean() <= 0.01):
            raise Failure(
                f"pixels of {height}x{width} come out otherwise than by padding and cropping: "
                f"{error.max():.2g} of the range; not written"
            )
