"""The adversarial loss of one domain: its discriminator, pool, augmentation and penalties;
and what the one-way and the two-way methods share."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hwan.config import Config
from hwan.methods.base import Half, Images, Losses, OptimizerGroup, new_generator
from hwan.methods.diffaugment import diffaugment
from hwan.methods.losses import GAN_OBJECTIVES, DiscriminatorOutput, gradient_penalty, logits_of, r1
from hwan.methods.pool import Pool
from hwan.nets import build_discriminator
from hwan.nets.initial import initialise

Tensor4 = Float[Tensor, "b c h w"]


@final
class AdversarialLoss(nn.Module):
    """Both sides' adversarial losses for one domain.

    ``discriminator`` is the network, for an optimizer group to update. It is given images of
    ``channels``, and a conditional one (pix2pix) an input of ``condition`` channels before them, stacked by
    the caller. ``seed`` seeds every draw made here; the first weights are drawn from ``weights`` (None:
    from a generator of their own with ``seed``). All state is part of ``state_dict``.
    """

    def __init__(
        self,
        config: Config,
        channels: int,
        seed: int,
        weights: torch.Generator | None = None,
        condition: int = 0,
    ) -> None:
        super().__init__()
        self.loss, shape = config.loss, config.discriminator
        self.batched = config.speed.batched and shape.per_sample
        self.objective = GAN_OBJECTIVES[config.loss.gan]
        self.discriminator = build_discriminator(shape, channels, condition)
        # One stream for every draw, and it is saved with the pool.
        self.pool = Pool(config.train.pool, seed)
        weights = weights or torch.Generator().manual_seed(seed)
        initialise(self.discriminator, shape, weights)

    def generator_loss(self, fake: Tensor4) -> Tensor:
        """The generator's adversarial loss for ``fake`` (B, channels, H, W) in [-1, 1]."""
        return self.objective.generator_loss(self.discriminator(self._augmented(fake)))

    def discriminator_loss(self, real: Tensor4, fake: Tensor4, domain: str) -> Losses:
        """The discriminator's losses, weighted: ``d_<domain>``, and ``gp_``, ``r1_`` where they are on.

        The discriminator sees a mix of ``fake`` and the pool's images: the first ``train.pool`` images pass
        and are kept; from then on, with probability 1/2, one of those drawn at random is shown instead and
        the fresh image takes its place; otherwise the fresh one is shown and not kept. No gradient reaches
        the images.
        Penalties are taken on what the discriminator sees: with DiffAugment, on augmented images.
        """
        real = self._augmented(real.detach())
        fake = self._augmented(self.pool(fake.detach()))
        losses = {f"d_{domain}": self.objective.discriminator_loss(*self._logits(real, fake))}
        net, random, loss = self.discriminator, self.pool.random, self.loss
        if loss.gan == "wgan-gp":
            losses[f"gp_{domain}"] = gradient_penalty(net, real, fake, random, loss.gp)
        if loss.r1:
            losses[f"r1_{domain}"] = r1(net, real, loss.r1)
        return losses

    def _logits(
        self, real: Tensor4, fake: Tensor4
    ) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
        if not self.batched:
            return self.discriminator(real), self.discriminator(fake)
        logits = logits_of(self.discriminator(torch.cat([real, fake.to(real.dtype)])))
        return tuple(x[: len(real)] for x in logits), tuple(x[len(real) :] for x in logits)

    def _augmented(self, images: Tensor4) -> Tensor4:
        """``images`` as they are where ``loss.diffaugment`` is off, as it is by default."""
        return diffaugment(images, self.loss.diffaugment, self.pool.random)


class OneWay(nn.Module):
    """``generator_ab`` against ``adversarial_b``, which may see a ``condition``: cut, gan and pix2pix.

    A method adds its forward pass, the generator's objective, and ``groups`` in its own order.
    """

    def __init__(self, config: Config, condition: int = 0) -> None:
        super().__init__()
        self.loss, seed, channels = config.loss, config.train.seed, config.data.channels_b
        self.batched = config.speed.batched and config.generator.per_sample
        weights = torch.Generator().manual_seed(seed)
        self.generator_ab = new_generator(config, "ab", weights)
        self.generators = {"generator_ab": self.generator_ab}
        self.adversarial_b = AdversarialLoss(config, channels, seed, weights, condition)
        networks = (self.adversarial_b.discriminator,)
        self.discriminators_group = OptimizerGroup(
            "discriminators", networks, self.discriminator_loss
        )

    def discriminator_loss(self, images: Images) -> Losses:
        """The discriminator's objective."""
        return self.adversarial_b.discriminator_loss(images["real_b"], images["fake_b"], "b")


OTHER = {"a": "b", "b": "a"}


class TwoWay(nn.Module):
    """``generator_ab`` (G: A -> B), ``generator_ba`` (F: B -> A), and an adversarial loss a domain:
    cyclegan and dcl. A method adds its forward pass, the generators' objective, and ``groups``.

    ``adversarial_b`` has the discriminator of domain B (D_Y of the CycleGAN paper). The reference code
    calls that one "D_A", because it faces G_A.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.loss, seed, data = config.loss, config.train.seed, config.data
        self.batched = config.speed.batched and config.generator.per_sample
        weights = torch.Generator().manual_seed(seed)
        self.generator_ab = new_generator(config, "ab", weights)
        self.generator_ba = new_generator(config, "ba", weights)
        self.generators = {"generator_ab": self.generator_ab, "generator_ba": self.generator_ba}
        self.adversarial_a = AdversarialLoss(config, data.channels_a, seed, weights)
        self.adversarial_b = AdversarialLoss(config, data.channels_b, seed + 1, weights)
        self.adversarial = {"a": self.adversarial_a, "b": self.adversarial_b}
        networks = self.adversarial_a.discriminator, self.adversarial_b.discriminator
        halves = self.discriminators_half("a"), self.discriminators_half("b")
        self.discriminators_group = OptimizerGroup("discriminators", networks, halves)

    def discriminators_half(self, domain: str) -> Half:
        """The objective of the discriminator of ``domain``."""
        real, fake, adversarial = f"real_{domain}", f"fake_{domain}", self.adversarial[domain]

        def objective(images: Images) -> Losses:
            return adversarial.discriminator_loss(images[real], images[fake], domain)

        return Half((real, fake), objective)
