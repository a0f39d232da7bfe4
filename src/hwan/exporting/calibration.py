"""The images that a reduced precision is calibrated and compared on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from hwan.config import DataConfig
from hwan.data.augment import fit_and_crop
from hwan.data.folders import evenly, list_images, locate
from hwan.errors import UsageError, require
from hwan.exporting.parity import CHECK
from hwan.imaging.pixels import decode, to_tensor
from hwan.nets.folder import GeneratorSpec

CALIBRATE = 32


def crops(data: Sequence[Path], spec: GeneratorSpec) -> Float[Tensor, "n c s s"]:
    """Up to 35 images as the generator reads them, (N, C, S, S) in [-1, 1]: the short side resized to
    its training size, the middle cut out. The last three are for checking.

    ``data`` is a data set, of which the training images of the generator's own input domain are taken,
    or folders of images, or files. Raises ``UsageError`` for fewer than eight readable ones.
    """
    multiple, least = spec.generator.sizes
    side = max(least, min(spec.size) // multiple * multiple)
    config = DataConfig(size=side, resize=side)
    folders = data
    if len(data) == 1 and (data[0] / "trainA").is_dir():
        layout = locate(data)
        folders = [(layout.train_a if spec.direction == "ab" else layout.train_b).folder]
    found = []
    for file in evenly(given_images(folders, "--data"), CALIBRATE + CHECK):
        with suppress(UsageError):  # `hwan data check` reports broken files
            pixels = decode(file, spec.format_in).pixels
            found.append(torch.from_numpy(fit_and_crop(pixels, config).copy()))
    received = f"{len(found)} readable in {', '.join(map(str, folders))}"
    fix = "give the training's data set, or a folder of images of the kind it will see"
    require(len(found) >= 8, "8 images or more to calibrate on", received, fix)
    return to_tensor(torch.stack(found), spec.range_in)


def given_images(items: Sequence[Path], option: str) -> list[Path]:
    """The image files among ``items``, files and folders. Raises ``UsageError`` for an absent one."""
    for item in items:
        found = f"{item}: not there"
        require(item.exists(), f"images and folders of images at {option}", found, "check the path")
    return [f for item in items for f in (list_images(item) if item.is_dir() else [item])]
