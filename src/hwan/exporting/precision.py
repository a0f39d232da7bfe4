"""An ONNX model in fp16 or int8, with float32 input and output as before."""

from __future__ import annotations

import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from hwan.runtime import need

# Sums over a whole image run out of fp16's range and digits; what follows them is small.
KEPT = ["InstanceNormalization", "GroupNormalization", "LayerNormalization", "ReduceMean", "MatMul"]


def to_fp16(proto: Any) -> Any:
    """Weights and activations in half precision, norms in single."""
    convert = need("onnxruntime.transformers.float16", "onnx", "export to fp16")
    halved = convert.convert_float_to_float16(proto, keep_io_types=True, op_block_list=KEPT)
    graph = need("onnxruntime.transformers.onnx_model", "onnx", "export to fp16").OnnxModel(halved)
    graph.topological_sort()  # the casts were added at the end
    return graph.model


def to_int8(proto: Any, images: Float[Tensor, "n c h w"]) -> Any:
    """Convolutions in 8 bits (weights a scale per channel, activations one each), between quantise and
    dequantise nodes (static QDQ); scales from the extremes of each of ``images``, averaged.

    The first and the last two convolutions stay in float. On a horse2zebra generator each layer alone
    costs a mean error of 0.003 to 0.005, those at the end 0.017 and 0.024: nothing after them
    normalises it away. Averaged extremes give 0.021 where those of all images give 0.032 (percentiles
    0.018 to 0.024, but they keep every activation of every image in memory).
    """
    quantization = need("onnxruntime.quantization", "onnx", "export to int8")
    onnx = need("onnx", "onnx", "export to int8")

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc,name-defined]
        left = ({"image": image} for image in images.numpy()[:, None])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.left, None)

    convolutions = [n.name for n in proto.graph.node if n.op_type in ("Conv", "ConvTranspose")]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        logger = logging.getLogger()
        level = logger.level
        logger.setLevel(logging.ERROR)  # it advises a preprocessing that the exporter did already
        try:
            quantization.quantize_static(
                proto,
                path,
                Reader(),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=["Conv", "ConvTranspose"],
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                nodes_to_exclude=[convolutions[0], *convolutions[-2:]],
                extra_options={"CalibMovingAverage": True},
            )
        finally:
            logger.setLevel(level)
        return onnx.load(path)
