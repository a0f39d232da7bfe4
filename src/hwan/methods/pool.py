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
    """

    def __init__(self, size: int, seed: int) -> None:
        super().__init__()
        self.size = size
        self.kept: list[Tensor] = []
        self.random = torch.Generator().manual_seed(seed)

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        if self.size == 0:
            return images
        shown = []
        for image in images.detach():
            if len(self.kept) < self.size:
                self.kept.append(image.clone())
                shown.append(image)
            elif torch.rand((), generator=self.random) < 0.5:
                i = int(torch.randint(self.size, (), generator=self.random))
                shown.append(self.kept[i])
                self.kept[i] = image.clone()
            else:
                shown.append(image)
        return torch.stack(shown)

    def get_extra_state(self) -> dict[str, Any]:
        return {"kept": list(self.kept), "random": self.random.get_state()}

    def set_extra_state(self, state: Any) -> None:
        self.kept = list(state["kept"])
        self.random.set_state(state["random"].cpu())
