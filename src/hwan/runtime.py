"""The machine: device, precision, seeds, what to do about its errors."""

from __future__ import annotations

import importlib
import platform
import random
from types import ModuleType
from typing import Literal

import numpy as np
import PIL
import torch

from hwan.config import Precision
from hwan.errors import UsageError

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def pick_device(name: str = "auto") -> torch.device:
    """``auto`` takes CUDA, then Apple's MPS, then the CPU. Raises ``UsageError`` for an absent one."""
    if name == "auto":
        mps = "mps" if torch.backends.mps.is_available() else "cpu"
        name = "cuda" if torch.cuda.is_available() else mps
    try:
        device = torch.empty(0, device=name).device  # "cuda" with its number
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        fix = "leave --device out, or give cpu, cuda or mps"
        raise UsageError("a device that this machine has", f"{name} ({reason})", fix) from error
    if device.type == "cuda":  # streams, graphs and the check for bf16 use the current device
        torch.cuda.set_device(device)
    return device


def pick_precision(wanted: Precision, device: torch.device) -> Literal["fp32", "bf16", "fp16"]:
    """Resolve ``auto``: bf16 where a GPU has it in hardware, fp16 on older GPUs (a T4), else fp32."""
    if wanted != "auto":
        return wanted
    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def sent(drawn: torch.Tensor, device: torch.device) -> torch.Tensor:
    """``drawn``, made on the CPU, copied to ``device``. The CPU does not wait for work that the GPU has
    queued: CUDA copies up to 64 KB aside before the call returns."""
    return drawn.to(device, non_blocking=device.type == "cuda")


def keep_freed_memory() -> None:
    """Make glibc reuse freed memory instead of returning it to the system.

    glibc returns large blocks to the system as soon as they are freed, and every page that it gets again
    has to be cleared. It raises the size from which it does so to that of the largest block freed so
    far. Until then a step on small images may spend half of its time there (bench/README.md).
    """
    torch.empty(31 << 20, dtype=torch.uint8)  # blocks above 32 MB do not raise it


def seed_all(seed: int) -> None:
    """Seed every generator a library might draw from; hwan's own draws name their seed."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def describe(device: torch.device) -> str:
    """The machine in words, for logs and reports."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return (
        f"{device.type} ({name}), {torch.get_num_threads()} CPU threads, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def advice(error: RuntimeError) -> str:
    """Expectation, cause and fix, where torch's ``error`` comes from the machine (too little memory, no
    compiler); else ""."""
    first = next(iter(str(error).strip().splitlines()), "")
    if "out of memory" in first or "can't allocate memory" in first:
        expected, less = (
            "enough memory",
            "--train.batch 1 with --train.accumulate, a smaller --data.size",
        )
        fix = f"{less}, --speed.gradient_checkpointing or translate --tile 256; see hwan plan"
    elif any(cls.__name__ == "TorchDynamoException" for cls in type(error).__mro__):
        expected = "what speed.compile needs: a C++ compiler on a CPU, Triton on a GPU"
        fix = "install what is missing, or leave --speed.compile out"
    else:
        return ""
    return f"{expected}\n  received: {first}\n  fix: {fix}"


def need(module: str, extra: str, job: str) -> ModuleType:
    """Import an optional module. Raises ``UsageError`` that names the extra it comes with."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        expected, fix = f"the {extra} extra, which {job} needs", f"pip install 'hwan[{extra}]'"
        raise UsageError(expected, f"{module} is not installed", fix) from error


def environment(device: torch.device) -> dict[str, str]:
    """What a training ran on, by name: machine, versions, threads."""
    from hwan import __version__

    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "machine": f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} CPU threads",
        "hwan": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "python": platform.python_version(),
    }
