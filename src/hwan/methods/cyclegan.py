"""CycleGAN (Zhu et al. 2017): two generators, two discriminators, and the way back.

    L(G, F, D_A, D_B) = L_GAN(G, D_B) + L_GAN(F, D_A) + lambda L_cyc(G, F)          (equation 3)

plus the identity loss of section 5.2. The generators are updated first and the discriminators then,
from the images made before the generators' update, as in the reference code. An optimizer group's loss
is the sum of those of its two halves. The losses themselves are in methods/adversarial.py (with the
discriminators) and methods/losses.py.
"""

from __future__ import annotations

from functools import partial

from jaxtyping import Float
from torch import Tensor

from hwan.config import Config
from hwan.methods.adversarial import OTHER, TwoWay
from hwan.methods.base import Half, Images, Losses, OptimizerGroup, translated
from hwan.methods.losses import l1, outside


class CycleGAN(TwoWay):
    """``generator_ab``, ``generator_ba``, and an adversarial loss a domain."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        halves = self.generators_half("a"), self.generators_half("b")
        networks = self.generator_ab, self.generator_ba
        # An Adam each, in this order.
        self.groups = OptimizerGroup("generators", networks, halves), self.discriminators_group

    def forward(
        self,
        real_a: Float[Tensor, "b ca h w"],
        real_b: Float[Tensor, "b cb h w"],
        paired_real_a: Float[Tensor, "b ca h w"] | None = None,
        paired_real_b: Float[Tensor, "b cb h w"] | None = None,
        domains: tuple[str, ...] = ("a", "b"),
    ) -> Images:
        """Every image that begins in ``domains``, from real ones in [-1, 1].

        ``idt_*`` only where identity is on, ``paired_fake_*`` only in semi-paired training. Each domain
        takes two calls of a generator: to the other domain (fake, paired fake), and into its own
        (reconstruction, identity); with ``speed.batched`` off, or where a network does not treat
        every image by itself, each image takes a call. ``translated``: {name: network(image)}.
        """
        real = {"a": real_a, "b": real_b}
        pairs = {"a": paired_real_a, "b": paired_real_b}
        images = {f"real_{domain}": real[domain] for domain in domains}
        for domain in domains:
            other = OTHER[domain]
            first = {f"fake_{other}": real[domain]}
            if (pair := pairs[domain]) is not None:
                images[f"paired_real_{domain}"] = first[f"paired_fake_{other}"] = pair
            images |= translated(self.generators[f"generator_{domain}{other}"], first, self.batched)
        for domain in domains:
            other = OTHER[domain]
            fake = images[f"fake_{other}"]
            # The paper's cycle loss teaches both generators on its way. The Keras example (keras.io,
            # "CycleGAN") gives G only the gradient of |G(F(y)) - y| and F only that of |F(G(x)) - x|:
            # each has to undo the other, and neither to stay undoable. That is to stop in between.
            second = {f"rec_{domain}": fake.detach() if self.loss.partial_cycle else fake}
            if self.loss.identity and self.training:
                second[f"idt_{domain}"] = real[domain]
            back = self.generators[f"generator_{other}{domain}"]
            images |= translated(back, second, self.batched)
        return images

    def generators_half(self, domain: str) -> Half:
        """The generators' objective for the images that begin in ``domain``."""
        other, loss = OTHER[domain], self.loss
        images = [f"real_{domain}", f"fake_{other}", f"rec_{domain}"]
        images += [f"idt_{domain}"] if loss.identity else []
        images += [f"paired_fake_{other}", f"paired_real_{other}"] if loss.paired else []
        images += [f"mask_{domain}"] if loss.outside else []
        return Half(tuple(images), partial(self.generator_loss, domain))

    def generator_loss(self, domain: str, images: Images) -> Losses:
        """Equation 3 and section 5.2 for the images that begin in ``domain``."""
        other, loss = OTHER[domain], self.loss
        real, cycle = images[f"real_{domain}"], loss.cycle_a if domain == "a" else loss.cycle_b
        fake = images[f"fake_{other}"]
        losses = {f"gan_{domain}{other}": self.adversarial[other].generator_loss(fake)}
        losses[f"cycle_{domain}"] = cycle * l1(images[f"rec_{domain}"], real)
        if loss.identity:
            losses[f"identity_{domain}"] = loss.identity * cycle * l1(images[f"idt_{domain}"], real)
        if loss.paired:
            error = l1(images[f"paired_fake_{other}"], images[f"paired_real_{other}"])
            losses[f"paired_{other}"] = loss.paired * error
        if loss.outside:
            changed = outside(fake, real, images[f"mask_{domain}"])
            losses[f"outside_{domain}"] = loss.outside * changed
        return losses
