"""A pretended CUDA GPU (gpu.cpp), for machines without one.

It must be loaded before torch: ``PYTHONPATH=tests/helpers pytest -p gpu
tests/training/on_gpu.py`` runs tests on it.
Torch then finds a device "cuda" that computes what the CPU computes, never faster.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib.util
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def _built(torch_folder: Path) -> Path:
    source = Path(__file__).with_suffix(".cpp")
    version = (torch_folder / "version.py").read_bytes()
    name = hashlib.sha256(source.read_bytes() + version).hexdigest()[:16]
    library = Path(tempfile.gettempdir()) / f"hwan-gpu-{name}.so"
    if not library.exists():
        made = library.with_suffix(f".{os.getpid()}")
        include = [f"-I{torch_folder / 'include' / x}" for x in ("", "torch/csrc/api/include")]
        options = ["-std=c++20", "-O1", "-shared", "-fPIC", *include, f"-L{torch_folder / 'lib'}"]
        command = ["g++", *options, str(source), "-o", str(made), "-lc10", "-ltorch_cpu"]
        subprocess.run(command, check=True)
        made.rename(library)
    return library


_found = importlib.util.find_spec("torch")
assert _found
assert _found.origin
_folder = Path(_found.origin).parent
for _name in ("libc10.so", "libtorch_cpu.so"):
    ctypes.CDLL(str(_folder / "lib" / _name), ctypes.RTLD_GLOBAL)
_library = ctypes.CDLL(str(_built(_folder)))

import torch  # noqa: E402

_library.gpu_install()
for _function in (_library.gpu_waits, _library.gpu_launches, _library.gpu_record):
    _function.restype = ctypes.c_int64
_library.gpu_wait.restype = ctypes.c_bool


def waits() -> int:
    """How often something has waited for the GPU: values read back, copies that are not prepared."""
    return int(_library.gpu_waits())


def launches() -> int:
    """How many operations the GPU has been given; a recorded graph is one."""
    return int(_library.gpu_launches())


def synchronize() -> None:
    """Wait for the GPU."""
    if not _library.gpu_wait():
        raise RuntimeError("not while a graph is recorded: waiting for the GPU")


class Stream:
    """There is one."""

    def wait_stream(self, other: Any) -> None: ...


class CUDAGraph:
    """Calls that ``graph`` recorded."""

    number = -1

    def replay(self) -> None:
        _library.gpu_replay(ctypes.c_int64(self.number))


@contextlib.contextmanager
def graph(made: CUDAGraph, capture_error_mode: str = "global") -> Iterator[None]:
    """Record what is done meanwhile."""
    made.number = _library.gpu_record()
    try:
        yield
    finally:
        _library.gpu_recorded()


# What torch's own Python asks the CUDA that this build has not.
_answers: dict[str, Any] = {
    "is_available": lambda: True,
    "is_initialized": lambda: True,
    "_lazy_init": lambda: None,
    "current_device": lambda: 0,
    "_exchange_device": lambda device: 0,
    "_maybe_exchange_device": lambda device: 0,
    "device_count": lambda: 1,
    "set_device": lambda device: None,
    "get_device_name": lambda device=None: "a pretended GPU",
    "get_device_capability": lambda device=None: (9, 0),
    "is_bf16_supported": lambda including_emulation=True: True,
    "mem_get_info": lambda device=None: (8 << 30, 8 << 30),
    "synchronize": lambda device=None: synchronize(),
    "get_rng_state": lambda device=None: torch.zeros(16, dtype=torch.uint8),
    "set_rng_state": lambda state, device=None: None,
    "Stream": Stream,
    "current_stream": lambda device=None: Stream(),
    "stream": contextlib.nullcontext,
    "CUDAGraph": CUDAGraph,
    "graph": graph,
}
for _name, _answer in _answers.items():
    setattr(torch.cuda, _name, _answer)


# A storage cannot be made on a device that torch's Python was not built for, a tensor can.
def _copy(storage: Any) -> Any:
    room = torch.empty(storage.nbytes(), dtype=torch.uint8, device="cuda")
    return room.untyped_storage().copy_(storage)


def _clone(storage: Any) -> Any:
    return _copy(storage) if storage.device.type == "cuda" else _clone_there(storage)  # type: ignore[no-untyped-call]


_clone_there = torch.UntypedStorage.clone
torch.UntypedStorage.clone = _clone  # type: ignore[method-assign]
torch.serialization.register_package(
    0,
    lambda _storage: None,
    lambda storage, location: _copy(storage) if location.startswith("cuda") else None,
)
