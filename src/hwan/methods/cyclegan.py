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
from hwan.losses import l1
from hwan.methods.adversary import Adversary
from hwan.methods.players import Images, Losses, Player, batched, new_generator


class CycleGAN(nn.Module):
    """``generator_ab`` (G: A -> B), ``generator_ba`` (F: B -> A); ``adversary_b`` judges domain B.

    (The reference code calls the discriminator that judges B "D_A", because it faces G_A.)
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        a, b = config.data.channels_a, config.data.channels_b
        self.loss = config.loss
        self.together = config.speed.batched and config.generator.apart
        seed = config.train.seed
        weights = torch.Generator().manual_seed(seed)
        self.generator_ab = new_generator(config, "ab", weights)
        self.generator_ba = new_generator(config, "ba", weights)
        self.generators = {"generator_ab": self.generator_ab, "generator_ba": self.generator_ba}
        self.adversary_a = Adversary(config, a, seed, weights)
        self.adversary_b = Adversary(config, b, seed + 1, weights)
        judges = (self.adversary_a.discriminator, self.adversary_b.discriminator)
        self.players = (
            Player("generators", (self.generator_ab, self.generator_ba), self.fool, generates=True),
            Player("discriminators", judges, self.judge, generates=False),
        )

    def forward(
        self,
        real_a: Float[Tensor, "b ca h w"],
        real_b: Float[Tensor, "b cb h w"],
        pair_a: Float[Tensor, "b ca h w"] | None = None,
        pair_b: Float[Tensor, "b cb h w"] | None = None,
    ) -> Images:
        """Every image of a step, from real ones in [-1, 1]; ``idt_*`` only where identity is on, and
        ``made_*`` beside their truth ``pair_*`` only in semi-paired training."""
        identity = self.loss.identity > 0 and self.training
        beside_ab, beside_ba = [real_b] * identity, [real_a] * identity
        if pair_a is not None and pair_b is not None:
            beside_ab, beside_ba = [*beside_ab, pair_a], [*beside_ba, pair_b]
        if self.together:
            fake_b, *more_b = batched(self.generator_ab, real_a, *beside_ab)
            fake_a, *more_a = batched(self.generator_ba, real_b, *beside_ba)
        else:
            fake_b, fake_a = self.generator_ab(real_a), self.generator_ba(real_b)
        half_a, half_b = fake_a, fake_b
        if self.loss.partial_cycle:
            # The paper's cycle loss teaches both generators on its way. The Keras example (keras.io,
            # "CycleGAN") gives G only the gradient of |G(F(y)) - y| and F only that of |F(G(x)) - x|:
            # each has to undo the other, and neither to stay undoable. That is to stop in between.
            half_a, half_b = fake_a.detach(), fake_b.detach()
        images = {
            "real_a": real_a,
            "fake_b": fake_b,
            "rec_a": self.generator_ba(half_b),
            "real_b": real_b,
            "fake_a": fake_a,
            "rec_b": self.generator_ab(half_a),
        }
        if not self.together:
            more_b = [self.generator_ab(image) for image in beside_ab]
            more_a = [self.generator_ba(image) for image in beside_ba]
        if identity:
            images |= {"idt_a": more_a.pop(0), "idt_b": more_b.pop(0)}
        if pair_a is not None and pair_b is not None:
            images |= {"pair_a": pair_a, "made_b": more_b.pop(0)}
            images |= {"pair_b": pair_b, "made_a": more_a.pop(0)}
        return images

    def fool(self, images: Images) -> Losses:
        """The generators' objective."""
        weights = self.loss
        losses = {
            "gan_ab": self.adversary_b.fool(images["fake_b"]),
            "gan_ba": self.adversary_a.fool(images["fake_a"]),
            "cycle_a": weights.cycle_a * l1(images["rec_a"], images["real_a"]),
            "cycle_b": weights.cycle_b * l1(images["rec_b"], images["real_b"]),
        }
        if weights.identity:
            scale_a, scale_b = (
                weights.identity * weights.cycle_a,
                weights.identity * weights.cycle_b,
            )
            losses["identity_a"] = scale_a * l1(images["idt_a"], images["real_a"])
            losses["identity_b"] = scale_b * l1(images["idt_b"], images["real_b"])
        if weights.paired:
            losses["paired_a"] = weights.paired * l1(images["made_a"], images["pair_a"])
            losses["paired_b"] = weights.paired * l1(images["made_b"], images["pair_b"])
        return losses

    def judge(self, images: Images) -> Losses:
        """The discriminators' objective, on a mix of this step's fakes and the pool's."""
        return {
            **self.adversary_a.judge(images["real_a"], images["fake_a"], "a"),
            **self.adversary_b.judge(images["real_b"], images["fake_b"], "b"),
        }
