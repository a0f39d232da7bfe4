"""The images that a reduced precision is calibrated and compared on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from hwan.data.folders import list_images, locate
from hwan.errors import UsageError
from hwan.imaging.pixels import decode, resize, to_tensor
from hwan.nets import sizes
from hwan.nets.folder import GeneratorSpec

CALIBRATE, CHECK = 32, 3


def crops(data: Sequence[Path], spec: GeneratorSpec) -> Float[Tensor, "n c s s"]:
    """Up to 35 images as the generator reads them, (N, C, S, S) in [-1, 1]: the short side resized to
    its training size, the middle cut out. The last three are for checking.

    ``data`` is a data set, of which the training images of the generator's own input domain are taken,
    or folders of images, or files. Raises ``UsageError`` for fewer than eight readable ones.
    """
    files = _files(data, spec)
    wanted = CALIBRATE + CHECK
    multiple, least = sizes(spec.generator)
    side = max(least, min(spec.size) // multiple * multiple)
    found = []
    for file in files[:: max(1, len(files) // wanted)]:
        try:
            pixels = decode(file, spec.format_in).pixels
        except UsageError:
            continue  # `hwan data check` is what tells of broken files
        height, width = pixels.shape[:2]
        scale = side / min(height, width)
        pixels = resize(pixels, max(side, round(height * scale)), max(side, round(width * scale)))
        top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
        found.append(torch.from_numpy(pixels[top : top + side, left : left + side].copy()))
        if len(found) == wanted:
            break
    if len(found) < 8:
        raise UsageError(
            "calibration takes 8 images or more",
            f"{len(found)} readable in {', '.join(map(str, data))}",
            "give the training's data set, or a folder of images of the kind it will see",
        )
    return to_tensor(torch.stack(found), spec.range_in)


def _files(data: Sequence[Path], spec: GeneratorSpec) -> list[Path]:
    if len(data) == 1 and (data[0] / "trainA").is_dir():
        layout = locate(data)
        source = layout.train_a if spec.direction == "ab" else layout.train_b
        return list(list_images(source.folder))
    files: list[Path] = []
    for item in data:
        if not item.exists():
            raise UsageError("--data is a folder of images", f"{item}: not there", "check it")
        files += list_images(item) if item.is_dir() else [item]
    return files
