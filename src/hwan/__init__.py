"""hwan: image-to-image translation in PyTorch, from two folders of images to a shipped translator.

``hwan.train``, ``hwan.load`` and ``hwan.recipes`` are the doors; torch is imported when one is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["load", "recipes", "train"]

if TYPE_CHECKING:
    from hwan.api import train
    from hwan.config import recipes
    from hwan.inference.translate import load


def __getattr__(name: str) -> Any:
    import importlib

    if name == "recipes":
        return importlib.import_module("hwan.config.recipes")
    if name == "train":
        return importlib.import_module("hwan.api").train
    if name == "load":
        return importlib.import_module("hwan.inference.translate").load
    raise AttributeError(f"module 'hwan' has no attribute {name!r}")
