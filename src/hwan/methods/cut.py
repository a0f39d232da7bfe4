"""CUT and FastCUT (Park et al. 2020): one way, and a patch of the output resembles the patch of the input
at its place more than other patches of the input.

L_GAN(G, D) + lambda_X L_PatchNCE(G, H, X) + lambda_Y L_PatchNCE(G, H, Y)           (equation 5)

The discriminator is updated first, as in the authors' code.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from hwan.config import Config
from hwan.methods.adversarial import OneWay
from hwan.methods.base import Images, Losses, OptimizerGroup, translated
from hwan.methods.contrast import Encoder, contrast, projections
from hwan.methods.losses import outside
from hwan.nets.resnet import contrastive_layers


class CUT(OneWay):
    """``generator_ab`` whose first half also reads the patches, ``projections``, ``adversarial_b``."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        layers, channels = contrastive_layers(config.generator), config.data.channels_a
        seed = config.train.seed + 1
        self.projections = projections(config, self.generator_ab, channels, layers, seed)
        self.encoder = Encoder(self.generator_ab, layers, self.projections)
        networks = (self.generator_ab, self.projections)
        generators = OptimizerGroup("generators", networks, self.generator_loss)
        self.groups = (self.discriminators_group, generators)

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
        if self.loss.outside:
            fake = images["fake_b"].flip(3) if mirrored else images["fake_b"]
            changed = outside(fake, images["real_a"], images["mask_a"])
            losses["outside_a"] = self.loss.outside * changed
        return losses

    def contrast(self, source: Tensor, output: Tensor, mirrored: bool = False) -> Tensor:
        """One encoder sees both."""
        return contrast(source, output, self.encoder, self.encoder, mirrored)
