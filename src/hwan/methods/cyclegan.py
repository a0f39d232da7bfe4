"""CycleGAN (Zhu et al. 2017): two generators, two discriminators, and the way back.

    L(G, F, D_A, D_B) = L_GAN(G, D_B) + L_GAN(F, D_A) + lambda L_cyc(G, F)          (equation 3)

plus the identity loss of section 5.2. The generators are updated first and the discriminators then,
from the images made before the generators' update, as in the reference code.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hwan.config import Config
from hwan.methods.adversarial import AdversarialLoss
from hwan.methods.base import Images, Losses, OptimizerGroup, new_generator, one_call
from hwan.methods.losses import l1

HALVES = (
    ("real_a", "fake_b", "rec_a", "idt_a", "paired_fake_b", "paired_real_b"),
    ("real_b", "fake_a", "rec_b", "idt_b", "paired_fake_a", "paired_real_a"),
)
"""The images of either half of the objective: those made from one domain, and what each is compared with."""


class CycleGAN(nn.Module):
    """``generator_ab`` (G: A -> B), ``generator_ba`` (F: B -> A); ``adversarial_b`` judges domain B.

    (The reference code calls the discriminator that judges B "D_A", because it faces G_A.)
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        a, b = config.data.channels_a, config.data.channels_b
        self.loss = config.loss
        self.batched = config.speed.batched and config.generator.per_sample
        seed = config.train.seed
        weights = torch.Generator().manual_seed(seed)
        self.generator_ab = new_generator(config, "ab", weights)
        self.generator_ba = new_generator(config, "ba", weights)
        self.generators = {"generator_ab": self.generator_ab, "generator_ba": self.generator_ba}
        self.adversarial_a = AdversarialLoss(config, a, seed, weights)
        self.adversarial_b = AdversarialLoss(config, b, seed + 1, weights)
        discriminators = (self.adversarial_a.discriminator, self.adversarial_b.discriminator)
        self.groups = (
            OptimizerGroup(
                "generators",
                (self.generator_ab, self.generator_ba),
                self.generator_loss,
                True,
                HALVES,
            ),
            OptimizerGroup(
                "discriminators",
                discriminators,
                self.discriminator_loss,
                False,
                (("real_a", "fake_a"), ("real_b", "fake_b")),
            ),
        )

    def forward(
        self,
        real_a: Float[Tensor, "b ca h w"],
        real_b: Float[Tensor, "b cb h w"],
        paired_real_a: Float[Tensor, "b ca h w"] | None = None,
        paired_real_b: Float[Tensor, "b cb h w"] | None = None,
    ) -> Images:
        """Every image of a step, from real ones in [-1, 1]; ``idt_*`` only where identity is on, and
        ``paired_fake_*`` beside their truth ``paired_real_*`` only in semi-paired training."""
        pairs = (
            () if paired_real_a is None or paired_real_b is None else (paired_real_a, paired_real_b)
        )
        if self.batched:
            return self.forward_cycle("a", real_a, *pairs[:1]) | self.forward_cycle(
                "b", real_b, *pairs[1:]
            )
        fake_b, fake_a = self.generator_ab(real_a), self.generator_ba(real_b)
        images = {
            "real_a": real_a,
            "fake_b": fake_b,
            "rec_a": self.generator_ba(self._undone(fake_b)),
            "real_b": real_b,
            "fake_a": fake_a,
            "rec_b": self.generator_ab(self._undone(fake_a)),
        }
        if self.loss.identity and self.training:
            images |= {"idt_a": self.generator_ba(real_a), "idt_b": self.generator_ab(real_b)}
        if pairs:
            images |= {"paired_real_a": pairs[0], "paired_fake_b": self.generator_ab(pairs[0])}
            images |= {"paired_real_b": pairs[1], "paired_fake_a": self.generator_ba(pairs[1])}
        return images

    def forward_cycle(self, domain: str, real: Tensor, pair: Tensor | None = None) -> Images:
        """The images that begin in ``domain`` ("a" or "b"), two calls of each generator in all.

        The objective is a sum of two such halves, which share nothing but weights.
        """
        other = {"a": "b", "b": "a"}[domain]
        there, back = self.generator_ab, self.generator_ba
        if domain == "b":
            there, back = back, there
        pairs = () if pair is None else (pair,)
        fake, *made = one_call(there, real, *pairs)
        identity = (real,) if self.loss.identity and self.training else ()
        rec, *idt = one_call(back, self._undone(fake), *identity)
        images = {f"real_{domain}": real, f"fake_{other}": fake, f"rec_{domain}": rec}
        if idt:
            images[f"idt_{domain}"] = idt[0]
        if pair is not None:
            images |= {f"paired_real_{domain}": pair, f"paired_fake_{other}": made[0]}
        return images

    def _undone(self, fake: Tensor) -> Tensor:
        # The paper's cycle loss teaches both generators on its way. The Keras example (keras.io,
        # "CycleGAN") gives G only the gradient of |G(F(y)) - y| and F only that of |F(G(x)) - x|:
        # each has to undo the other, and neither to stay undoable. That is to stop in between.
        return fake.detach() if self.loss.partial_cycle else fake

    def generator_loss(self, images: Images) -> Losses:
        """The generators' objective, or as much of it as ``images`` has the images for."""
        weights, losses = self.loss, {}
        if "fake_b" in images:
            losses["gan_ab"] = self.adversarial_b.generator_loss(images["fake_b"])
        if "fake_a" in images:
            losses["gan_ba"] = self.adversarial_a.generator_loss(images["fake_a"])
        for domain, weight in (("a", weights.cycle_a), ("b", weights.cycle_b)):
            if f"rec_{domain}" in images:
                error = l1(images[f"rec_{domain}"], images[f"real_{domain}"])
                losses[f"cycle_{domain}"] = weight * error
        for domain, weight in (("a", weights.cycle_a), ("b", weights.cycle_b)):
            if f"idt_{domain}" in images:
                error = l1(images[f"idt_{domain}"], images[f"real_{domain}"])
                losses[f"identity_{domain}"] = weights.identity * weight * error
        for domain in "ab":
            if f"paired_fake_{domain}" in images:
                error = l1(images[f"paired_fake_{domain}"], images[f"paired_real_{domain}"])
                losses[f"paired_{domain}"] = weights.paired * error
        return losses

    def discriminator_loss(self, images: Images) -> Losses:
        """The discriminators' objective, on a mix of this step's fakes and the pool's; of a domain
        alone where ``images`` has only that."""
        losses: Losses = {}
        for domain, adversarial in (("a", self.adversarial_a), ("b", self.adversarial_b)):
            if f"fake_{domain}" in images:
                real, fake = images[f"real_{domain}"], images[f"fake_{domain}"]
                losses |= adversarial.discriminator_loss(real, fake, domain)
        return losses
