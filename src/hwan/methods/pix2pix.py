"""pix2pix (Isola et al. 2017): it learns from pairs, against a discriminator that sees input and output.

G* = arg min_G max_D L_cGAN(G, D) + lambda L_L1(G)                                  (equation 4)

The discriminator is updated first, from images made before it, as in the reference code.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from hwan.config import Config
from hwan.methods.adversarial import OneWay
from hwan.methods.base import Images, Losses, OptimizerGroup
from hwan.methods.losses import l1


class Pix2Pix(OneWay):
    """``generator_ab``, and ``adversarial_b`` on A and B stacked: (B, channels of A + B, H, W). With
    ``data.hints`` those of A are followed by its hints' four."""

    def __init__(self, config: Config) -> None:
        super().__init__(config, condition=config.data.inputs_a)
        generators = OptimizerGroup("generators", (self.generator_ab,), self.generator_loss)
        self.groups = (self.discriminators_group, generators)

    def forward(
        self, real_a: Float[Tensor, "b ca h w"], real_b: Float[Tensor, "b cb h w"]
    ) -> Images:
        """``fake_b`` and its truth ``real_b``."""
        return {"real_a": real_a, "fake_b": self.generator_ab(real_a), "real_b": real_b}

    def generator_loss(self, images: Images) -> Losses:
        """The generator's objective: equation 4. Weight 0 leaves a part out (the paper's table 1)."""
        stacked = torch.cat([images["real_a"], images["fake_b"]], 1)
        losses = {"l1_b": self.loss.l1 * l1(images["fake_b"], images["real_b"])}
        if self.loss.adversarial:
            losses["gan_ab"] = self.loss.adversarial * self.adversarial_b.generator_loss(stacked)
        return losses

    def discriminator_loss(self, images: Images) -> Losses:
        """The discriminator's objective."""
        real = torch.cat([images["real_a"], images["real_b"]], 1)
        fake = torch.cat([images["real_a"], images["fake_b"]], 1)
        return self.adversarial_b.discriminator_loss(real, fake, "b")
