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
from hwan.losses import GAN_OBJECTIVES, l1
from hwan.methods.players import Images, Losses, Player
from hwan.methods.pool import Pool
from hwan.nets import build_discriminator, build_generator
from hwan.nets.initial import initialise


class CycleGAN(nn.Module):
    """``generator_ab`` (G: A -> B), ``generator_ba`` (F: B -> A); ``discriminator_b`` judges domain B.

    (The reference code calls the one that judges B "D_A", because it faces G_A.)
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        a, b = config.data.channels_a, config.data.channels_b
        self.loss = config.loss
        self.gan = GAN_OBJECTIVES[config.loss.gan]
        self.generator_ab = build_generator(config.generator, a, b)
        self.generator_ba = build_generator(config.generator, b, a)
        self.discriminator_a = build_discriminator(config.discriminator, a)
        self.discriminator_b = build_discriminator(config.discriminator, b)
        self.pool_a = Pool(config.train.pool, seed=config.train.seed)
        self.pool_b = Pool(config.train.pool, seed=config.train.seed + 1)
        self.generators = {"generator_ab": self.generator_ab, "generator_ba": self.generator_ba}
        judges = (self.discriminator_a, self.discriminator_b)
        seed = torch.Generator().manual_seed(config.train.seed)
        for nets, shape in (
            (self.generators.values(), config.generator),
            (judges, config.discriminator),
        ):
            for net in nets:
                initialise(net, shape, seed)
        self.players = (
            Player("generators", (self.generator_ab, self.generator_ba), self.fool, generates=True),
            Player("discriminators", judges, self.judge, generates=False),
        )

    def forward(
        self, real_a: Float[Tensor, "b ca h w"], real_b: Float[Tensor, "b cb h w"]
    ) -> Images:
        """Every image of a step, from real ones in [-1, 1]; ``idt_*`` only where identity is on."""
        fake_b = self.generator_ab(real_a)
        fake_a = self.generator_ba(real_b)
        images = {
            "real_a": real_a,
            "fake_b": fake_b,
            "rec_a": self.generator_ba(fake_b),
            "real_b": real_b,
            "fake_a": fake_a,
            "rec_b": self.generator_ab(fake_a),
        }
        if self.loss.identity and self.training:
            images |= {"idt_a": self.generator_ba(real_a), "idt_b": self.generator_ab(real_b)}
        return images

    def fool(self, images: Images) -> Losses:
        """The generators' objective."""
        weights = self.loss
        losses = {
            "gan_ab": self.gan.generator(self.discriminator_b(images["fake_b"])),
            "gan_ba": self.gan.generator(self.discriminator_a(images["fake_a"])),
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
        return losses

    def judge(self, images: Images) -> Losses:
        """The discriminators' objective, on a mix of this step's fakes and the pool's."""
        shown_a, shown_b = (
            self.pool_a(images["fake_a"].detach()),
            self.pool_b(images["fake_b"].detach()),
        )
        return {
            "d_a": self.gan.discriminator(
                self.discriminator_a(images["real_a"]), self.discriminator_a(shown_a)
            ),
            "d_b": self.gan.discriminator(
                self.discriminator_b(images["real_b"]), self.discriminator_b(shown_b)
            ),
        }
