"""A feature network of hwan's own, trained on the data at hand, for where Inception's weights are not.

It learns to distinguish the training pictures of A from those of B, and by how many quarters a picture was
turned (Gidaris et al. 2018), which no single colour or texture gives away. Its figures rank systems on
one data set. They are no FID, and mean nothing across data sets.
"""

from __future__ import annotations

import hashlib

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hwan.metrics.features import Features

WIDTHS = (32, 64, 96, 128)
STEPS, BATCH, LR = 600, 32, 2e-3
SIDE = 64
"""Pixels: what it looks at is the whole picture this small. Finer texture is for other figures."""
VERSION = 1  # raise when the same pictures would give other weights
NAME = f"hwan's own (version {VERSION}), trained to tell A from B and by how much they are turned"


class SelfNet(nn.Module):
    """Four strided convolutions with group norm; (B, C, S, S) in [-1, 1] to (B, 256): the means and
    the standard deviations of the last layer's channels over the picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for cin, cout in zip((channels, *WIDTHS), WIDTHS, strict=False):
            blocks += [nn.Conv2d(cin, cout, 3, 2, 1), nn.GroupNorm(8, cout), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*blocks)
        self.head = nn.Linear(2 * WIDTHS[-1], 8)

    def forward(self, x: Float[Tensor, "b c s s"]) -> Float[Tensor, "b d"]:
        x = self.body(x)
        return torch.cat([x.mean((2, 3)), x.std((2, 3))], dim=1)


def train_selfnet(
    a: Float[Tensor, "n c s s"], b: Float[Tensor, "m c s s"], steps: int = STEPS
) -> tuple[SelfNet, float]:
    """Train on square pictures of both domains in [-1, 1], by a fixed seed, on the CPU; returns the
    network and the share of the last tenth of its batches that it told apart (of 8 classes)."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        net = SelfNet(a.shape[1])
        optimizer = torch.optim.Adam(net.parameters(), LR)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=steps)
        right = []
        for _ in range(steps):
            picks = [x[torch.randint(len(x), (BATCH // 2,))] for x in (a, b)]
            quarters = torch.randint(4, (BATCH,))
            mirrored = torch.rand(BATCH) < 0.5
            turned = [
                torch.rot90(p.flip(2) if m else p, int(q), (1, 2))
                for p, m, q in zip(torch.cat(picks), mirrored, quarters, strict=True)
            ]
            classes = quarters + 4 * (torch.arange(BATCH) >= BATCH // 2)
            scores = net.head(net(torch.stack(turned)))
            optimizer.zero_grad()
            cross_entropy(scores, classes).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            right.append(float((scores.argmax(1) == classes).float().mean()))
    last = right[-max(1, steps // 10) :]
    return net.eval(), sum(last) / len(last)


def self_features(net: SelfNet, channels: int) -> Features:
    """The network as ``Features``; its digest is of its weights."""
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    return Features(NAME, digest.hexdigest(), net, SIDE, channels, ("frechet_self", "mmd_self"))
