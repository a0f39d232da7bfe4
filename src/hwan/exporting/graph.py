"""Pictures in and out of an ONNX graph: what imaging/pixels.py and ``pad_to`` do, as operators.

    (B, H, W, C) uint8, uint16 or float32, any H and W
      -> [-1, 1], padded to the multiple -> generator -> cropped -> the same depth (B, H, W, C')

Written as operators rather than traced from PyTorch: whether a side is padded by reflection or by
repetition depends on its length, and a trace would fix the way that the example took.
"""

from __future__ import annotations

from typing import Any

from hwan.config import PixelFormat
from hwan.imaging.pixels import ends
from hwan.runtime import need

OPSET = 20
IR = 10  # of ONNX 1.16, which opset 20 is of
FLOAT = 1  # of TensorProto.DataType


def around(
    proto: Any, format_in: PixelFormat, format_out: PixelFormat, sizes: tuple[int, int]
) -> Any:
    """The model ``proto``, "image" to "translation", as one from pixels to pixels (B, H, W, C) of the
    formats, of any H and W; names as before. ``sizes``: (multiple, least) of a padded side."""
    names = ("onnx", "onnx.inliner", "onnxscript")
    onnx, inliner, script = (need(name, "onnx", "export to ONNX") for name in names)
    types = {"8": script.UINT8, "16": script.UINT16, "float": script.FLOAT}
    read, written = types[format_in.depth], types[format_out.depth]
    inside = [script.FLOAT["B", "C", "Y", "X"], script.INT64[2], script.INT64[2]]
    first = _before(script, format_in, *sizes).to_model_proto(
        input_types=[read["B", "H", "W", "C"]], output_types=inside
    )
    last = _after(script, format_out, written.dtype).to_model_proto(
        input_types=inside, output_types=[written["B", "H", "W", "C"]]
    )
    proto.functions.clear()  # the exporter leaves an empty list of opsets' functions
    first = inliner.inline_local_functions(first)
    first.ir_version = last.ir_version = proto.ir_version = IR
    compose = onnx.compose
    core = compose.add_prefix(proto, "net/")
    last = compose.add_prefix(last, "out/", rename_inputs=False, rename_outputs=False)
    joined = compose.merge_models(
        first, core, [("inside", "net/image")], outputs=["first", "end", "net/translation"]
    )
    joined = compose.merge_models(
        joined, last, [("net/translation", "made"), ("first", "first"), ("end", "end")]
    )
    onnx.checker.check_model(joined)
    return joined


def _before(script: Any, pixel_format: PixelFormat, multiple: int, least: int) -> Any:
    """Pixels to (padded in [-1, 1], where the picture's sides begin in it, where they end)."""
    op = script.opset20
    low, high = ends(pixel_format)
    divisor = (high - low) / 2
    shift = -low / divisor - 1

    @script.script(default_opset=op)
    def places(side, first, target):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        """Row numbers -first .. target - first - 1, then mirrored at both ends, or held at them."""
        index = op.Range(-first, target - first, 1)
        last = side - 1
        mirrored = last - op.Abs(last - op.Abs(index))
        held = op.Clip(index, 0, last)
        return op.Where(op.Max(first, target - first - side) < side, mirrored, held)

    @script.script(default_opset=op)
    def before(image):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        sides = op.Shape(image, start=1, end=3)
        target = op.Max((sides + (multiple - 1)) / multiple * multiple, least)
        first = (target - sides) / 2
        end = first + sides
        rows = places(op.Gather(sides, 0), op.Gather(first, 0), op.Gather(target, 0))
        columns = places(op.Gather(sides, 1), op.Gather(first, 1), op.Gather(target, 1))
        padded = op.Gather(op.Gather(image, rows, axis=1), columns, axis=2)
        scaled = op.Cast(padded, to=FLOAT) / divisor + shift
        inside = op.Transpose(scaled, perm=[0, 3, 1, 2])
        return inside, first, end

    return before


def _after(script: Any, pixel_format: PixelFormat, dtype: int) -> Any:
    """What the generator made, cropped, as pixels."""
    op = script.opset20
    low, high = ends(pixel_format)
    half = (high - low) / 2
    whole = script.values.Op(op, "Identity" if pixel_format.depth == "float" else "Round")

    @script.script(default_opset=op)
    def after(made, first, end):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        cropped = op.Slice(made, first, end, [2, 3])
        levels = whole((op.Transpose(cropped, perm=[0, 2, 3, 1]) + 1.0) * half + low)
        translation = op.Cast(op.Clip(levels, low, high), to=dtype)
        return translation

    return after
