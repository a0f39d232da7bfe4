"""What every method has against one domain: a discriminator, and all that goes with it."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hwan.config import Config
from hwan.methods.base import Losses
from hwan.methods.diffaugment import diffaugment
from hwan.methods.losses import GAN_OBJECTIVES, DiscriminatorOutput, gradient_penalty, logits_of, r1
from hwan.methods.pool import Pool
from hwan.nets import build_discriminator
from hwan.nets.initial import initialise

Tensor4 = Float[Tensor, "b c h w"]


@final
class AdversarialLoss(nn.Module):
    """One domain's discriminator with its objective, pool, augmentation and penalties.

    ``discriminator`` is the network, for a player to update. ``channels`` are those of the tensors
    it is given: for a conditional one (pix2pix) those of the input and the output together, stacked
    by the caller. ``seed`` is that of every draw made here; the first weights continue the stream of
    ``weights`` (None: one of their own from ``seed``). All state is part of ``state_dict``.
    """

    def __init__(
        self, config: Config, channels: int, seed: int, weights: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.loss, shape = config.loss, config.discriminator
        self.batched = config.speed.batched and shape.per_sample
        self.objective = GAN_OBJECTIVES[config.loss.gan]
        self.discriminator = build_discriminator(shape, channels)
        # One stream for every draw, and it is saved with the pool.
        self.pool = Pool(config.train.pool, seed)
        weights = weights or torch.Generator().manual_seed(seed)
        initialise(self.discriminator, shape, weights)

    def generator_loss(self, fake: Tensor4) -> Tensor:
        """The generator's adversarial loss for ``fake`` (B, channels, H, W) in [-1, 1]."""
        return self.objective.generator_loss(self.discriminator(self._shown(fake)))

    def discriminator_loss(self, real: Tensor4, fake: Tensor4, domain: str) -> Losses:
        """The discriminator's losses, weighted: ``d_<domain>``, and ``gp_``, ``r1_`` where they are on.

        Fakes are a mix of these and the pool's. No gradient reaches the images. Penalties are taken
        where the discriminator looks: on augmented images, if they are.
        """
        real = self._shown(real.detach())
        fake = self._shown(self.pool(fake.detach()))
        losses = {f"d_{domain}": self.objective.discriminator_loss(*self._logits(real, fake))}
        if self.loss.gan == "wgan-gp":
            losses[f"gp_{domain}"] = gradient_penalty(
                self.discriminator, real, fake, self.pool.random, self.loss.gp
            )
        if self.loss.r1:
            losses[f"r1_{domain}"] = r1(self.discriminator, real, self.loss.r1)
        return losses

    def _logits(
        self, real: Tensor4, fake: Tensor4
    ) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
        if not self.batched:
            return self.discriminator(real), self.discriminator(fake)
        both = logits_of(self.discriminator(torch.cat([real, fake.to(real.dtype)])))
        return tuple(x[: len(real)] for x in both), tuple(x[len(real) :] for x in both)

    def _shown(self, images: Tensor4) -> Tensor4:
        return diffaugment(images, self.loss.diffaugment, self.pool.random)
