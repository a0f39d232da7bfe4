"""Decorrelated batch normalisation (Huang et al. 2018): channels leave with the identity as covariance."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch._subclasses.fake_tensor import is_fake

from hwan.errors import TrainingDiverged


class InverseRoot(torch.autograd.Function):
    """(G, C, C) symmetric positive matrices to their inverse square roots, V diag(l^-1/2) V^T.

    The eigendecomposition rather than Newton's iteration (Huang et al. 2019, IterNorm): a few
    iterations leave the weak directions unwhitened, and many of them lose fp32's digits. Its known
    weakness is a gradient that divides by the difference of two eigenvalues, which are often near
    each other. The gradient of the root itself does not: in the eigenbasis, element i j is
    multiplied by -1 / (r_i r_j (r_i + r_j)) with r = l^1/2 (Daleckii and Krein's formula).
    """

    @staticmethod
    def forward(ctx: Any, matrices: Tensor) -> Tensor:
        # eigh raises its own error for values that are not finite. (`hwan plan` has tensors without values.)
        if not is_fake(matrices) and not bool(torch.isfinite(matrices).all()):
            raise TrainingDiverged(
                "whitening met channels without a finite covariance: take a smaller --train.lr"
            )
        values, vectors = torch.linalg.eigh(matrices)
        # Above zero already, by what whitening adds to the diagonal, but for fp32's rounding.
        roots = values.clamp_min(1e-12).sqrt()
        ctx.save_for_backward(roots, vectors)
        inverse: Tensor = (vectors / roots[:, None, :]) @ vectors.mT
        return inverse

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        roots, vectors = ctx.saved_tensors
        r, s = roots[:, :, None], roots[:, None, :]
        inner = vectors.mT @ grads[0] @ vectors / -(r * s * (r + s))
        outer: Tensor = vectors @ inner @ vectors.mT
        return outer


class Whitening2d(nn.Module):
    """ZCA whitening of groups of ``group`` channels over batch and place, then scale and shift.

        y = gamma * Sigma^-1/2 (x - mu) + beta                     (Huang et al. 2018, section 3)

    with Sigma + eps I for Sigma. ZCA keeps each channel nearest to what it was; PCA would swap axes
    from batch to batch (the same section). Statistics are of the batch while training, and running
    means of mu and of the whitening matrix itself when translating, which is then one matrix
    product; without ``running`` they are always the batch's.
    All of it is fp32, inside autocast too: an inverse root magnifies half precision's rounding by
    the covariance's condition. Needs more pixels in the batch than channels in a group.
    """

    running_mean: Tensor
    running_matrix: Tensor

    def __init__(self, channels: int, group: int, eps: float, running: bool = True) -> None:
        super().__init__()
        self.group, self.eps, self.running = group, eps, running
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        if running:
            groups = channels // group
            self.register_buffer("running_mean", torch.zeros(groups, group, 1))
            self.register_buffer("running_matrix", torch.eye(group).repeat(groups, 1, 1))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        with torch.autocast(x.device.type, enabled=False):
            b, c, h, w = x.shape
            flat = x.float().transpose(0, 1).reshape(c // self.group, self.group, b * h * w)
            mean, matrix = self.statistics(flat)
            white = (matrix @ (flat - mean)).reshape(c, b, h, w).transpose(0, 1)
            out = white * self.weight[:, None, None] + self.bias[:, None, None]
            return out.to(x.dtype)

    def statistics(
        self, flat: Float[Tensor, "g c n"]
    ) -> tuple[Float[Tensor, "g c 1"], Float[Tensor, "g c c"]]:
        """Mean and whitening matrix of each group; updates the running ones while training."""
        if self.running and not self.training:
            return self.running_mean, self.running_matrix
        mean = flat.mean(2, keepdim=True)
        centred = flat - mean
        covariance = centred @ centred.mT / flat.shape[2]
        identity = torch.eye(self.group, device=flat.device)
        matrix: Tensor = InverseRoot.apply(covariance + self.eps * identity)  # type: ignore[no-untyped-call]
        if self.running:
            with torch.no_grad():
                self.running_mean.lerp_(mean, 0.1)
                self.running_matrix.lerp_(matrix, 0.1)
        return mean, matrix
