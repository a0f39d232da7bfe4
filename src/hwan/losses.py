"""GAN objectives, cycle and identity: pure functions on tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Scalar = Float[Tensor, ""]
Logits = Float[Tensor, "b 1 h w"]
Tensor4 = Float[Tensor, "b c h w"]


@dataclass(frozen=True)
class GanObjective:
    """``generator(fake_logits)`` and ``discriminator(real_logits, fake_logits)``, each to be minimised."""

    generator: Callable[[Tensor], Tensor]
    discriminator: Callable[[Tensor, Tensor], Tensor]


def lsgan_generator(fake: Logits) -> Scalar:
    """E[(D(G(x)) - 1)^2] (CycleGAN, section 4; Mao et al. 2017, equation 9, have half of it)."""
    return (fake.float() - 1).square().mean()


def lsgan_discriminator(real: Logits, fake: Logits) -> Scalar:
    """(E[(D(y) - 1)^2] + E[D(G(x))^2]) / 2.

    Mao et al. 2017, equation 9. CycleGAN (section 7.1) takes the half to slow D against G.
    """
    return ((real.float() - 1).square().mean() + fake.float().square().mean()) / 2


GAN_OBJECTIVES = {"lsgan": GanObjective(lsgan_generator, lsgan_discriminator)}


def l1(a: Tensor4, b: Tensor4) -> Scalar:
    """Mean |a - b|: the cycle loss (CycleGAN, equation 2) and the identity loss (section 5.2)."""
    return torch.mean(torch.abs(a.float() - b.float()))
