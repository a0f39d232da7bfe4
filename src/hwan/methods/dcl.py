"""DCLGAN (Han et al. 2021, "Dual Contrastive Learning for Unsupervised Image-to-Image Translation"): both
ways, and in place of a cycle each patch of the output resembles the patch of the input at its place.

lambda_GAN (L_GAN(G, D_Y) + L_GAN(F, D_X)) + lambda_NCE (L_NCE_X(G) + L_NCE_Y(F)) + lambda_idt L_idt(G, F)

CUT sees input and output by one encoder; here that of G sees X and that of F sees Y, each with its own
projections, since two domains need not look alike. The discriminators are updated first, as in the authors'
code. That halves the generators' objective (Adam does not notice), and updates the projections by an Adam of
their own (1e-3, 0.9, 0.999); here they are updated with the generators.
"""

from __future__ import annotations

from functools import partial

from jaxtyping import Float
from torch import Tensor

from hwan.config import Config
from hwan.methods.adversarial import OTHER, TwoWay
from hwan.methods.base import Half, Images, Losses, OptimizerGroup
from hwan.methods.contrast import Encoder, contrast, projections
from hwan.methods.losses import l1, outside
from hwan.nets.resnet import contrastive_layers


class DCL(TwoWay):
    """Two generators, whose first halves also read patches of A and of B by ``projections_a`` and
    ``projections_b``; and an adversarial loss a domain."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        seed, data = config.train.seed, config.data
        # Without the image itself, which CUT compares too.
        layers = contrastive_layers(config.generator)[1:]
        both = (self.generator_ab, data.channels_a), (self.generator_ba, data.channels_b)
        self.projections_a, self.projections_b = (
            projections(config, net, channels, layers, seed + 2 + i)
            for i, (net, channels) in enumerate(both)
        )
        self.encoders = {
            "a": Encoder(self.generator_ab, layers, self.projections_a),
            "b": Encoder(self.generator_ba, layers, self.projections_b),
        }
        networks = self.generator_ab, self.generator_ba, self.projections_a, self.projections_b
        halves = self.generators_half("a"), self.generators_half("b")
        self.groups = self.discriminators_group, OptimizerGroup("generators", networks, halves)

    def forward(
        self,
        real_a: Float[Tensor, "b ca h w"],
        real_b: Float[Tensor, "b cb h w"],
        domains: tuple[str, ...] = ("a", "b"),
    ) -> Images:
        """Of each of ``domains`` the translation, and while training what its own generator gives back."""
        both = {"a": real_a, "b": real_b}
        images = {f"real_{domain}": both[domain] for domain in domains}
        for domain in domains:
            other = OTHER[domain]
            there, back = f"generator_{domain}{other}", f"generator_{other}{domain}"
            images[f"fake_{other}"] = self.generators[there](both[domain])
            if self.loss.identity and self.training:
                images[f"idt_{domain}"] = self.generators[back](both[domain])
        return images

    def generators_half(self, domain: str) -> Half:
        """The generators' objective for the images that begin in ``domain``."""
        images = [f"real_{domain}", f"fake_{OTHER[domain]}"]
        images += [f"idt_{domain}"] if self.loss.identity else []
        images += [f"mask_{domain}"] if self.loss.outside else []
        return Half(tuple(images), partial(self.generator_loss, domain))

    def generator_loss(self, domain: str, images: Images) -> Losses:
        """The adversarial loss, the contrast (equation 4) and the identity loss (equation 6)."""
        other, real = OTHER[domain], images[f"real_{domain}"]
        fake = images[f"fake_{other}"]
        between = contrast(real, fake, self.encoders[domain], self.encoders[other])
        losses = {
            f"gan_{domain}{other}": self.adversarial[other].generator_loss(fake),
            f"nce_{domain}": self.loss.nce * between,
        }
        if self.loss.identity:
            losses[f"identity_{domain}"] = self.loss.identity * l1(images[f"idt_{domain}"], real)
        if self.loss.outside:
            changed = outside(fake, real, images[f"mask_{domain}"])
            losses[f"outside_{domain}"] = self.loss.outside * changed
        return losses
