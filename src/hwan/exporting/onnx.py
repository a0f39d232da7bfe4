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
from hwan.errors import Failure, require
from hwan.exporting import parity
from hwan.exporting.graph import OPSET, around
from hwan.exporting.parity import CHECK, ExportPrecision, Parity
from hwan.exporting.precision import to_fp16, to_int8
from hwan.imaging.pixels import DTYPES, FULL, from_unit, to_unit
from hwan.inference.hub import licence
from hwan.inference.padding import padded_side
from hwan.inference.translate import Translator
from hwan.nets.folder import GeneratorSpec, load_generator
from hwan.runtime import need

FREE = (dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC),)
"""Batch, height and width of a network's one input, which tracing leaves open."""


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
    onnx, *_ = (need(n, "onnx", "export to ONNX") for n in ("onnx", "onnxruntime", "onnxscript"))
    net, spec = load_generator(folder)
    check_exportable(spec)
    expected = "images like those that an int8 generator will see"
    fix = "add --data DIR, the training's data set or a folder of images"
    require(precision != "int8" or bool(data), expected, "no --data", fix)
    pictures = None
    if data:
        from hwan.exporting import calibration  # it reads data sets, which serving does without

        pictures = calibration.crops(data, spec)
    proto = trace(net, spec)
    if precision == "fp16":
        proto = to_fp16(proto)
    elif precision == "int8":
        assert pictures is not None
        proto = to_int8(proto, pictures[:-CHECK])
    run = runner(proto.SerializeToString())
    compared = inputs(spec, spec.generator.sizes[1], precision, pictures)
    found = [parity.compare(net, run, image) for image in compared]
    parity.refuse_above(found, precision, "ONNX" if precision == "fp32" else f"ONNX in {precision}")
    if images:
        proto = around(proto, spec.format_in, spec.format_out, spec.generator.sizes)
        outside = Translator(net, spec, engine=lambda *_: run)
        same_pixels(outside, runner(proto.SerializeToString()))
    facts = metadata(folder, spec, precision, images)
    onnx.helper.set_model_props(proto, {f"hwan.{k}": json.dumps(v) for k, v in facts.items()})
    path, model = out / "model.onnx", proto.SerializeToString()
    return parity.write_export(path, model, found, precision, folder)


def check_exportable(spec: GeneratorSpec) -> None:
    """Raise ``UsageError`` for a generator that no fixed graph can be."""
    config = spec.generator
    whitens = config.norm_record.whitens and config.test_batch_statistics
    expected = "a norm that ONNX has operators for (whitening by the image's statistics has none)"
    option = "generator.test_batch_statistics"
    require(not whitens, expected, f"norm whitening with {option}", f"train without {option}")
    received = "generator.test_dropout, which gives another each time"
    fix = 'set "test_dropout": false in the folder\'s config.json'
    expected = "a generator that gives one translation of an image"
    require(not config.test_dropout, expected, received, fix)


def example(spec: GeneratorSpec) -> Tensor:
    """(2, C, H, W): no side 1 anywhere in the network, nor two sides alike, which tracing would fix."""
    multiple, least = spec.generator.sizes
    side = padded_side(64, multiple, 2 * least)
    return torch.zeros(2, spec.channels_in, side, side + multiple)


def trace(net: nn.Module, spec: GeneratorSpec) -> Any:
    """The fp32 ModelProto, without metadata."""
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
            dynamic_shapes=FREE,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def metadata(
    folder: Path, spec: GeneratorSpec, precision: ExportPrecision, images: bool
) -> dict[str, Any]:
    """What the file says of itself, each value as JSON under "hwan.NAME": all of the spec, the
    ``version`` of hwan, ``precision``, ``multiple`` and ``least`` side, ``range`` of a float input and
    output, ``layout`` "NCHW" ([-1, 1], padded by the caller) or "NHWC" (pixels of any size), and the
    ``licence`` of the folder's model card.
    """
    multiple, least = spec.generator.sizes
    layout = {"layout": "NCHW", "multiple": multiple, "least": least, "range": "-1..1"}
    if images:
        layout = {"layout": "NHWC", "multiple": 1, "least": 1, "range": "pixels"}
    facts = {"version": __version__, "precision": precision, **layout, "licence": licence(folder)}
    return facts | asdict(spec)


def runner(model: bytes, threads: int = 0, shared: bool = False) -> Callable[[Tensor], Tensor]:
    """The ONNX ``model`` in ONNX Runtime on the CPU, with ``threads`` threads (0: as many as torch).

    ``shared`` is for a process that does other work: idle threads sleep, and no memory is kept from
    one run to the next, whose sizes may differ.
    """
    runtime = need("onnxruntime", "onnx", "ONNX Runtime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    if shared:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_cpu_mem_arena = False
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(image: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"image": image.contiguous().numpy()})[0])

    return run


def onnx_engine(generator: nn.Module, spec: GeneratorSpec) -> Callable[[Tensor], Tensor]:
    """The network in ONNX Runtime on the CPU, an engine of ``Translator``: the same pictures.

    Tracing takes seconds. It pays for narrow networks, whose time goes into norms and padding more
    than into convolutions (docs/guide/translate.md). Raises ``UsageError`` without the onnx extra, and
    for a generator that no fixed graph can be.
    """
    need("onnxscript", "onnx", "--engine onnx")
    check_exportable(spec)
    return runner(trace(generator, spec).SerializeToString())


def inputs(
    spec: GeneratorSpec, least: int, precision: ExportPrecision, pictures: Tensor | None
) -> list[Tensor]:
    """What the export is compared on: three sizes, of them one batch, random or cut from ``pictures``
    that calibration did not see.

    From 16 pixels up: at the least side of 8 an untrained ResNet-9's instance norms see four pixels
    each, and PyTorch's own rounding (8e-5 from double precision) leaves no room to compare.
    """
    multiple, c = spec.generator.sizes[0], spec.channels_in
    if precision == "fp32" or pictures is None:
        noise = torch.Generator().manual_seed(0)
        few, side = (padded_side(n, multiple, least) for n in (16, 64))
        shapes = [(1, c, few, few), (1, c, side, side), (3, c, side + multiple, 2 * side)]
        return [torch.rand(shape, generator=noise) * 2 - 1 for shape in shapes]
    unseen, side = pictures[-CHECK:], pictures.shape[2]
    half = max(least, side // 2 // multiple * multiple)
    return [unseen[:1], unseen[1:], unseen[:1, :, :half]]


def same_pixels(translator: Translator, run: Callable[[Tensor], Tensor]) -> None:
    """Raise ``Failure`` unless ``run``, from pixels to pixels, gives what ``translator`` gives.

    One level's difference is a rounding at the edge between two; it may be in one pixel of a hundred.
    """
    spec, (multiple, least) = translator.spec, translator.spec.generator.sizes
    draw = np.random.default_rng(0)
    for height, width in ((1, 2), (least + 1, least + multiple), (3 * least - 1, 2 * least + 3)):
        pixels = from_unit(draw.random((height, width, spec.channels_in)), spec.format_in)
        expected = to_unit(translator.pixels(pixels), spec.format_out)
        got = to_unit(run(torch.from_numpy(pixels)[None])[0].numpy(), spec.format_out)
        level = 1e-4 if spec.depth_out == "float" else 1.001 / FULL[DTYPES[spec.depth_out]]
        error = np.abs(got - expected) if got.shape == expected.shape else np.array(np.inf)
        if not (error.max() <= level and (error > level / 2).mean() <= 0.01):
            where = f"at {height}x{width} by {error.max():.2g} of the range"
            raise Failure(f"ONNX of pixels differs from padding and cropping {where}: not written")
