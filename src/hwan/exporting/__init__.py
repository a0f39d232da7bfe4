"""Generators as files that other programs run: ONNX and torch.export, each with a report of how equal it is.
It uses inference/, and data/ for calibration alone; web/, serve/ and cli/ import it."""

from hwan.exporting.onnx import export_onnx, onnx_engine
from hwan.exporting.parity import Parity
from hwan.exporting.program import export_program

__all__ = ["Parity", "export_onnx", "export_program", "onnx_engine"]
