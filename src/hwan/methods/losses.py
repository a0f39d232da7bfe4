"""GAN objectives, gradient penalties, cycle, identity, PatchNCE: pure functions on tensors.

Everything is computed in fp32, whatever precision the networks ran in. Logits are a discriminator's
raw output; D = sigmoid(logits) where a paper speaks of a probability.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from hwan.config import Gan
from hwan.runtime import sent

Scalar = Float[Tensor, ""]
Logits = Float[Tensor, "b 1 h w"]
Tensor4 = Float[Tensor, "b c h w"]
DiscriminatorOutput = Tensor | tuple[Tensor, ...]
"""Logits (B, 1, h, w), or a tuple of such: one for each scale or member of a discriminator."""
Discriminator = Callable[[Tensor], DiscriminatorOutput]


@dataclass(frozen=True)
class GanObjective:
    """``generator_loss(fake)`` and ``discriminator_loss(real, fake)``, each to be minimised.

    Both take a discriminator's output; over a tuple of logits the losses are averaged.
    """

    of_fake: Callable[[Tensor], Tensor]
    """The generator's loss on one tensor of logits."""
    of_real_and_fake: Callable[[Tensor, Tensor], Tensor]
    """The discriminator's loss on two."""

    def generator_loss(self, fake: DiscriminatorOutput) -> Scalar:
        return torch.stack([self.of_fake(logits) for logits in logits_of(fake)]).mean()

    def discriminator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Scalar:
        pairs = zip(logits_of(real), logits_of(fake), strict=True)
        return torch.stack([self.of_real_and_fake(r, f) for r, f in pairs]).mean()


def logits_of(output: DiscriminatorOutput) -> tuple[Tensor, ...]:
    """Every tensor of logits in a discriminator's output."""
    return output if isinstance(output, tuple) else (output,)


def lsgan_generator(fake: Logits) -> Scalar:
    """E[(D(G(x)) - 1)^2] (CycleGAN, section 4; Mao et al. 2017, equation 9, have half of it)."""
    return (fake.float() - 1).square().mean()


def lsgan_discriminator(real: Logits, fake: Logits) -> Scalar:
    """(E[(D(y) - 1)^2] + E[D(G(x))^2]) / 2.

    Mao et al. 2017, equation 9. CycleGAN (section 7.1) takes the half to slow D against G.
    """
    return ((real.float() - 1).square().mean() + fake.float().square().mean()) / 2


def minimax_generator(fake: Logits) -> Scalar:
    """E[log(1 - D(G(x)))] (Goodfellow et al. 2014, equation 1): the game as it is written.

    Its gradient by the logit is -D, so it vanishes just where the discriminator is sure of a fake.
    """
    # log(1 - sigmoid(l)) = -softplus(l), which never overflows.
    return -F.softplus(fake.float()).mean()


def nonsaturating_generator(fake: Logits) -> Scalar:
    """-E[log D(G(x))] (Goodfellow et al. 2014, section 3, in words).

    Its gradient by the logit is D - 1: largest where the discriminator is sure of a fake.
    """
    return F.softplus(-fake.float()).mean()


def cross_entropy_discriminator(real: Logits, fake: Logits) -> Scalar:
    """-(E[log D(y)] + E[log(1 - D(G(x)))]) / 2: equation 1 of Goodfellow et al. 2014, negated.

    pix2pix (Isola et al. 2017, section 3.3) takes the half to slow D against G.
    """
    return (F.softplus(-real.float()).mean() + F.softplus(fake.float()).mean()) / 2


def negative_mean(fake: Logits) -> Scalar:
    """-E[D(G(x))]: the generator against a hinge (Lim & Ye 2017) or a Wasserstein critic."""
    return -fake.float().mean()


def hinge_discriminator(real: Logits, fake: Logits) -> Scalar:
    """E[max(0, 1 - D(y))] + E[max(0, 1 + D(G(x)))] (Lim & Ye 2017, the margin form; no half)."""
    return F.relu(1 - real.float()).mean() + F.relu(1 + fake.float()).mean()


def wgan_discriminator(real: Logits, fake: Logits) -> Scalar:
    """E[D(G(x))] - E[D(y)] (Arjovsky et al. 2017); ``gradient_penalty`` completes it."""
    return fake.float().mean() - real.float().mean()


GAN_OBJECTIVES: dict[Gan, GanObjective] = {
    "lsgan": GanObjective(lsgan_generator, lsgan_discriminator),
    "nonsaturating": GanObjective(nonsaturating_generator, cross_entropy_discriminator),
    "minimax": GanObjective(minimax_generator, cross_entropy_discriminator),
    "hinge": GanObjective(negative_mean, hinge_discriminator),
    "wgan-gp": GanObjective(negative_mean, wgan_discriminator),
}


def gradient_penalty(
    discriminator: Discriminator,
    real: Tensor4,
    fake: Tensor4,
    random: torch.Generator | None = None,
    weight: float = 10.0,
) -> Scalar:
    """weight E[(|grad D(x)| - 1)^2] (Gulrajani et al. 2017, equation 3), the norm over one image.

    x = e y + (1 - e) G(x), with e uniform in [0, 1], one draw an image from ``random`` (on the CPU;
    None: torch's own). Both batches have one size.
    """
    share = sent(torch.rand(len(real), 1, 1, 1, generator=random), real.device)
    between = share * real.detach().float() + (1 - share) * fake.detach().float()
    norms = torch.linalg.vector_norm(_gradients(discriminator, between).flatten(2), dim=2)
    penalty: Tensor = weight * (norms - 1).square().mean()
    return penalty


def r1(discriminator: Discriminator, real: Tensor4, gamma: float = 1.0) -> Scalar:
    """gamma / 2 E[|grad D(y)|^2] on real images (Mescheder et al. 2018, equation 9)."""
    return gamma / 2 * _gradients(discriminator, real).flatten(2).square().sum(2).mean()


def _gradients(discriminator: Discriminator, images: Tensor4) -> Float[Tensor, "n b c h w"]:
    """The gradient of each image's score by its pixels, itself differentiable by the weights.

    One for each of the N tensors of logits in the discriminator's output, so that the gradients of two
    members cannot cancel. An image's score is the mean of its logits, as in the objectives: the papers'
    discriminators have one logit. The reference code sums them instead, which makes the gradient larger
    by the number of patches. The discriminator treats images one by one (no batch norm); otherwise an
    image's gradient would contain parts of its neighbours'.
    """
    # fp32 under autocast too: squares of small gradients are below what fp16 holds, and its loss
    # scaling does not reach inside.
    with torch.autocast(images.device.type, enabled=False):
        images = images.detach().float().requires_grad_()
        outputs = logits_of(discriminator(images))
        scores = [logits.float().flatten(1).mean(1).sum() for logits in outputs]
        found = [torch.autograd.grad(score, images, create_graph=True)[0] for score in scores]
    return torch.stack(found)


def l1(a: Tensor4, b: Tensor4) -> Scalar:
    """Mean |a - b|: the cycle loss (CycleGAN, equation 2) and the identity loss (section 5.2)."""
    return torch.mean(torch.abs(a.float() - b.float()))


def outside(a: Tensor4, b: Tensor4, mask: Float[Tensor, "b 1 h w"]) -> Scalar:
    """Mean of (1 - mask) |a - b| over all pixels: those that ``mask`` (0 to 1) lets change count as equal."""
    return torch.mean((1 - mask) * torch.abs(a.float() - b.float()))


def patch_nce(
    query: Float[Tensor, "b n c"], key: Float[Tensor, "b n c"], temperature: float = 0.07
) -> Scalar:
    """Contrast patches of the output with the input's (CUT, Park et al. 2020, equations 3 and 4).

    ``query`` and ``key`` hold the features of the same N places in the output and the input. The
    positive of a query is the key of its place, the negatives the other N - 1 keys of its own image.
    Features are put on the unit sphere here. No gradient runs into ``key``, as in the paper's code.
    """
    query, key = (F.normalize(x.float(), dim=2) for x in (query, key.detach()))
    with torch.autocast(query.device.type, enabled=False):
        likeness = query @ key.transpose(1, 2) / temperature  # (B, N, N), positives on the diagonal
    places = torch.arange(query.shape[1], device=query.device).expand(len(query), -1)
    return F.cross_entropy(likeness.flatten(0, 1), places.flatten())
