"""PatchNCE between what networks see of a picture and of its translation (Park et al. 2020, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hwan.config import Config
from hwan.methods.losses import patch_nce
from hwan.nets.resnet import features
from hwan.runtime import sent

EMBEDDING = 256  # width of the two-layer projections, as in the paper (appendix C)


class Projections(nn.Module):
    """H of the paper: a two-layer perceptron for each chosen layer's features.

    ``draw`` picks the patches; the draws are part of ``state_dict``.
    """

    def __init__(self, channels: list[int], patches: int, seed: int) -> None:
        super().__init__()
        self.patches = patches
        self.random = torch.Generator().manual_seed(seed)
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(c, EMBEDDING), nn.ReLU(), nn.Linear(EMBEDDING, EMBEDDING))
            for c in channels
        )
        for weight in self.parameters():
            # As the authors' code: Xavier's with gain 0.02, biases 0.
            if weight.ndim == 2:
                nn.init.xavier_normal_(weight, 0.02, generator=self.random)
            else:
                nn.init.zeros_(weight)

    def draw(self, layers: list[Tensor]) -> list[Tensor]:
        """Places (N,) in each layer (B, C, H, W), the same for every image of the batch."""
        sizes = (layer.shape[2] * layer.shape[3] for layer in layers)
        orders = (torch.randperm(size, generator=self.random) for size in sizes)
        return [sent(order[: self.patches], layers[0].device) for order in orders]

    def forward(self, layers: list[Tensor], places: list[Tensor]) -> list[Tensor]:
        """Vectors (B, N, EMBEDDING) at the drawn places of each layer."""
        return [
            head(layer.flatten(2)[:, :, where].transpose(1, 2))
            for head, layer, where in zip(self.heads, layers, places, strict=True)
        ]

    def get_extra_state(self) -> dict[str, Any]:
        return {"random": self.random.get_state()}

    def set_extra_state(self, state: Any) -> None:
        self.random.set_state(state["random"].cpu())


@dataclass(frozen=True)
class Encoder:
    """The first half of a generator, up to the last of ``layers``, and what projects their features."""

    generator: nn.Module
    layers: Sequence[int]
    projections: Projections


def projections(
    config: Config, generator: nn.Module, channels: int, layers: Sequence[int], seed: int
) -> Projections:
    """New projections for ``layers`` of ``generator``, which takes images of ``channels``."""
    blank = torch.zeros(2, channels, config.data.size, config.data.size)
    generator.eval()  # so that this call leaves running statistics as they are
    with torch.no_grad():
        widths = [found.shape[1] for found in features(generator, blank, layers)]
    generator.train()
    return Projections(widths, config.loss.nce_patches, seed)


def contrast(
    source: Tensor, output: Tensor, of_source: Encoder, of_output: Encoder, mirrored: bool = False
) -> Tensor:
    """PatchNCE (equations 3 and 4), averaged over the layers: each patch of ``output``, as its encoder sees
    it, against the patches of ``source``, as theirs sees them. ``mirrored``: the output's are mirrored."""
    queries = features(of_output.generator, output, of_output.layers)
    if mirrored:
        queries = [layer.flip(3) for layer in queries]
    kind = source.device.type
    # As in the authors' code no gradient runs into the keys. Older versions of torch would let autocast keep
    # the weights it casts here, without their gradients, for what comes after.
    cast = torch.autocast(
        kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind), cache_enabled=False
    )
    with torch.no_grad(), cast:
        layers = features(of_source.generator, source, of_source.layers)
        places = of_source.projections.draw(layers)
        keys = of_source.projections(layers, places)
    losses = [
        patch_nce(query, key)
        for query, key in zip(of_output.projections(queries, places), keys, strict=True)
    ]
    return torch.stack(losses).mean()
