"""hwan: image-to-image translation in PyTorch, from two folders of images to a shipped translator.

``hwan.train``, ``hwan.load`` and ``hwan.recipes`` are the doors; torch is imported when one is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["load", "recipes", "train"]

if TYPE_CHECKING:
    from hwan import recipes
    from hwan.api import train
    from hwan.translate import load


def __getattr__(name: str) -> Any:
    import importlib

    if name == "recipes":
        return importlib.import_module("hwan.recipes")
    if name == "train":
        return importlib.import_module("hwan.api").train
    if name == "load":
        return importlib.import_module("hwan.translate").load
    raise AttributeError(f"module 'hwan' has no attribute {name!r}")
