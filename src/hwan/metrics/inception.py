"""The network of FID: Inception v3 (Szegedy et al. 2015), as TensorFlow released it on 2015-12-05.

Written from the paper's figures 5 to 7 and the names and shapes in the weight file that the field
uses, ``pt_inception-2015-12-05-6726825d.pth`` (pytorch-fid) or ``weights-inception-…`` (torch-fidelity):
the same file. It differs from torchvision's Inception v3, whose weights give another number: averages
leave the border out, the last block takes a maximum, and there are 1008 classes (not read here).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

Size = int | tuple[int, int]
Layer = tuple[str, int, Size] | tuple[str, int, Size, int]  # name, filters, kernel, stride (else 1)
FEATURES = 2048


class Conv(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, cin: int, cout: int, size: Size, stride: int = 1, same: bool = True) -> None:
        super().__init__()
        padding = "same" if same and stride == 1 else "valid"
        self.conv = nn.Conv2d(cin, cout, size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=1e-3)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d y x"]:
        return torch.relu(self.bn(self.conv(x)))


class Mixed(nn.ModuleDict):
    """Chains of convolutions and pooling side by side, their outputs joined. The module holds the
    convolutions by their names in the weight file; chains may share the first."""

    def __init__(self, cin: int, *chains: tuple[Layer | nn.Module, ...]) -> None:
        super().__init__()
        self.chains: list[nn.Sequential] = []  # a plain list, whose layers are not named again
        for chain in chains:
            width, steps = cin, nn.Sequential()
            for part in chain:
                if not isinstance(part, nn.Module):
                    name, cout = part[:2]
                    if name not in self:
                        self[name] = Conv(width, *part[1:])
                    width, part = cout, self[name]
                steps.append(part)
            self.chains.append(steps)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d y x"]:
        return torch.cat([chain(x) for chain in self.chains], dim=1)


HALF = nn.MaxPool2d(3, 2)
AVERAGE = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
WIDE, HIGH = (1, 7), (7, 1)


def _a(cin: int, pooled: int) -> Mixed:  # figure 5
    return Mixed(
        cin,
        (("branch1x1", 64, 1),),
        (("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)),
        (("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)),
        (AVERAGE, ("branch_pool", pooled, 1)),
    )


def _b() -> Mixed:  # figure 10, 35 to 17 pixels
    return Mixed(
        288,
        (("branch3x3", 384, 3, 2),),
        (("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3, 2)),
        (HALF,),
    )


def _c(n: int) -> Mixed:  # figure 6 with n 7
    return Mixed(
        768,
        (("branch1x1", 192, 1),),
        (("branch7x7_1", n, 1), ("branch7x7_2", n, WIDE), ("branch7x7_3", 192, HIGH)),
        (("branch7x7dbl_1", n, 1), ("branch7x7dbl_2", n, HIGH), ("branch7x7dbl_3", n, WIDE),
         ("branch7x7dbl_4", n, HIGH), ("branch7x7dbl_5", 192, WIDE)),
        (AVERAGE, ("branch_pool", 192, 1)),
    )  # fmt: skip


def _d() -> Mixed:  # 17 to 8 pixels
    return Mixed(
        768,
        (("branch3x3_1", 192, 1), ("branch3x3_2", 320, 3, 2)),
        (("branch7x7x3_1", 192, 1), ("branch7x7x3_2", 192, WIDE), ("branch7x7x3_3", 192, HIGH),
         ("branch7x7x3_4", 192, 3, 2)),
        (HALF,),
    )  # fmt: skip


def _e(cin: int, pool: nn.Module) -> Mixed:  # figure 7
    # A first step that two chains share is run for each: the cost is small, the table plain.
    return Mixed(
        cin,
        (("branch1x1", 320, 1),),
        (("branch3x3_1", 384, 1), ("branch3x3_2a", 384, (1, 3))),
        (("branch3x3_1", 384, 1), ("branch3x3_2b", 384, (3, 1))),
        (("branch3x3dbl_1", 448, 1), ("branch3x3dbl_2", 384, 3), ("branch3x3dbl_3a", 384, (1, 3))),
        (("branch3x3dbl_1", 448, 1), ("branch3x3dbl_2", 384, 3), ("branch3x3dbl_3b", 384, (3, 1))),
        (pool, ("branch_pool", 192, 1)),
    )


class Inception(nn.Sequential):
    """Pictures (B, 3, 299, 299) in [-1, 1] to the averaged features (B, 2048) before the classes, by
    the layers in this order."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3, same=False)
        self.Conv2d_2b_3x3, self.pool_1 = Conv(32, 64, 3), HALF
        self.Conv2d_3b_1x1 = Conv(64, 80, 1)
        self.Conv2d_4a_3x3, self.pool_2 = Conv(80, 192, 3, same=False), HALF
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = _a(192, 32), _a(256, 64), _a(288, 64)
        self.Mixed_6a, self.Mixed_6b, self.Mixed_6c = _b(), _c(128), _c(160)
        self.Mixed_6d, self.Mixed_6e, self.Mixed_7a = _c(160), _c(192), _d()
        self.Mixed_7b, self.Mixed_7c = _e(1280, AVERAGE), _e(FEATURES, nn.MaxPool2d(3, 1, 1))

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 2048"]:
        for layer in self:
            x = layer(x)
        return x.mean((2, 3))
