"""Generator folders of small networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from hwan.config import GeneratorConfig
from hwan.nets import build_generator
from hwan.nets.folder import GeneratorSpec, direction_of, save_generator

TINY: dict[str, Any] = {"filters": 2, "blocks": 1, "stem": 3}


def generator(folder: Path, cin: int = 3, cout: int = 3, **options: Any) -> Path:
    """A generator folder whose batch norms have seen images; of direction ba, unless its name says ab."""
    torch.manual_seed(0)
    config = GeneratorConfig(**{**TINY, **options})
    net = build_generator(config, cin, cout)
    for weight in net.parameters():
        nn.init.normal_(weight, 0.0, 0.3)
    with torch.no_grad():
        net.train()(torch.randn(2, cin, 16, 16))
    direction = direction_of(folder.name) or "ba"
    save_generator(
        folder, net, GeneratorSpec(config, cin, cout, direction, (32, 32), 7, "cyclegan")
    )
    return folder
