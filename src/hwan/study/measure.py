"""What the claims measure, on networks and on finished trainings. Ranges as everywhere: [-1, 1]."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hwan.config import Config
from hwan.data.augment import fit_and_crop
from hwan.data.folders import list_images, locate
from hwan.evaluation.source import DirectionData, direction_data
from hwan.evaluation.training_sections import grouped_losses, read_log
from hwan.imaging.pixels import RGB, Pixels, for_display, grid, to_pixels, to_tensor
from hwan.methods.losses import logits_of
from hwan.metrics import pairwise
from hwan.metrics.health import diversity
from hwan.nets import build_generator
from hwan.nets.folder import load_generator
from hwan.nets.initial import initialise
from hwan.study.claim import Cell

SHOWN = 6  # pictures side by side in a row of a claim's grid


@dataclass(frozen=True)
class Outputs:
    """Test images through a trained generator, (N, C, H, W): what it read, made, and should have made,
    the way back, and the real pictures of the target domain."""

    real: Tensor
    fake: Tensor
    truth: Tensor | None
    back: Tensor | None
    target: Tensor


@torch.no_grad()
def outputs(cell: Cell, direction: str = "ab") -> Outputs:
    """The cell's test images, each translated by itself (cropped to a size the networks take)."""

    def translated(images: Tensor, direction: str) -> Tensor:
        net = trained(cell, direction)
        return torch.cat([net(image[None].to(cell.device)) for image in images]).cpu()

    real, truth = held_out(cell, direction), held_out_truths(cell, direction)
    fake = translated(real, direction)
    if len(cell.config.directions) == 1:
        # The other test folder is not read: the truth stands for the real pictures.
        return Outputs(real, fake, truth, None, fake if truth is None else truth)
    other = direction[::-1]
    return Outputs(real, fake, truth, translated(fake, other), held_out(cell, other))


def held_out(cell: Cell, direction: str = "ab") -> Tensor:
    """What ``direction`` is tested on, (N, C, H, W)."""
    side, names = _side(cell, direction)
    return stacked([fit_and_crop(side.read(name), cell.config.data) for name in names])


def held_out_truths(cell: Cell, direction: str = "ab") -> Tensor | None:
    """What they should become, where that is known of all of them."""
    side, names = _side(cell, direction)
    truths = [side.truth_of(name) for name in names]
    known = [fit_and_crop(truth, cell.config.data) for truth in truths if truth is not None]
    return stacked(known) if len(known) == len(names) else None


def _side(cell: Cell, direction: str) -> tuple[DirectionData, list[Path]]:
    assert cell.data is not None
    layout = locate(cell.data, cell.config.data.pairs, cell.config.data.swap)
    side = next(s for s in direction_data(layout, cell.config) if s.direction == direction)
    files = list_images(side.test.folder)[: cell.scale.test]
    return side, [file.relative_to(side.test.folder) for file in files]


def trained(cell: Cell, direction: str = "ab") -> nn.Module:
    """The cell's trained generator, as it translates."""
    assert cell.run is not None
    net, _ = load_generator(cell.run / f"generator_{direction}")
    return net.to(cell.device).eval()


def untrained(config: Config, seed: int) -> nn.Module:
    """The generator of ``config`` with its first weights, in training mode."""
    net = build_generator(config.generator, config.data.channels_a, config.data.channels_b)
    initialise(net, config.generator, torch.Generator().manual_seed(seed))
    return net


def pictures(cell: Cell, count: int) -> Tensor:
    """``count`` pictures of the hills by day at the cell's size, (N, 3, H, W): for what needs an input
    and no training."""
    from hwan.data.scenes import hills

    size = cell.scale.size
    return stacked([hills(1000 * cell.seed + n, size, False) for n in range(count)])


def against_truth(found: Outputs) -> dict[str, float]:
    """SSIM and L1 where the truth is known, the cycle's L1 where there is a way back, diversity."""
    values = {"diversity": diversity(found.fake, found.target)}
    if found.truth is not None:
        values["SSIM"] = float(pairwise.ssim(found.fake, found.truth).mean())
        values["L1"] = float(pairwise.l1(found.fake, found.truth).mean())
    if found.back is not None:
        values["cycle L1"] = float(pairwise.l1(found.back, found.real).mean())
    return values


def recognised(fake: Tensor, truth: Tensor) -> float:
    """The share of outputs (N, C, H, W) that are nearer (L1) to their own truth than to any other's."""
    near = torch.cdist(fake.flatten(1), truth.flatten(1), p=1).argmin(1)
    return float((near == torch.arange(len(fake))).float().mean())


def chroma(images: Tensor) -> float:
    """How strong the colours of (N, 3, H, W) are: the strongest channel less the weakest, mean over the
    pixels, share of the range (0: grey)."""
    return float((images.amax(1) - images.amin(1)).mean() / 2)


def sharpness(images: Tensor) -> float:
    """The mean absolute difference of neighbouring pixels of (N, C, H, W)."""
    across, down = images.diff(dim=3).abs().mean(), images.diff(dim=2).abs().mean()
    return float((across + down) / 2)


def edges(fake: Tensor, truth: Tensor) -> float:
    """The correlation of neighbouring pixels' differences in output and truth: 1 for the same edges in the
    same places, 0 for edges that have nothing to do with them."""

    def steps(images: Tensor) -> Tensor:
        return torch.cat([images.diff(dim=3).flatten(), images.diff(dim=2).flatten()])

    return float(torch.corrcoef(torch.stack([steps(fake), steps(truth)]))[0, 1])


@torch.no_grad()
def mean_logit(discriminator: nn.Module, images: Tensor) -> float:
    """The discriminator's mean output on (N, C, H, W); each of its scales counts the same."""
    return float(torch.stack([p.mean() for p in logits_of(discriminator(images))]).mean())


def row(found: Outputs) -> dict[str, Pixels]:
    """The first test images side by side: input, output, way back, truth."""
    columns: Mapping[str, Tensor | None] = {
        "input": found.real, "output": found.fake, "and back": found.back, "truth": found.truth,
    }  # fmt: skip
    return {name: strip(images) for name, images in columns.items() if images is not None}


def strip(images: Tensor, count: int = SHOWN) -> Pixels:
    """The first images of (N, C, H, W) in [-1, 1] side by side."""
    return grid([[for_display(cell, RGB) for cell in to_pixels(images[:count])]])


def by_distance(error: Tensor) -> list[float]:
    """The mean of (N, C, H, W) at each distance from the border, from 0 to the middle."""
    height, width = error.shape[2:]
    y, x = torch.arange(height)[:, None], torch.arange(width)[None]
    distance = torch.minimum(torch.minimum(y, height - 1 - y), torch.minimum(x, width - 1 - x))
    plane = error.mean((0, 1))
    return [float(plane[distance == d].mean()) for d in range(int(distance.max()) + 1)]


def phases(images: Tensor, period: int) -> float:
    """How unlike the places within every cell of ``period`` by ``period`` pixels are: the standard
    deviation over the places of each picture's mean there, share of the range, mean over (N, C, H, W)."""
    count, channels, height, width = images.shape
    cells = images.reshape(count, channels, height // period, period, width // period, period)
    return float(cells.mean((2, 4)).flatten(2).std(2, correction=0).mean() / 2)


def by_frequency(images: Tensor) -> tuple[tuple[float, float], ...]:
    """(cycles a pixel, mean amplitude) of the rows and columns of (N, C, H, W) with even, equal sides."""
    size = images.shape[-1]
    lines = torch.cat([images.flatten(0, 2), images.transpose(2, 3).flatten(0, 2)])
    strength = torch.fft.rfft(lines).abs().mean(0) / size
    return tuple((n / size, float(a)) for n, a in enumerate(strength) if n)


def log_lines(run: Path) -> list[dict[str, Any]]:
    """The rows of a run's log, their losses by name alone."""
    return [
        {**row, "losses": dict(ChainMap(*grouped_losses(row["losses"]).values()))}
        for row in read_log(run)
    ]


def stacked(images: Sequence[Pixels]) -> Tensor:
    """Equal-sized pictures as (N, C, H, W) in [-1, 1]."""
    return to_tensor(torch.from_numpy(np.stack(images)))
