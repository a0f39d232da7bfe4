"""What is drawn at every tick: fixed held-out images through the generators, and their health."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hwan.config import Config, Kind
from hwan.data.augment import centre_crop
from hwan.data.cache import fit
from hwan.data.folders import Layout, Source, list_images
from hwan.errors import UsageError
from hwan.image import RGB, Pixels, grid, save, to_pixels, to_tensor, view
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
        """Save ``folder/IMAGES.png`` and return the health figures.

        Columns: real_a fake_b rec_a | real_b fake_a rec_b; of a one-way method real_a fake_b real_b,
        which is the truth where A and B are pairs. Draws nothing random, so training goes on as if
        this had not been called.
        """
        data = training.config.data
        a, b = (
            to_tensor(torch.from_numpy(x).to(training.device), limits)
            for x, limits in ((self.a, data.range_a), (self.b, data.range_b))
        )
        nets = {name.removeprefix("generator_"): net for name, net in training.generators.items()}
        for net in nets.values():
            net.eval()
        devices = [training.device] if training.device.type == "cuda" else []
        # A generator may drop out when translating; a compiled one would be compiled anew for this.
        with torch.random.fork_rng(devices), torch.compiler.set_stance("force_eager"):
            columns, fakes = translate(nets, a, b)
        training.method.train()
        # 8 bit show -1..1 of any depth.
        cells = [[view(cell, RGB) for cell in to_pixels(x[:ROWS])] for x in columns]
        save(
            grid([list(row) for row in zip(*cells, strict=False)]),
            folder / f"{training.seen:06d}.png",
        )
        if min(len(a), len(b)) < 2:
            return {}  # one image says nothing of variety
        health = {name: diversity(*pair) for name, pair in fakes.items()}
        return {name: value for name, value in health.items() if math.isfinite(value)}


def translate(
    nets: Mapping[str, nn.Module], a: Tensor, b: Tensor
) -> tuple[list[Tensor], dict[str, tuple[Tensor, Tensor]]]:
    """A sheet's columns, and for each diversity figure the outputs and the real images."""
    fake_b = singly(nets["ab"], a)
    if "ba" not in nets:
        return [a, fake_b, b], {"diversity_ab": (fake_b, b)}
    fake_a = singly(nets["ba"], b)
    rec_a, rec_b = singly(nets["ba"], fake_b[:ROWS]), singly(nets["ab"], fake_a[:ROWS])
    fakes = {"diversity_ab": (fake_b, b), "diversity_ba": (fake_a, a)}
    return [a, fake_b, rec_a, b, fake_a, rec_b], fakes


def singly(net: nn.Module, images: Tensor) -> Tensor:
    """Each image by itself, as it will be translated: a norm may tie the images of a batch."""
    return torch.cat([net(image[None]) for image in images])


def _pick(source: Source, config: Config, kind: Kind) -> np.ndarray:
    files = list_images(source.folder)
    some = min(PROBES, len(files))
    crops: list[Pixels] = []
    for file in (files[i * len(files) // some] for i in range(some)):
        try:
            pixels = fit(source.read(file, kind).pixels, config.data)
        except UsageError:
            continue  # a broken file was reported when the folder was read
        crops.append(centre_crop(pixels, config.data.size))
    if not crops:
        raise UsageError(
            f"{source.folder} has readable images to draw samples from",
            "none",
            "add some, or remove the folder",
        )
    return np.stack(crops)
