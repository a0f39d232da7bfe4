"""Against flicker in a translated video: averaged statistics, and a mean over time along the motion.

Frames that hardly differ can be translated differently for two reasons. A norm over a whole image moves
every pixel when anything in the image changes; its statistics are averaged over the frames (an exponential
mean, as batch norm's running statistics are). And a network magnifies the sensor's noise, and halves the
picture on a fixed grid, over which what moves slides: so the output is a recursive mean over time, along
the camera's motion. The less the *input* changed at a place, the more is averaged there
(motion-compensated and -adaptive temporal filtering; Dubois and Sabri 1984). The motion is one shift of the
whole picture, found by phase correlation (Kuglin and Hines 1975). What moves otherwise is not averaged, so
nothing leaves a ghost.
A cut, seen in the histogram, starts both anew.

Not taken: dense optical flow (a second network with weights of its own, or OpenCV); averaging the output
alone, which smears everything that moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from hwan.inference.tiles import FixedNorm
from hwan.nets.strips import has_own_statistics

MOMENTUM = 0.9  # of the statistics before, at each frame: half of it after 7 frames
OUTPUT_MEMORY = 0.8  # of the output before, where the input did not change
NOISE = 0.03  # of the range: a change of the input by so much leaves 1 / e of the memory
CUT = 0.4  # share of pixels that would have to change their brightness class
Frame: TypeAlias = Float32[
    np.ndarray, "_h _w _c"
]  # in [0, 1]; _: sources and outputs may differ in size


class AveragedNorm(nn.Module):
    """A norm over a whole image, by statistics averaged over the images it saw one after another."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.past: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c h w"]:
        var, mean = torch.var_mean(x[0], (1, 2), correction=0)
        if self.past is not None:
            mean, var = mean.lerp(self.past[0], MOMENTUM), var.lerp(self.past[1], MOMENTUM)
        self.past = mean, var
        out: Tensor = FixedNorm(self.norm, mean.double().cpu(), var.double().cpu(), x)(x)
        return out

    def reset(self) -> None:
        """The next image is the first."""
        self.past = None


def average_statistics(net: nn.Module) -> list[AveragedNorm]:
    """Make every norm of ``net`` that takes an image's own statistics ``AveragedNorm``, in place."""
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if has_own_statistics(child) and not isinstance(parent, AveragedNorm):
                setattr(parent, name, AveragedNorm(child))
    return [norm for norm in net.modules() if isinstance(norm, AveragedNorm)]


@dataclass
class TemporalMean:
    """The mean over time of translated frames, where their sources stay as they are."""

    source: Frame | None = None
    out: Frame | None = None

    def is_cut(self, source: Frame) -> bool:
        """Whether ``source`` begins another scene (or the first)."""
        if self.source is None or self.source.shape != source.shape:
            return True
        before, after = (np.histogram(f.mean(2), 32, (0, 1))[0] for f in (self.source, source))
        return bool(np.abs(before - after).sum() / (2 * after.sum()) > CUT)

    def average(self, source: Frame, out: Frame, fresh: bool) -> Frame:
        """The frame to show for ``out``, made of ``source``."""
        if not fresh and self.out is not None and self.source is not None:
            found = {(0, 0), shift_between(self.source, source)}
            changes = {shift: np.abs(source - shifted(self.source, *shift)) for shift in found}
            shift = min(changes, key=lambda one: float(changes[one].mean()))
            change = changes[shift].max(2)[None]
            near = avg_pool2d(torch.from_numpy(change), 5, 1, 2, count_include_pad=False)[0].numpy()
            keep = (OUTPUT_MEMORY * np.exp(-((near / NOISE) ** 2))).astype(np.float32)
            keep = keep * shifted(np.ones_like(keep), *shift)  # what came in at the border is new
            out = out + keep[:, :, None] * (shifted(self.out, *shift) - out)
        self.source, self.out = source, out
        return out


def shift_between(
    first: Float32[np.ndarray, "h w c"], second: Float32[np.ndarray, "h w c"]
) -> tuple[int, int]:
    """(down, right): the whole pixels by which ``second`` shows ``first`` moved, if it does (Kuglin and
    Hines 1975)."""
    height, width, _ = first.shape
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    one, two = (np.fft.rfft2((i.mean(2) - i.mean()) * window) for i in (first, second))
    cross = two * one.conj()
    peaks = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9), (height, width))
    down, right = divmod(int(peaks.argmax()), width)
    return down - height * (down > height // 2), right - width * (right > width // 2)


def shifted(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """``image`` moved by whole pixels; zeros come in."""
    out = np.zeros_like(image)
    height, width = image.shape[:2]
    out[max(0, down) : height + down, max(0, right) : width + right] = image[
        max(0, -down) : height - down, max(0, -right) : width - right
    ]
    return out
