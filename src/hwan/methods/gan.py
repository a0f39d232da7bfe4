"""The one-way GAN (Goodfellow et al. 2014), its generator reading images: CycleGAN without a way back.

Nothing ties the output to the input, which is what the cycle is for; kept as recipe and as control.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hwan.config import Config
from hwan.methods.adversarial import AdversarialLoss
from hwan.methods.base import Images, Losses, OptimizerGroup, new_generator, one_call, one_call_each
from hwan.methods.losses import l1


class GAN(nn.Module):
    """``generator_ab`` against ``adversarial_b``; the generator is updated first, as in CycleGAN."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        weights = torch.Generator().manual_seed(config.train.seed)
        self.loss = config.loss
        self.batched = config.speed.batched and config.generator.per_sample
        self.generator_ab = new_generator(config, "ab", weights)
        self.generators = {"generator_ab": self.generator_ab}
        self.adversarial_b = AdversarialLoss(
            config, config.data.channels_b, config.train.seed, weights
        )
        self.groups = (
            OptimizerGroup(
                "generators", (self.generator_ab,), self.generator_loss, through_generators=True
            ),
            OptimizerGroup(
                "discriminators",
                (self.adversarial_b.discriminator,),
                self.discriminator_loss,
                through_generators=False,
            ),
        )

    def forward(
        self, real_a: Float[Tensor, "b ca h w"], real_b: Float[Tensor, "b cb h w"]
    ) -> Images:
        """``fake_b``, and ``idt_b`` where the identity loss is on."""
        identity = self.loss.identity > 0 and self.training
        asked = (real_a, real_b) if identity else (real_a,)
        call = one_call if self.batched else one_call_each
        fake_b, *more = call(self.generator_ab, *asked)
        images = {"real_a": real_a, "fake_b": fake_b, "real_b": real_b}
        return images | ({"idt_b": more[0]} if identity else {})

    def generator_loss(self, images: Images) -> Losses:
        """The generator's objective. The identity weight is a share of ``cycle_b``, as in CycleGAN."""
        losses = {"gan_ab": self.adversarial_b.generator_loss(images["fake_b"])}
        if self.loss.identity:
            weight = self.loss.identity * self.loss.cycle_b
            losses["identity_b"] = weight * l1(images["idt_b"], images["real_b"])
        return losses

    def discriminator_loss(self, images: Images) -> Losses:
        """The discriminator's objective."""
        return self.adversarial_b.discriminator_loss(images["real_b"], images["fake_b"], "b")
