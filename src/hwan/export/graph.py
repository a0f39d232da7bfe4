"""Pictures in and out of an ONNX graph: what ``imaging.pixels`` and ``inference.padding`` do, as operators.

    (B, H, W, C) uint8, uint16 or float32, any H and W
      -> [-1, 1], padded to the multiple -> generator -> cropped -> the same depth (B, H, W, C')

Written as operators rather than traced from PyTorch: a traced padding by reflection or repetition, which
of the two depends on the size, would be fixed to the one that the example took.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from hwan.config import PixelFormat
from hwan.imaging.pixels import DTYPES, FULL

OPSET = 20
IR = 10  # of ONNX 1.16, which opset 20 is of

BEFORE = """
<ir_version: {ir}, opset_import: ["" : {opset}]>
before ({dtype}[B, H, W, C] image) => (float[B, C, Y, X] inside, int64[2] first, int64[2] end)
{{
  zero = Constant <value_int: int = 0> ()
  one = Constant <value_int: int = 1> ()
  two = Constant <value_int: int = 2> ()
  begin = Constant <value_ints: ints = [1]> ()
  finish = Constant <value_ints: ints = [3]> ()
  multiple = Constant <value_int: int = {multiple}> ()
  round_up = Constant <value_int: int = {round_up}> ()
  least = Constant <value_int: int = {least}> ()
  shape = Shape (image)
  sides = Slice (shape, begin, finish)
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
{axes}
  floats = Cast <to: int = 1> (padded_1)
  divisor = Constant <value_float: float = {divisor}> ()
  shift = Constant <value_float: float = {shift}> ()
  scaled = Div (floats, divisor)
  ranged = Add (scaled, shift)
  inside = Transpose <perm: ints = [0, 3, 1, 2]> (ranged)
}}
"""
# ``inference.padding.places``: row numbers -first .. target - first - 1, mirrored at both ends or held at
# them; ``first`` is that of ``margins``. ``same_pixels`` compares each export with a Translator.
AXIS = """
  axis_{i} = Constant <value_int: int = {i}> ()
  side_{i} = Gather <axis: int = 0> (sides, axis_{i})
  first_{i} = Gather <axis: int = 0> (first, axis_{i})
  target_{i} = Gather <axis: int = 0> (target, axis_{i})
  mirrors_{i} = Gather <axis: int = 0> (mirrors, axis_{i})
  start_{i} = Neg (first_{i})
  stop_{i} = Sub (target_{i}, first_{i})
  index_{i} = Range (start_{i}, stop_{i}, one)
  last_{i} = Sub (side_{i}, one)
  positive_{i} = Abs (index_{i})
  beyond_{i} = Sub (last_{i}, positive_{i})
  folded_{i} = Abs (beyond_{i})
  mirrored_{i} = Sub (last_{i}, folded_{i})
  held_{i} = Clip (index_{i}, zero, last_{i})
  taken_{i} = Where (mirrors_{i}, mirrored_{i}, held_{i})
  padded_{i} = Gather <axis: int = {axis}> ({source}, taken_{i})
"""
AFTER = """
<ir_version: {ir}, opset_import: ["" : {opset}]>
after (float[B, C, Y, X] made, int64[2] first, int64[2] end) => ({dtype}[B, H, W, C] translation)
{{
  axes = Constant <value_ints: ints = [2, 3]> ()
  one = Constant <value_float: float = 1.0> ()
  half = Constant <value_float: float = {half}> ()
  low = Constant <value_float: float = {low}> ()
  high = Constant <value_float: float = {high}> ()
  cropped = Slice (made, first, end, axes)
  turned = Transpose <perm: ints = [0, 2, 3, 1]> (cropped)
  raised = Add (turned, one)
  scaled = Mul (raised, half)
  levels = {levels}
  clipped = Clip (levels, low, high)
  translation = Cast <to: int = {code}> (clipped)
}}
"""
NAMES = {"8": "uint8", "16": "uint16", "float": "float"}
CODES = {"8": 2, "16": 4, "float": 1}  # TensorProto.DataType


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
        AXIS.format(i=i, axis=i + 1, source="image" if i == 0 else "padded_0") for i in (0, 1)
    )
    low, high = _limits(format_in)
    before = BEFORE.format(
        ir=IR,
        opset=OPSET,
        dtype=NAMES[format_in.depth],
        multiple=multiple,
        round_up=multiple - 1,
        least=least,
        axes=axes,
        divisor=float((high - low) / 2),
        shift=float(-low / ((high - low) / 2) - 1),
    )
    low, high = _limits(format_out)
    floats = format_out.depth == "float"
    after = AFTER.format(
        ir=IR,
        opset=OPSET,
        dtype=NAMES[format_out.depth],
        half=float((high - low) / 2),
        low=float(low),
        high=float(high),
        levels="Add (scaled, low)" if floats else "Round (scaled)",
        code=CODES[format_out.depth],
    )
    compose = onnx.compose
    first, last = (onnx.parser.parse_model(text) for text in (before, after))
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


def _limits(pixel_format: PixelFormat) -> tuple[float, float]:
    return (
        pixel_format.range
        if pixel_format.depth == "float"
        else (0.0, float(FULL[DTYPES[pixel_format.depth]]))
    )
