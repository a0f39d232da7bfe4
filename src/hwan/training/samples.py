"""What is drawn at every tick: fixed held-out images through the generators, and their health."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hwan.config import DataConfig, PixelFormat
from hwan.config.methods import record_of
from hwan.data.augment import fit_and_crop
from hwan.data.folders import ImageFolder, Layout
from hwan.errors import require
from hwan.evaluation.images import some_images
from hwan.evaluation.source import EvaluationSource, read_source
from hwan.imaging.pixels import RGB, for_display, grid, save, to_pixels, to_tensor
from hwan.inference.translate import find_generator
from hwan.nets.folder import direction_of, load_generator
from hwan.runtime import pick_device
from hwan.training.health import gradients, measure, one_by_one, translating
from hwan.training.state import Training

ROWS = 4  # images of each domain in a sheet
PROBES = 16  # images of each domain in the health figures while training
EXAMINED = 64  # and in the test


class Samples:
    """Up to ``probes`` images of each domain, evenly chosen from the test folders (the training folders where
    there are none). Health is measured on all of them; the sheets show the first ``ROWS``."""

    def __init__(self, layout: Layout, config: EvaluationSource, probes: int = PROBES) -> None:
        data = config.data
        self.a = _pick(layout.test_a or layout.train_a, data, data.format_a, probes)
        self.b = _pick(layout.test_b or layout.train_b, data, data.format_b, probes)

    def tensors(self, config: EvaluationSource, device: torch.device) -> tuple[Tensor, Tensor]:
        """Both domains' images (N, C, H, W) in [-1, 1]."""
        a, b = torch.from_numpy(self.a).to(device), torch.from_numpy(self.b).to(device)
        return to_tensor(a, config.data.range_a), to_tensor(b, config.data.range_b)

    @torch.no_grad()
    def draw(self, training: Training, folder: Path, health: bool = False) -> dict[str, float]:
        """Save ``folder/IMAGES.png``; with ``health`` return the health figures, else nothing.

        Columns: real_a fake_b rec_a | real_b fake_a rec_b. A one-way method has real_a fake_b real_b, and
        real_b is the truth where A and B are pairs. Nothing random is drawn, so training goes on as if
        this had not been called.
        """
        a, b = self.tensors(training.config, training.device)
        nets = {direction_of(name): net for name, net in training.generators.items()}
        found: dict[str, float] = {}
        # A compiled network would be compiled anew for this.
        with translating(training), torch.compiler.set_stance("force_eager"):
            columns = sheet(nets, a[:ROWS], b[:ROWS])
            if health:
                paired = training.config.record.draws_pairs
                found = measure(nets, a, b, paired) | gradients(training)
        # Any depth is shown in 8 bits.
        cells = [[for_display(cell, RGB) for cell in to_pixels(x)] for x in columns]
        rows = [list(row) for row in zip(*cells, strict=False)]
        save(grid(rows), folder / f"{training.seen:06d}.png")
        return found


@torch.no_grad()
def measure_test_health(run: Path, layout: Layout, device: str = "auto") -> dict[str, float]:
    """The health figures of a run's generators, or of a lone one, on up to ``EXAMINED`` test images of
    each domain, in crops of the size trained on."""
    config, on = read_source(run), pick_device(device)
    nets = {d: load_generator(find_generator(run, d))[0].to(on) for d in config.directions}
    a, b = Samples(layout, config, EXAMINED).tensors(config, on)
    return measure(nets, a, b, record_of(config.method).draws_pairs)


def sheet(nets: Mapping[str, nn.Module], a: Tensor, b: Tensor) -> list[Tensor]:
    """A sheet's columns."""
    fake_b = one_by_one(nets["ab"], a)
    if "ba" not in nets:
        return [a, fake_b, b]
    fake_a = one_by_one(nets["ba"], b)
    return [a, fake_b, one_by_one(nets["ba"], fake_b), b, fake_a, one_by_one(nets["ab"], fake_a)]


def _pick(source: ImageFolder, data: DataConfig, kind: PixelFormat, probes: int) -> np.ndarray:
    # A broken file was reported when the folder was read.
    crops = [fit_and_crop(pixels, data) for pixels in some_images(source, kind, probes)]
    expected = f"readable images to draw samples from in {source.folder}"
    require(len(crops) > 0, expected, "none", "add some, or remove the folder")
    return np.stack(crops)
