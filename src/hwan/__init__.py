"""hwan: image-to-image translation in PyTorch, from two folders of images to a shipped translator.

``hwan.train``, ``evaluate``, ``translate``, ``export``, ``load``, ``recipes`` and ``Translator`` are the
doors; torch is imported when one is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Translator", "evaluate", "export", "load", "recipes", "train", "translate"]

if TYPE_CHECKING:
    from hwan.api import evaluate, export, train, translate
    from hwan.config import recipes
    from hwan.inference.translate import Translator, load


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'hwan' has no attribute {name!r}")
    if name == "recipes":
        return import_module("hwan.config.recipes")
    of_inference = name in ("Translator", "load")  # the api would also import the training
    return vars(import_module("hwan.inference.translate" if of_inference else "hwan.api"))[name]
