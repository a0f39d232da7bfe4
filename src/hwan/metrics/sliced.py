"""The sliced Wasserstein distance between patches of two sets of pictures: needs no network.

Karras et al. 2018 (Progressive Growing of GANs), section 5: 7x7 patches of every level of a Laplacian
pyramid, compared along random lines, where the Wasserstein distance is the mean gap of sorted values.
Coarse levels tell of colour and layout, fine ones of texture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, normalize, pad

from hwan.errors import require

COARSEST = 16
PATCH = 7
PATCHES = 8192
LINES = 256

Patches = dict[int, Tensor]
"""Patches (P, D) of each pyramid level, by the level's side in pixels: PATCHES of them from all pictures."""


@dataclass(frozen=True)
class Reference:
    """The real pictures' patches at a level, along each line, sorted; ``mean`` and ``sd`` of each
    channel normalise both sets."""

    lines: Float[Tensor, "d l"]
    sorted: Float[Tensor, "p l"]
    mean: Float[Tensor, " d"]
    sd: Float[Tensor, " d"]


def levels(side: int) -> tuple[int, ...]:
    """The sides of the pyramid of pictures ``side`` pixels wide (a power of two), the finest first."""
    return tuple(s for s in (256, 128, 64, 32, 16) if s <= side)


def patches(picture: Float[Tensor, "c s s"], number: int, count: int) -> Patches:
    """The patches of picture ``number`` of ``count``, square, in [-1, 1]: its share of PATCHES.

    The places are drawn by a fixed seed and the picture's number, so two sets of one count are looked
    at in the same places. Raises ``UsageError`` for a picture under 16 pixels.
    """
    side, fix = picture.shape[1], "leave the sliced Wasserstein distance out"
    require(side >= COARSEST, f"pictures at least {COARSEST} pixels wide", side, fix)
    some = PATCHES * (number + 1) // count - PATCHES * number // count
    found = {}
    for level in _pyramid(picture[None]):
        side = level.shape[3]
        draw = torch.Generator().manual_seed(1_000_003 * side + number)
        corners = torch.randint(side - PATCH + 1, (some, 2), generator=draw)
        windows = level[0].unfold(1, PATCH, 1).unfold(2, PATCH, 1)  # (C, y, x, 7, 7)
        found[side] = windows[:, corners[:, 0], corners[:, 1]].transpose(0, 1).flatten(1)
    return found


def join(parts: Sequence[Patches]) -> Patches:
    """The patches of a whole set, from those of its pictures."""
    return {side: torch.cat([part[side] for part in parts]) for side in parts[0]}


def _pyramid(x: Tensor) -> list[Tensor]:
    """Laplacian pyramid (Burt and Adelson 1983) of (1, C, S, S): details from S down, 16 pixels last."""
    line = torch.tensor([1.0, 4, 6, 4, 1]) / 16
    window = (line[:, None] * line).expand(x.shape[1], 1, 5, 5)
    parts = []
    while x.shape[3] > COARSEST:
        blurred = conv2d(pad(x, (2, 2, 2, 2), mode="reflect"), window, groups=x.shape[1])
        small = blurred[:, :, ::2, ::2]
        parts.append(x - interpolate(small, scale_factor=2, mode="bilinear", align_corners=False))
        x = small
    return [*parts, x]


def reference(reals: Patches, channels: int) -> dict[int, Reference]:
    """What ``sliced`` compares with, of every level of the real pictures.

    The paper's code brings each set to mean 0 and variance 1 by itself, which hides a shift of colour
    or contrast; here the reals' own mean and variance normalise both.
    """
    found = {}
    for side, values in reals.items():
        per_channel = values.view(len(values), channels, PATCH**2)
        mean = per_channel.mean((0, 2)).repeat_interleave(PATCH**2)
        sd = per_channel.std((0, 2)).clamp(min=1e-3).repeat_interleave(PATCH**2)
        draw = torch.Generator().manual_seed(side)
        lines = normalize(torch.randn(values.shape[1], LINES, generator=draw), dim=0)
        found[side] = Reference(lines, _sorted((values - mean) / sd, lines), mean, sd)
    return found


def sliced(outputs: Patches, reals: dict[int, Reference]) -> dict[int, float]:
    """The distance at each level, 0 or more, lower is nearer, in standard deviations of the reals' own
    values. Two samples of one set are not quite at 0: compare with another real sample."""
    return {
        side: float((_sorted((outputs[side] - r.mean) / r.sd, r.lines) - r.sorted).abs().mean())
        for side, r in reals.items()
    }


def _sorted(values: Tensor, lines: Tensor) -> Tensor:
    return (values @ lines).sort(dim=0).values


def side_for(sizes: Sequence[int]) -> int:
    """The pyramid's finest side for pictures whose shorter sides are ``sizes``: the largest level that
    enlarges no more than half of them; 0 where that is none."""
    middle = sorted(sizes)[len(sizes) // 2] if sizes else 0
    return max(levels(middle), default=0)
