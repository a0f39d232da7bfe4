"""Options that were renamed since version 0.1: saved configs may use the old names for one release."""

from __future__ import annotations

import warnings
from typing import Any

from hwan.errors import OutdatedFile

RENAMED = {
    "speed.branches": "speed.parallel_halves",
    "speed.forms": "speed.fast_kernels",
    "speed.graph": "speed.cuda_graph",
    "speed.checkpoint": "speed.gradient_checkpointing",
    "speed.fused": "speed.fused_adam",
    "generator.whitened": "generator.whitening_channels",
    "discriminator.whitened": "discriminator.whitening_channels",
}


class RenamedOption(OutdatedFile):
    """A saved file has an option under its old name."""


def with_new_names(values: Any, where: str) -> Any:
    """``values`` of a config file with today's names. Warns (``RenamedOption``) of each old name."""
    if not isinstance(values, dict):
        return values
    found = {k: dict(v) if isinstance(v, dict) else v for k, v in values.items()}
    for old, new in RENAMED.items():
        section, key = old.split(".")
        inner = found.get(section)
        if isinstance(inner, dict) and key in inner:
            inner[new.split(".")[1]] = inner.pop(key)
            warnings.warn(f"{where}: {old} is now called {new}", RenamedOption, stacklevel=2)
    return found
