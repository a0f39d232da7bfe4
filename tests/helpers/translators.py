"""Small Translators, and pictures for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from hwan.config import GeneratorConfig
from hwan.imaging.pixels import Pixels
from hwan.inference.translate import Translator
from hwan.nets import build_generator
from hwan.nets.folder import GeneratorSpec

TINY = GeneratorConfig(filters=2, blocks=1, stem=3)


def make(
    config: GeneratorConfig = TINY, cin: int = 3, cout: int = 3
) -> tuple[nn.Module, GeneratorSpec]:
    torch.manual_seed(0)
    spec = GeneratorSpec(config, cin, cout, "ab", (32, 32), 7, "cyclegan")
    return build_generator(config, cin, cout), spec


NETS = {(cin, cout): Translator(*make(cin=cin, cout=cout)) for cin in (1, 3) for cout in (1, 3)}


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def write(folder: Path, *names: str) -> list[Path]:
    """Pictures of 5x4 pixels, each another one."""
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(5, 4, seed=seed)).save(path)
    return [folder / name for name in names]
