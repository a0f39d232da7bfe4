"""Pictures in and out of an ONNX graph: what imaging/pixels.py and ``pad_to`` do, as operators.

    (B, H, W, C) uint8, uint16 or float32, any H and W
      -> [-1, 1], padded to the multiple -> generator -> cropped -> the same depth (B, H, W, C')

Written as operators rather than traced from PyTorch: whether a side is padded by reflection or by
repetition depends on its length, and a trace would fix the way that the example took.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from hwan.config import PixelFormat
from hwan.imaging.pixels import DTYPES, FULL

OPSET = 20
IR = 10  # of ONNX 1.16, which opset 20 is of

BEFORE = """
before ({dtype}[B, H, W, C] image) => (float[B, C, Y, X] inside, int64[2] first, int64[2] end)
{{
{constants}
  sides = Shape <start: int = 1, end: int = 3> (image)
  raised = Add (sides, round_up)
  times = Div (raised, multiple)
  whole = Mul (times, multiple)
  target = Max (whole, least)
  extra = Sub (target, sides)
  first = Div (extra, two)
  end = Add (first, sides)
  after = Sub (extra, first)
  most = Max (first, after)
  mirrors = Less (most, sides)
  start = Neg (first)
  stop = Sub (target, first)
  last = Sub (sides, one)
{axes}
  floats = Cast <to: int = 1> (padded_1)
  scaled = Div (floats, divisor)
  ranged = Add (scaled, shift)
  inside = Transpose <perm: ints = [0, 3, 1, 2]> (ranged)
}}
"""
# Row numbers -first .. target - first - 1, then mirrored at both ends, or held at them.
AXIS = """
  start_{i} = Gather (start, {number})
  stop_{i} = Gather (stop, {number})
  last_{i} = Gather (last, {number})
  mirrors_{i} = Gather (mirrors, {number})
  index_{i} = Range (start_{i}, stop_{i}, one)
  positive_{i} = Abs (index_{i})
  beyond_{i} = Sub (last_{i}, positive_{i})
  folded_{i} = Abs (beyond_{i})
  mirrored_{i} = Sub (last_{i}, folded_{i})
  held_{i} = Clip (index_{i}, zero, last_{i})
  chosen_{i} = Where (mirrors_{i}, mirrored_{i}, held_{i})
  padded_{i} = Gather <axis: int = {axis}> ({source}, chosen_{i})
"""
AFTER = """
after (float[B, C, Y, X] made, int64[2] first, int64[2] end) => ({dtype}[B, H, W, C] translation)
{{
{constants}
  axes = Constant <value_ints: ints = [2, 3]> ()
  cropped = Slice (made, first, end, axes)
  turned = Transpose <perm: ints = [0, 2, 3, 1]> (cropped)
  raised = Add (turned, one)
  scaled = Mul (raised, half)
  levels = {levels}
  clipped = Clip (levels, low, high)
  translation = Cast <to: int = {code}> (clipped)
}}
"""
TYPES = {"8": ("uint8", 2), "16": ("uint16", 4), "float": ("float", 1)}
"""A depth's type in the text, and its number in TensorProto.DataType."""


def around(
    onnx: ModuleType,
    proto: Any,
    format_in: PixelFormat,
    format_out: PixelFormat,
    sizes: tuple[int, int],
) -> Any:
    """The model ``proto``, "image" to "translation", as one from pixels to pixels (B, H, W, C) of the
    kinds, of any H and W; names as before."""
    multiple, least = sizes
    axes = "".join(
        AXIS.format(i=i, number=number, axis=i + 1, source=source)
        for i, (number, source) in enumerate([("zero", "image"), ("one", "padded_0")])
    )
    low, high = _limits(format_in)
    half = (high - low) / 2
    whole = {"zero": 0, "one": 1, "two": 2, "multiple": multiple, "round_up": multiple - 1}
    before = BEFORE.format(
        dtype=TYPES[format_in.depth][0],
        constants=_constants(**whole, least=least, divisor=half, shift=-low / half - 1),
        axes=axes,
    )
    low, high = _limits(format_out)
    dtype, code = TYPES[format_out.depth]
    after = AFTER.format(
        dtype=dtype,
        constants=_constants(one=1.0, half=(high - low) / 2, low=low, high=high),
        levels="Add (scaled, low)" if format_out.depth == "float" else "Round (scaled)",
        code=code,
    )
    compose = onnx.compose
    head = f'<ir_version: {IR}, opset_import: ["" : {OPSET}]>'
    first, last = (onnx.parser.parse_model(head + text) for text in (before, after))
    proto.ir_version = IR
    proto.functions.clear()  # the exporter leaves an empty list of opsets' functions
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


def _constants(**values: float) -> str:
    kinds = ((name, type(value).__name__, value) for name, value in values.items())
    return "\n".join(f"  {n} = Constant <value_{kind}: {kind} = {v}> ()" for n, kind, v in kinds)


def _limits(pixel_format: PixelFormat) -> tuple[float, float]:
    if pixel_format.depth == "float":
        return float(pixel_format.range[0]), float(pixel_format.range[1])
    return 0.0, float(FULL[DTYPES[pixel_format.depth]])
