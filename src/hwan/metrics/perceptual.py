"""LPIPS: how near two pictures are in the features of AlexNet (Zhang et al. 2018).

The linear heads come with torchmetrics (its ``lpips_models/alex.pth``, the paper's version 0.1). Its own
LPIPS takes AlexNet from torchvision, which hwan does without; the network is written here from
Krizhevsky 2014 and the names in torchvision's weight file, which has to be there already.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
import torchmetrics
from jaxtyping import Float
from torch import Tensor, nn

from hwan.metrics.features import ALEXNET, load_weights
from hwan.metrics.metric import Measure


class AlexNet(nn.Module):
    """The convolutions of AlexNet; (B, 3, H, W) to the five maps after each ReLU."""

    def __init__(self) -> None:
        super().__init__()
        pool = nn.MaxPool2d(3, 2)
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), pool,
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), pool,
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        maps = []
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                maps.append(x)
        return maps


def load_lpips(path: Path, device: str = "cpu") -> tuple[Measure, str]:
    """LPIPS of two batches (B, 3 or 1, H, W) in [-1, 1], one figure an image, 0 equal; and the SHA-256
    of the backbone's file, one of torchvision's AlexNet.

    Raises ``UsageError`` for a file that is not.
    """
    fit = "--lpips with torchvision's AlexNet weights"
    net = load_weights(AlexNet(), path, fit, ALEXNET, leave_out="classifier.").to(device)
    heads = Path(torchmetrics.__file__).parent / "functional/image/lpips_models/alex.pth"
    linear = torch.load(heads, map_location=device, weights_only=True)
    # ImageNet's mean and standard deviation, for pictures in [-1, 1].
    shift = torch.tensor([-0.030, -0.088, -0.188], device=device)[:, None, None]
    scale = torch.tensor([0.458, 0.448, 0.450], device=device)[:, None, None]

    @torch.no_grad()
    def lpips(a: Float[Tensor, "b _ h w"], b: Float[Tensor, "b _ h w"]) -> Float[Tensor, " b"]:
        total = torch.zeros(len(a), device=device)
        both = [net((x.float().to(device).expand(-1, 3, -1, -1) - shift) / scale) for x in (a, b)]
        for i, (first, second) in enumerate(zip(*both, strict=True)):
            gap = (_unit(first) - _unit(second)) ** 2  # eq. 1
            total = total + (gap * linear[f"lin{i}.model.1.weight"]).sum(1).mean((1, 2))
        return total.cpu()

    return lpips, hashlib.sha256(path.read_bytes()).hexdigest()


def _unit(x: Tensor) -> Tensor:
    """Each place's channels as a vector of length 1, as the paper's code keeps from dividing by 0."""
    return x / (x.square().sum(1, keepdim=True) + 1e-8).sqrt()
