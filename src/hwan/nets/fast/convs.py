"""Convolutions in fewer operations than the sum that defines them, for CPUs.

oneDNN computes a convolution as that sum: near a processor's peak where there are many channels, at a fifth
of it where there are three. Both can be helped by what is added first:

- many channels, 3x3 (``Winograd``): F(4, 3) of Lavin and Gray 2016, "Fast Algorithms for Convolutional
  Neural Networks", section 4.3, down the columns only, where rounding stays near the sum's: four rows of
  output take six products for a column of the kernel in place of twelve.
- few channels out (``NarrowOut``) or in (``NarrowIn``): the kernel's rows as channels of their own, shifted
  and added, for processors compute sixteen channels at a time whether there are as many or not.

In the forward pass and in both gradients they differ from torch's convolution by rounding alone. cuDNN
chooses among such algorithms by itself.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, pad

WIDE, LARGE = 64, 1 << 17
"""Channels, and values of an image, from which fewer products outweigh Winograd's sums on one thread
(bench/convs.py). With more threads the sums gain less: they are so short that threads mostly wait."""
NARROW = 4
"""Channels up to which the kernel's rows are taken as channels."""

# Section 4.3 of the paper, d six rows of the image, g a column of the kernel: y = A [(G g) * (B d)].
B = torch.tensor(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
TIMES_24 = [[6.0, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]
G = torch.tensor(TIMES_24, dtype=torch.float64) / 24
A = torch.tensor(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
)


class PaddedConv2d(nn.Conv2d):
    """(B, Ci, H + k - 1, W + k - 1) to (B, Co, H, W), in fewer operations where ``fast``."""

    fast = False

    def forward(self, input: Tensor) -> Tensor:
        # Export and compilation keep the plain layer: an algorithm fits one size, the graph any size.
        fast = self.fast and input.device.type == "cpu" and not torch.compiler.is_compiling()
        algorithm = self._algorithm(input) if fast else None
        if algorithm is None:
            return super().forward(input)
        # A batch of one picture comes as its pixels lie, channels last: slower from here on.
        image, weight = input.contiguous(), self.weight
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            image, weight = image.to(dtype), weight.to(dtype)
        with torch.autocast("cpu", enabled=False):
            out: Tensor = algorithm.apply(image, weight)
            return out if self.bias is None else out + self.bias.to(out.dtype)[:, None, None]

    def _algorithm(self, input: Tensor) -> Any:
        k, least = self.kernel_size[0], min(self.in_channels, self.out_channels)
        if k == 3 and least >= WIDE:
            # bf16 has eight bits, of which Winograd's sums would cost two; its products are cheap.
            exact = not torch.is_autocast_enabled("cpu") and input.dtype.itemsize >= 4
            values = least * len(input) * (input.shape[2] - 2) * (input.shape[3] - 2)
            return Winograd if exact and values >= LARGE * torch.get_num_threads() ** 2 else None
        if k == 1 or least > NARROW:
            return None
        return NarrowOut if self.out_channels <= NARROW else NarrowIn


class Winograd(torch.autograd.Function):
    """(B, Ci, H + 2, W + 2) to (B, Co, H, W): six products a strip of four rows, as six groups of one
    convolution with 1x3 kernels."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(image, weight)
        product = conv2d(_six_rows(image), _six_taps(weight), groups=6)
        b, _, strips, w = product.shape
        four = (A.to(product) @ product.view(b, 6, -1)).view(b, 4, -1, strips, w)
        return four.permute(0, 2, 3, 1, 4).reshape(b, -1, 4 * strips, w)[:, :, : image.shape[2] - 2]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (image, weight), needed = ctx.saved_tensors, ctx.needs_input_grad
        gradient = _to_fours(gradient, 0)
        b, out, h, w = gradient.shape
        four = gradient.reshape(b, out, h // 4, 4, w).permute(0, 3, 1, 2, 4).reshape(b, 4, -1)
        six = (A.t().to(four) @ four).view(b, 6 * out, h // 4, w)
        by_image, by_weight = _gradients(six, _six_rows(image), _six_taps(weight), needed, 6)
        if by_image is not None:
            six = (B.t().to(image) @ by_image.view(b, 6, -1)).view(b, 6, -1, h // 4, w + 2)
            six = six.permute(0, 2, 3, 1, 4)  # (B, C, strips, 6, W)
            # Rows 4 and 5 lie in the next strip.
            by_image = pad(six[:, :, :, :4], [0, 0, 0, 0, 0, 1])
            by_image[:, :, 1:, :2] += six[:, :, :, 4:]
            by_image = by_image.flatten(2, 3)[:, :, : image.shape[2]]
        if by_weight is not None:
            taps = (G.t().to(weight) @ by_weight.view(6, -1)).view(3, out, -1, 3)
            by_weight = taps.permute(1, 2, 0, 3).contiguous()
        return by_image, by_weight


def _six_rows(image: Tensor) -> Tensor:
    """Six rows from every fourth on, combined by B: (B, C, H + 2, W) to (B, 6 C, ceil(H / 4), W)."""
    b, c, _, w = image.shape
    rows = _to_fours(image, 2).unfold(2, 6, 4).permute(0, 4, 1, 2, 3).reshape(b, 6, -1)
    return (B.to(image) @ rows).view(b, 6 * c, -1, w)


def _six_taps(weight: Tensor) -> Tensor:
    """The kernel's columns combined by G: (O, C, 3, 3) to (6 O, C, 1, 3)."""
    taps = weight.permute(2, 0, 1, 3).reshape(3, -1)
    return (G.to(weight) @ taps).view(-1, weight.shape[1], 1, 3)


def _to_fours(image: Tensor, more: int) -> Tensor:
    """With zeros below, so that all but ``more`` rows are a multiple of four."""
    missing = (more - image.shape[2]) % 4
    return pad(image, [0, 0, 0, missing]) if missing else image


class NarrowOut(torch.autograd.Function):
    """Few channels out: every row of the kernel gives channels of its own, whose shifted sum it is."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(image, weight)
        out, k = weight.shape[0], weight.shape[2]
        rows, h = conv2d(image, _rows_out(weight)), image.shape[2] - k + 1
        found = rows[:, :out, :h].contiguous()
        for i in range(1, k):
            found += rows[:, i * out : (i + 1) * out, i : i + h]
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (image, weight), needed = ctx.saved_tensors, ctx.needs_input_grad
        out, c, k, _ = weight.shape
        rows = torch.cat([pad(gradient, [0, 0, i, k - 1 - i]) for i in range(k)], 1)
        by_image, by_weight = _gradients(rows, image, _rows_out(weight), needed)
        if by_weight is not None:
            by_weight = by_weight.view(k, out, c, k).permute(1, 2, 0, 3).contiguous()
        return by_image, by_weight


class NarrowIn(torch.autograd.Function):
    """Few channels in: the image's gradient is the shifted sum of what every row of the kernel gives."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(image, weight)
        return conv2d(image, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (image, weight), needed = ctx.saved_tensors, ctx.needs_input_grad
        _, by_weight = _gradients(gradient, image, weight, (False, needed[1]))
        if not needed[0]:
            return None, by_weight
        c, k = weight.shape[1:3]
        taps = weight.permute(0, 2, 1, 3).flatten(1, 2).unsqueeze(2)  # (O, k C, 1, k)
        rows, h = conv_transpose2d(gradient, taps), gradient.shape[2]
        by_image = torch.zeros_like(image)
        for i in range(k):
            by_image[:, :, i : i + h] += rows[:, i * c : (i + 1) * c]
        return by_image, by_weight


def _rows_out(weight: Tensor) -> Tensor:
    """(O, C, k, k) to (k O, C, 1, k)."""
    return weight.permute(2, 0, 1, 3).flatten(0, 1).unsqueeze(2)


def _gradients(
    out: Tensor, image: Tensor, weight: Tensor, needed: tuple[bool, ...], groups: int = 1
) -> Any:
    """The gradients of a convolution without padding by image and weight; None where not needed."""
    return torch.ops.aten.convolution_backward(
        out, image, weight, None, [1, 1], [0, 0], [1, 1], False, [0, 0], groups, [*needed, False]
    )[:2]
