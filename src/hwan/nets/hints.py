"""A generator that takes colour hints beside its picture (``hwan.imaging.hints``)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from hwan.config.data import HINT_CHANNELS


class HintInputs(nn.Module):
    """A picture (B, C, H, W) and its hints (B, 4, H, W) in [-1, 1], as the network reads them: the colours
    0 where no hint is, and 1 or 0 for whether there is one. Black would be a colour."""

    def forward(self, image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        there = (image[:, -1:] + 1) / 2
        colours = image[:, -HINT_CHANNELS:-1] * there
        return torch.cat([image[:, :-HINT_CHANNELS], colours, there], 1)


class WithHints(nn.Module):
    """``net`` on a picture and its hints, (B, ``channels`` + 4, H, W) in [-1, 1]. A picture alone, of
    ``channels``, is given empty ones: -1 in all four."""

    def __init__(self, net: nn.Module, channels: int) -> None:
        super().__init__()
        self.inputs, self.net, self.channels = HintInputs(), net, channels

    def forward(self, image: Float[Tensor, "b ci h w"]) -> Float[Tensor, "b co h w"]:
        alone = image.shape[1] == self.channels
        out: Tensor = self.net(self.inputs(self.with_none(image) if alone else image))
        return out

    @staticmethod
    def with_none(image: Float[Tensor, "b ci h w"]) -> Float[Tensor, "b cj h w"]:
        """A picture with empty hints."""
        return pad(image, (0, 0, 0, 0, 0, HINT_CHANNELS), value=-1.0)
