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
from torch.nn.functional import avg_pool2d, max_pool2d

Size = int | tuple[int, int]
Layer = tuple[str, int, Size] | tuple[str, int, Size, int]  # name, filters, kernel, stride (else 1)
Chain = tuple[Layer | str, ...]  # a pooling by its name
FEATURES = 2048


class Conv(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, cin: int, cout: int, size: Size, stride: int = 1, same: bool = True) -> None:
        super().__init__()
        height, width = (size, size) if isinstance(size, int) else size
        padding = (height // 2, width // 2) if same and stride == 1 else (0, 0)
        self.conv = nn.Conv2d(cin, cout, (height, width), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=1e-3)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d y x"]:
        out: Tensor = self.bn(self.conv(x)).relu()
        return out


class Mixed(nn.ModuleDict):
    """Chains of convolutions side by side, their outputs joined. "avg" and "max" pool 3x3 in place,
    "half" takes a maximum at stride 2."""

    def __init__(self, cin: int, *chains: Chain) -> None:
        super().__init__()
        self.chains = [[part if isinstance(part, str) else part[0] for part in c] for c in chains]
        for chain in chains:
            width = cin
            for part in chain:
                if not isinstance(part, str):
                    name, cout, size = part[:3]
                    if name not in self:
                        self[name] = Conv(width, cout, size, *part[3:])
                    width = cout

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d y x"]:
        found = []
        for chain in self.chains:
            out = x
            for name in chain:
                out = self[name](out) if name in self else POOLS[name](out)
            found.append(out)
        return torch.cat(found, dim=1)


POOLS = {
    "avg": lambda x: avg_pool2d(x, 3, 1, 1, count_include_pad=False),
    "max": lambda x: max_pool2d(x, 3, 1, 1),
    "half": lambda x: max_pool2d(x, 3, 2),
}


WIDE, HIGH = (1, 7), (7, 1)


def _a(cin: int, pooled: int) -> Mixed:  # figure 5
    return Mixed(
        cin,
        (("branch1x1", 64, 1),),
        (("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)),
        (("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)),
        ("avg", ("branch_pool", pooled, 1)),
    )


def _b() -> Mixed:  # figure 10, 35 to 17 pixels
    return Mixed(
        288,
        (("branch3x3", 384, 3, 2),),
        (("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3, 2)),
        ("half",),
    )


def _c(n: int) -> Mixed:  # figure 6 with n 7
    return Mixed(
        768,
        (("branch1x1", 192, 1),),
        (("branch7x7_1", n, 1), ("branch7x7_2", n, WIDE), ("branch7x7_3", 192, HIGH)),
        (("branch7x7dbl_1", n, 1), ("branch7x7dbl_2", n, HIGH), ("branch7x7dbl_3", n, WIDE),
         ("branch7x7dbl_4", n, HIGH), ("branch7x7dbl_5", 192, WIDE)),
        ("avg", ("branch_pool", 192, 1)),
    )  # fmt: skip


def _d() -> Mixed:  # 17 to 8 pixels
    return Mixed(
        768,
        (("branch3x3_1", 192, 1), ("branch3x3_2", 320, 3, 2)),
        (("branch7x7x3_1", 192, 1), ("branch7x7x3_2", 192, WIDE), ("branch7x7x3_3", 192, HIGH),
         ("branch7x7x3_4", 192, 3, 2)),
        ("half",),
    )  # fmt: skip


def _e(cin: int, pool: str) -> Mixed:  # figure 7
    # A first step that two chains share is run for each: the cost is small, the table plain.
    single: Chain = (("branch3x3_1", 384, 1),)
    double: Chain = (("branch3x3dbl_1", 448, 1), ("branch3x3dbl_2", 384, 3))
    return Mixed(
        cin,
        (("branch1x1", 320, 1),),
        (*single, ("branch3x3_2a", 384, (1, 3))),
        (*single, ("branch3x3_2b", 384, (3, 1))),
        (*double, ("branch3x3dbl_3a", 384, (1, 3))),
        (*double, ("branch3x3dbl_3b", 384, (3, 1))),
        (pool, ("branch_pool", 192, 1)),
    )


class Inception(nn.Module):
    """Pictures (B, 3, 299, 299) in [-1, 1] to the averaged features (B, 2048) before the classes."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3, same=False)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3)
        self.Conv2d_3b_1x1 = Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3, same=False)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = _a(192, 32), _a(256, 64), _a(288, 64)
        self.Mixed_6a = _b()
        self.Mixed_6b, self.Mixed_6c = _c(128), _c(160)
        self.Mixed_6d, self.Mixed_6e = _c(160), _c(192)
        self.Mixed_7a, self.Mixed_7b, self.Mixed_7c = _d(), _e(1280, "avg"), _e(FEATURES, "max")

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 2048"]:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(max_pool2d(x, 3, 2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(max_pool2d(x, 3, 2))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        out: Tensor = x.mean((2, 3))
        return out
