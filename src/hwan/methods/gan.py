"""The one-way GAN (Goodfellow et al. 2014), its generator reading images: CycleGAN without a way back.

Nothing ties the output to the input, which is what the cycle is for; kept as recipe and as control.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from hwan.config import Config
from hwan.methods.adversarial import OneWay
from hwan.methods.base import Images, Losses, OptimizerGroup, translated
from hwan.methods.losses import l1, outside


class GAN(OneWay):
    """``generator_ab`` against ``adversarial_b``; the generator is updated first, as in CycleGAN."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        generators = OptimizerGroup("generators", (self.generator_ab,), self.generator_loss)
        self.groups = (generators, self.discriminators_group)

    def forward(
        self, real_a: Float[Tensor, "b ca h w"], real_b: Float[Tensor, "b cb h w"]
    ) -> Images:
        """``fake_b``, and ``idt_b`` where the identity loss is on."""
        inputs = {"fake_b": real_a}
        if self.loss.identity and self.training:
            inputs["idt_b"] = real_b
        made = translated(self.generator_ab, inputs, self.batched)
        return {"real_a": real_a, "real_b": real_b, **made}

    def generator_loss(self, images: Images) -> Losses:
        """The generator's objective. The identity weight is a share of ``cycle_b``, as in CycleGAN."""
        losses = {"gan_ab": self.adversarial_b.generator_loss(images["fake_b"])}
        if self.loss.identity:
            weight = self.loss.identity * self.loss.cycle_b
            losses["identity_b"] = weight * l1(images["idt_b"], images["real_b"])
        if self.loss.outside:
            changed = outside(images["fake_b"], images["real_a"], images["mask_a"])
            losses["outside_a"] = self.loss.outside * changed
        return losses
