"""What tests of other projects' checkpoints share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hwan.config import GeneratorConfig
from hwan.errors import UsageError
from hwan.interop import import_weights
from hwan.nets import build_generator
from hwan.nets.folder import GeneratorSpec, save_generator


def refused(path: Path, *words: str) -> None:
    """The file is refused, and each of ``words`` is in the error."""
    with pytest.raises(UsageError) as caught:
        import_weights(path, path.parent / "out")
    for word in words:
        assert word in str(caught.value)
    assert not (path.parent / "out").exists()


def made(folder: Path, method: str = "cyclegan", **options: Any) -> Path:
    """A generator folder with ``options``."""
    config = GeneratorConfig(**{"filters": 1, "blocks": 1, **options})
    net = build_generator(config, 3, 3)
    save_generator(folder, net, GeneratorSpec(config, 3, 3, "ba", (64, 64), 10, method))
    return folder
