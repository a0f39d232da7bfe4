"""Generators in forms other programs run: ONNX and torch.export, each with a report of how equal it is."""

from hwan.export.onnx import export_onnx, onnx_engine
from hwan.export.parity import Parity
from hwan.export.program import export_program

__all__ = ["Parity", "export_onnx", "export_program", "onnx_engine"]
