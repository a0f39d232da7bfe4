"""The code for CUDA, run on a card that is only pretended: in a process of its own, as it must be there
before torch is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
HELPERS = HERE.parent / "helpers"


@pytest.mark.skipif(
    bool(torch.version.cuda or torch.version.hip), reason="this torch has kernels of its own"
)
@pytest.mark.skipif(shutil.which("g++") is None, reason="the pretended card is compiled")
@pytest.mark.skipif(sys.platform != "linux", reason="the pretended card is a Linux library")
def test_training_on_a_pretended_card() -> None:
    paths = os.pathsep.join([str(HELPERS), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "gpu", "-n", "0", str(HERE / "on_gpu.py")],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
