"""The state file: everything needed to go on exactly, checksummed, and the one before it."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from hwan.errors import UsageError
from hwan.evaluation.training_sections import grouped_losses
from hwan.files import write_atomic

MAGIC = b"hwan-state-2 "
OLD = b"hwan-state-1 "
"""The format of version 0.1, read for one release: since then names have changed, and losses are grouped."""
RENAMED = (("adversary_", "adversarial_"), (".judges.", ".networks."))
"""Old and new parts of the names of a method's tensors."""


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write ``latest.pt``, flushed to the disk, keeping the former one as ``previous.pt``.

    At every moment at least one whole state is in the folder.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    payload = buffer.getbuffer()
    header = MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n"
    latest, previous, new = folder / "latest.pt", folder / "previous.pt", folder / "new.pt"
    write_atomic(new, header + payload)
    if latest.exists():
        latest.replace(previous)
    new.replace(latest)


def load_state(folder: Path, device: torch.device) -> tuple[dict[str, Any], str]:
    """The newest whole state, and a note if that is not the latest one ("" otherwise).

    Raises ``UsageError`` when there is none.
    """
    problems: list[str] = []
    for name in ("latest.pt", "previous.pt"):
        note = "".join(f"{problem}; going on from {name}" for problem in problems)
        try:
            return _read(folder / name, device), note
        except (OSError, ValueError) as error:
            problems.append(f"{name}: {error}")
    expected = f"a whole training state in {folder}"
    raise UsageError(expected, "; ".join(problems), "start a new run in another folder")


def _read(path: Path, device: torch.device) -> dict[str, Any]:
    header, _, payload = path.read_bytes().partition(b"\n")
    magic, checksum = header[: len(MAGIC)], header[len(MAGIC) :]
    if magic not in (MAGIC, OLD) or checksum != hashlib.sha256(payload).hexdigest().encode():
        raise ValueError("checksum does not match")
    state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location=device, weights_only=True)
    return state if magic == MAGIC else _renamed(state)


def _renamed(state: dict[str, Any]) -> dict[str, Any]:
    """A state of version 1 under today's names."""
    for old, new in RENAMED:
        method = state["method"].items()
        state["method"] = {name.replace(old, new): value for name, value in method}
    state["optimizers"] = state.pop("optimisers")
    state["window"]["sums"] = grouped_losses(state["window"]["sums"])
    state["since"] = [grouped_losses(losses) for losses in state.get("since", [])]
    return state
