"""Against flicker in a translated video: steady statistics, and memory where nothing moves.

Frames that hardly differ can be translated differently for two reasons. A norm over a whole image moves
every pixel when anything in the image changes; its statistics are averaged over the frames (an exponential
mean, as batch norm's running statistics are). And noise in the input, which a network trained on pictures
magnifies at will: the output is a recursive mean over time, at each place the more so the less the *input*
changed there (motion-adaptive temporal recursion; Dubois and Sabri 1984, "Noise Reduction in Image
Sequences Using Motion-Compensated Temporal Filtering", without the compensation). What moves is not
averaged, so nothing leaves a ghost. A cut, seen in the histogram, starts both anew.

Not taken: optical flow and warping (a second network with weights of its own, or OpenCV); averaging the
output alone, which smears everything that moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from hwan.tiles import Frozen, whole_image_norm

KEPT = 0.9  # of the statistics before, at each frame: half of it after 7 frames
MEMORY = 0.8  # of the output before, where the input did not change
NOISE = 0.03  # of the range: a change of the input by so much leaves 1 / e of the memory
CUT = 0.4  # share of pixels that would have to change their brightness class


class Steady(nn.Module):
    """A norm over a whole image, by statistics averaged over the images it saw one after another."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.mean: Tensor | None = None
        self.var: Tensor | None = None

    def forward(self, x: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c h w"]:
        var, mean = torch.var_mean(x[0], (1, 2), correction=0)
        if self.mean is not None and self.var is not None:
            mean, var = mean.lerp(self.mean, KEPT), var.lerp(self.var, KEPT)
        self.mean, self.var = mean, var
        out: Tensor = Frozen(self.norm, mean.double().cpu(), var.double().cpu(), x)(x)
        return out

    def forget(self) -> None:
        """The next image is the first."""
        self.mean = self.var = None


def steady(net: nn.Module) -> list[Steady]:
    """Make every norm of ``net`` that takes an image's own statistics ``Steady``, in place."""
    found = []
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if whole_image_norm(child) and not isinstance(parent, Steady):
                setattr(parent, name, Steady(child))
                found.append(getattr(parent, name))
    return found


@dataclass
class Recursion:
    """The mean over time of translated frames, where their sources stay as they are."""

    source: Float32[np.ndarray, "_h _w _c"] | None = None
    out: Float32[np.ndarray, "_y _x _d"] | None = None

    def cut(self, source: Float32[np.ndarray, "_h _w _c"]) -> bool:
        """Whether ``source``, in [0, 1], begins another scene (or the first)."""
        if self.source is None or self.source.shape != source.shape:
            return True
        before, after = (
            np.histogram(frame.mean(2), 32, (0, 1))[0] for frame in (self.source, source)
        )
        return bool(np.abs(before - after).sum() / (2 * after.sum()) > CUT)

    def settle(
        self,
        source: Float32[np.ndarray, "_h _w _c"],
        out: Float32[np.ndarray, "_y _x _d"],
        fresh: bool,
    ) -> Float32[np.ndarray, "_y _x _d"]:
        """The frame to show for ``out``, made of ``source``, both in [0, 1]."""
        if not fresh and self.out is not None and self.source is not None:
            change = np.abs(source - self.source).max(2)[None]
            near = avg_pool2d(torch.from_numpy(change), 5, 1, 2, count_include_pad=False)[0].numpy()
            keep = (MEMORY * np.exp(-((near / NOISE) ** 2)))[:, :, None].astype(np.float32)
            out = out + keep * (self.out - out)
        self.source, self.out = source, out
        return out
