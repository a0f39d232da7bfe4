"""The history of generated images (Shrivastava et al. 2017, section 2.3; CycleGAN, section 4)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Pool(nn.Module):
    """Keeps up to ``size`` generated images and shows the discriminator a mix of old and new.

    While it fills, images pass through. Then each incoming image is, with probability 1/2, exchanged
    for a kept one drawn at random, and else passes through without being kept: the reference code's
    rule (Shrivastava et al. replace half of every mini-batch). Size 0 passes all through.
    Contents and random state are part of ``state_dict``.

    Draws are made on the host, and the device picks images by the drawn numbers, so that neither waits
    for the other. ``plan`` draws ahead: a CUDA graph (training/steps/cuda_graph.py) replays a step with
    new draws.
    """

    def __init__(self, size: int, seed: int) -> None:
        super().__init__()
        self.size, self.filled = size, 0
        self.random = torch.Generator().manual_seed(seed)
        self.kept: Tensor | None = None  # (size, C, H, W), on the device from the first image on
        # (B, 3): place, whether to keep, whether to exchange
        self.draws = torch.empty(0, 3, dtype=torch.long)
        self.planned = False

    def plan(self, count: int, device: torch.device) -> None:
        """Draw what becomes of the next ``count`` images. ``forward`` does it unless it was done."""
        rows = []
        for _ in range(count):
            if self.filled < self.size:
                rows.append((self.filled, True, False))
                self.filled += 1
            elif torch.rand((), generator=self.random) < 0.5:
                place = int(torch.randint(self.size, (), generator=self.random))
                rows.append((place, True, True))
            else:
                rows.append((0, False, False))
        if len(self.draws) != count:
            self.draws = torch.empty(count, 3, dtype=torch.long, device=device)
        # Into the memory where a CUDA graph reads it. (CUDA has a copy when the call returns.)
        self.draws.copy_(torch.tensor(rows), non_blocking=device.type == "cuda")
        self.planned = True

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        if self.size == 0:
            return images
        images = images.detach()
        if not self.planned:
            self.plan(len(images), images.device)
        self.planned = False
        if self.kept is None:
            self.kept = images.new_zeros(self.size, *images.shape[1:])
        self.kept = self.kept.to(images)
        shown = []
        # One by one: an image can be exchanged for the one before it.
        for image, draw in zip(images.chunk(len(images)), self.draws, strict=True):
            place, keep, exchange = draw[:1], draw[1] > 0, draw[2] > 0
            old = self.kept.index_select(0, place)
            shown.append(torch.where(exchange, old, image))
            self.kept.index_copy_(0, place, torch.where(keep, image, old))
        return torch.cat(shown)

    def get_extra_state(self) -> dict[str, Any]:
        kept = [] if self.kept is None else [image.clone() for image in self.kept[: self.filled]]
        return {"kept": kept, "random": self.random.get_state()}

    def set_extra_state(self, state: Any) -> None:
        kept = state["kept"]
        if len(kept) > self.size:
            raise ValueError(f"{len(kept)} images were in the pool, and train.pool is {self.size}")
        self.filled, self.kept = len(kept), None
        if kept:
            self.kept = kept[0].new_zeros(self.size, *kept[0].shape)
            self.kept[: self.filled] = torch.stack(kept)
        self.random.set_state(state["random"].cpu())
