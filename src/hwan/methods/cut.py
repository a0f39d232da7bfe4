"""CUT and FastCUT (Park et al. 2020): one way, and a patch of the output resembles the patch of the input
at its place more than other patches of the input.

L_GAN(G, D) + lambda_X L_PatchNCE(G, H, X) + lambda_Y L_PatchNCE(G, H, Y)           (equation 5)

The discriminator is updated first, as in the authors' code.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hwan.config import Config
from hwan.methods.adversarial import OneWay
from hwan.methods.base import Images, Losses, OptimizerGroup, translated
from hwan.methods.losses import patch_nce
from hwan.nets.resnet import contrastive_layers, features
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
            # The authors' code: N(0, 0.02), biases 0.
            if weight.ndim == 2:
                nn.init.normal_(weight, 0.0, 0.02, generator=self.random)
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


class CUT(OneWay):
    """``generator_ab`` whose first half also reads the patches, ``projections``, ``adversarial_b``."""

    def __init__(self, config: Config) -> None:
        super().__init__(config, config.data.channels_b)
        self.layers = contrastive_layers(config.generator)
        blank = torch.zeros(2, config.data.channels_a, config.data.size, config.data.size)
        self.generator_ab.eval()  # so that this call leaves running statistics as they are
        with torch.no_grad():
            channels = [f.shape[1] for f in features(self.generator_ab, blank, self.layers)]
        self.generator_ab.train()
        self.projections = Projections(channels, config.loss.nce_patches, config.train.seed + 1)
        networks = (self.generator_ab, self.projections)
        generators = OptimizerGroup("generators", networks, self.generator_loss)
        self.groups = (self.discriminators, generators)

    def forward(
        self, real_a: Float[Tensor, "b ca h w"], real_b: Float[Tensor, "b cb h w"]
    ) -> Images:
        """``fake_b``, and ``idt_b`` where CUT's identity term is on."""
        images, inputs = {"real_a": real_a, "real_b": real_b}, {"fake_b": real_a}
        mirrors, random = self.loss.flip_equivariance and self.training, self.projections.random
        if mirrors and torch.rand((), generator=random) < 0.5:
            # A mirrored input should give the mirrored output: the patches are compared mirrored back.
            images["mirrored"] = torch.ones((), dtype=torch.bool)
            inputs["fake_b"] = real_a.flip(3)
        if self.loss.nce_identity and self.training:
            inputs["idt_b"] = real_b
        return images | translated(self.generator_ab, inputs, self.batched)

    def generator_loss(self, images: Images) -> Losses:
        """The generator's objective: equation 5. With the identity term the two contrastive losses are
        averaged, as in the authors' code; the paper adds them."""
        share = self.loss.nce * (0.5 if self.loss.nce_identity else 1.0)
        mirrored = "mirrored" in images  # drawn in the forward pass
        losses = {
            "gan_ab": self.adversarial_b.generator_loss(images["fake_b"]),
            "nce_a": share * self.contrast(images["real_a"], images["fake_b"], mirrored),
        }
        if self.loss.nce_identity:
            losses["nce_b"] = share * self.contrast(images["real_b"], images["idt_b"])
        return losses

    def contrast(self, source: Tensor, output: Tensor, mirrored: bool = False) -> Tensor:
        """PatchNCE (equations 3 and 4), averaged over the layers."""
        of_output = features(self.generator_ab, output, self.layers)
        if mirrored:
            of_output = [layer.flip(3) for layer in of_output]
        with torch.no_grad():  # as in the authors' code no gradient runs into the keys
            of_source = features(self.generator_ab, source, self.layers)
            places = self.projections.draw(of_source)
            keys = self.projections(of_source, places)
        queries = self.projections(of_output, places)
        each = [patch_nce(q, k) for q, k in zip(queries, keys, strict=True)]
        return torch.stack(each).mean()
