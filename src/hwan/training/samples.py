"""What is drawn at every tick: fixed held-out images through the generators, and their health."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from hwan.config import Config, Kind
from hwan.data.augment import centre_crop
from hwan.data.cache import fit
from hwan.data.folders import Layout, list_images
from hwan.errors import UsageError
from hwan.image import RGB, Pixels, decode, grid, save, to_pixels, to_tensor, view
from hwan.metrics.health import diversity
from hwan.training.loop import Training

ROWS = 4  # images of each domain in a sheet
PROBES = 16  # images of each domain in the health figures


class Samples:
    """Images spread evenly over the test folders (the training folders where there are none)."""

    def __init__(self, layout: Layout, config: Config) -> None:
        self.a = _pick(layout.test_a or layout.train_a, config, config.data.kind_a)
        self.b = _pick(layout.test_b or layout.train_b, config, config.data.kind_b)

    @torch.no_grad()
    def draw(self, training: Training, folder: Path) -> dict[str, float]:
        """Save ``folder/IMAGES.png``, columns real_a fake_b rec_a | real_b fake_a rec_b; return health.

        Draws nothing random, so training goes on as if this had not been called.
        """
        ab, ba = (training.generators[name].eval() for name in ("generator_ab", "generator_ba"))
        data = training.config.data
        a, b = (
            to_tensor(torch.from_numpy(x).to(training.device), limits)
            for x, limits in ((self.a, data.range_a), (self.b, data.range_b))
        )
        fake_b, fake_a = ab(a), ba(b)
        rec_a, rec_b = ba(fake_b[:ROWS]), ab(fake_a[:ROWS])
        training.method.train()
        columns = [
            [view(cell, RGB) for cell in to_pixels(x[:ROWS])]  # 8 bit show -1..1 of any depth
            for x in (a, fake_b, rec_a, b, fake_a, rec_b)
        ]
        rows = [list(row) for row in zip(*columns, strict=False)]
        save(grid(rows), folder / f"{training.seen:06d}.png")
        if min(len(a), len(b)) < 2:
            return {}  # one image says nothing of variety
        health = {"diversity_ab": diversity(fake_b, b), "diversity_ba": diversity(fake_a, a)}
        return {name: value for name, value in health.items() if math.isfinite(value)}


def _pick(folder: Path, config: Config, kind: Kind) -> np.ndarray:
    files = list_images(folder)
    chosen = (
        [files[i * len(files) // PROBES] for i in range(PROBES)] if len(files) > PROBES else files
    )
    crops: list[Pixels] = []
    for file in chosen:
        try:
            crops.append(centre_crop(fit(decode(file, kind).pixels, config.data), config.data.size))
        except UsageError:
            continue  # a broken file was reported when the folder was read
    if not crops:
        raise UsageError(f"{folder} has readable images to draw samples from", "none", "add some")
    return np.stack(crops)
