"""A generator applied to an image larger than memory, strip by strip and layer by layer, without seams.

A norm over a whole image (instance, layer, group) has to see all of it before anything after it can be
computed; everything else is local. So the network is cut at its convolutions: each part (norm,
activation, padding, convolution) runs over strips of full-width rows, read with as many more rows as its
kernels reach, and what it makes goes to a temporary file, its mean and variance gathered on the way.
The next part's norm then has the statistics of the whole image, exactly. Every layer is computed once.

What was weighed: finding each norm's statistics by running all before it over tiles again is quadratic in
depth (12 whole passes of a ResNet-9); tiles of the whole network with a halo of its receptive field (91
pixels each way) compute 1.8 times as much at 512 pixels, and 1000 pixels are not enough of a halo for a
U-Net; statistics of a shrunken image are not the image's. The price here is disk: the largest two
successive layers at once, about 400 bytes a pixel at 64 filters, and a U-Net's skips.
"""

from __future__ import annotations

import errno
import math
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from tempfile import TemporaryFile, gettempdir

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hwan.errors import UsageError
from hwan.nets.blocks import Blur
from hwan.nets.resnet import ResidualBlock
from hwan.nets.unet import Level, UNet
from hwan.nets.whitening import Whitening2d

CHANNELS = 64  # a strip of ``tile`` holds tile x tile pixels of so many channels


@dataclass(frozen=True)
class Rows:
    """An image, or what a layer made of it, (C, H, W): ``read(first, end)`` is (1, C, rows, W)."""

    channels: int
    height: int
    width: int
    read: Callable[[int, int], Tensor]
    moments: Moments | None = None


@dataclass
class Moments:
    """Mean and variance of each channel, gathered in double precision (Chan et al. 1979, eq. 2.1)."""

    count: int = 0
    mean: Tensor = field(default_factory=lambda: torch.zeros(()))
    squares: Tensor = field(default_factory=lambda: torch.zeros(()))
    """Sum of squared differences from the mean."""

    def add(self, rows: Float[Tensor, "1 c h w"]) -> None:
        var, mean = (v.cpu().double() for v in torch.var_mean(rows[0], (1, 2), correction=0))
        n = rows.shape[2] * rows.shape[3]
        total = self.count + n
        delta = mean - self.mean
        self.squares = self.squares + var * n + delta**2 * (self.count * n / total)
        self.mean = self.mean + delta * (n / total)
        self.count = total


@dataclass(frozen=True)
class Pending:
    """``layers`` still to be applied to ``rows``; among them at most one convolution."""

    rows: Rows
    layers: tuple[nn.Module, ...] = ()


class FixedNorm(nn.Module):
    """A norm whose statistics are given: (x - mean) scale + shift, for each channel."""

    def __init__(self, norm: nn.Module, mean: Tensor, var: Tensor, like: Tensor) -> None:
        super().__init__()
        assert isinstance(norm, nn.InstanceNorm2d | nn.BatchNorm2d | nn.GroupNorm)
        if isinstance(norm, nn.GroupNorm):
            means, within = mean.view(norm.num_groups, -1), var.view(norm.num_groups, -1)
            centre = means.mean(1, keepdim=True)
            spread = within.mean(1, keepdim=True) + means.var(1, correction=0, keepdim=True)
            mean, var = (v.expand_as(means).reshape(-1) for v in (centre, spread))
        scale = (var + norm.eps).rsqrt()
        if norm.weight is not None:
            scale = scale * norm.weight.detach().cpu().double()
        shift = torch.zeros_like(mean) if norm.bias is None else norm.bias.detach()
        self.mean, self.scale, self.shift = (
            v.to(like)[:, None, None] for v in (mean, scale, shift)
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return (x - self.mean) * self.scale + self.shift


@torch.inference_mode()
def strips(net: nn.Module, image: Rows, tile: int) -> Iterator[Float[Tensor, "1 c h w"]]:
    """What ``net`` makes of ``image``, in strips from the top to the bottom.

    ``net`` is any generator of the zoo in evaluation mode; the image's sides fit it. Strips hold about
    ``tile`` x ``tile`` pixels, so memory does not grow with the image (beyond 64 tile pixels of
    width). Equal to ``net`` on the whole image but for the rounding of sums.

    Raises ``UsageError`` for whitening by the image's own statistics, and where the disk is full.
    """
    walk = Walk(CHANNELS * tile * tile, next(net.parameters()))
    try:
        yield from walk.strips(walk.through(net, Pending(image)))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise UsageError(
            "layers of an image larger than memory lie in a temporary file",
            f"no space left in {gettempdir()}",
            "set TMPDIR to a folder on a larger disk",
        ) from error


def whole_image_norm(module: nn.Module) -> bool:
    """Whether a layer normalises by the statistics of the image that it is given."""
    if isinstance(module, Whitening2d):
        return not module.running
    return isinstance(module, nn.InstanceNorm2d | nn.GroupNorm) or (
        isinstance(module, nn.BatchNorm2d) and not module.track_running_stats
    )


def window(layer: nn.Module) -> tuple[int, int, int]:
    """(reach, up, down): an output row r is made of input rows r * down / up, and ``reach`` more each
    way. Padding belongs to the convolution after it."""
    if isinstance(layer, nn.ConvTranspose2d):
        return -(-layer.kernel_size[0] // layer.stride[0]), layer.stride[0], 1
    if isinstance(layer, nn.Conv2d):
        return layer.kernel_size[0] // 2, 1, layer.stride[0]
    if isinstance(layer, nn.Upsample):
        return int(layer.mode != "nearest"), 2, 1
    if isinstance(layer, nn.PixelShuffle):
        return 0, 2, 1
    return (1, 1, 2) if isinstance(layer, Blur) else (0, 1, 1)


CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
PADDINGS = (nn.ReflectionPad2d, nn.ReplicationPad2d, nn.ZeroPad2d, nn.CircularPad2d)


@dataclass(frozen=True)
class Walk:
    """One way through a network: ``values`` a strip may hold, and a tensor of the network's device."""

    values: int
    like: Tensor

    def through(self, module: nn.Module, x: Pending) -> Pending:
        """``x`` with ``module`` applied or pending."""
        if isinstance(module, nn.Sequential):
            for child in module:
                x = self.through(child, x)
            return x
        if isinstance(module, ResidualBlock):
            before = self.settled(x)
            out = self.through(module.body, Pending(before))
            return Pending(self.settled(out, before)) if module.skip else out
        if isinstance(module, UNet):
            x = self.through(module.levels, x)
            return Pending(x.rows, (*x.layers, nn.Tanh()))
        if isinstance(module, Level):
            before = self.settled(x)
            inside = self.through(module.inner, self.through(module.down, Pending(before)))
            made = self.settled(self.through(module.up, inside))
            return Pending(_stacked(before, made) if module.skip else made)
        if whole_image_norm(module):
            if isinstance(module, Whitening2d):
                raise UsageError(
                    "whitening by the image's own statistics needs the whole image in memory",
                    "an image that is translated in strips",
                    "make it smaller, or train without generator.test_batch_statistics",
                )
            rows = self.settled(x)
            assert rows.moments is not None
            m = rows.moments
            return Pending(rows, (FixedNorm(module, m.mean, m.squares / m.count, self.like),))
        # Two convolutions at once would each reach further; a strip that goes around the image's
        # edge (circular padding) fits no layer that stops there.
        second = isinstance(module, CONVOLUTIONS + PADDINGS) and any(
            isinstance(layer, CONVOLUTIONS) for layer in x.layers
        )
        around = isinstance(module, nn.CircularPad2d) and any(window(i)[0] for i in x.layers)
        if second or around:
            x = Pending(self.settled(x))
        return Pending(x.rows, (*x.layers, module))

    def settled(self, x: Pending, plus: Rows | None = None) -> Rows:
        """The pending layers' output (``plus`` added) in a file, with its moments."""
        if not x.layers and plus is None:
            return x.rows
        file, moments = TemporaryFile(), Moments()  # noqa: SIM115 (closed with ``read``)
        channels, height, width = 0, 0, 0

        def read(first: int, end: int) -> Tensor:
            values = torch.empty((end - first, channels, width), dtype=self.like.dtype)
            file.seek(first * channels * width * values.itemsize)
            file.readinto(values.numpy().data)
            return values.to(self.like.device).transpose(0, 1)[None]

        weakref.finalize(read, file.close)  # so that the disk is free as soon as may be
        for strip in self.strips(x, plus):
            moments.add(strip)
            channels, width = strip.shape[1], strip.shape[3]
            height += strip.shape[2]
            file.write(strip[0].transpose(0, 1).contiguous().cpu().numpy().data)  # (rows, C, W)
        file.flush()
        return Rows(channels, height, width, read, moments)

    def strips(self, x: Pending, plus: Rows | None = None) -> Iterator[Float[Tensor, "1 c h w"]]:
        """The pending layers' output, from the top to the bottom."""
        windows = [window(layer) for layer in x.layers]
        up, down = (math.prod(w[k] for w in windows) for k in (1, 2))
        rows, wraps = x.rows, any(isinstance(layer, nn.CircularPad2d) for layer in x.layers)
        channels = [i.out_channels for i in x.layers if isinstance(i, CONVOLUTIONS)]
        height, width = rows.height * up // down, rows.width * up // down
        widest = max(rows.channels * rows.width, *(c * width for c in channels), 1)
        step = max(1, self.values // widest * up // down)
        for first in range(0, height, step):
            end = min(height, first + step)
            begin, stop = _needed(windows, first, end)
            begin, stop = begin // down * down, -(-stop // down) * down
            if wraps:
                y = torch.cat([rows.read(r, s) for r, s in _around(begin, stop, rows.height)], 2)
            else:
                begin, stop = max(0, begin), min(rows.height, stop)
                y = rows.read(begin, stop)
            for layer in x.layers:
                y = layer(y)
            shift = begin * up // down
            y = y[:, :, first - shift : end - shift]
            yield y if plus is None else y + plus.read(first, end)


def _needed(windows: list[tuple[int, int, int]], first: int, end: int) -> tuple[int, int]:
    """The input rows behind output rows [first, end), some of them beyond the image."""
    for reach, up, down in reversed(windows):
        first, end = first * down // up - reach, -(-end * down // up) + reach
    return first, end


def _around(begin: int, stop: int, height: int) -> Iterator[tuple[int, int]]:
    """Rows [begin, stop) of an image that repeats itself, as pieces of the image."""
    while begin < stop:
        first = begin % height
        end = min(height, first + stop - begin)
        yield first, end
        begin += end - first


def _stacked(x: Rows, y: Rows) -> Rows:
    return Rows(
        x.channels + y.channels,
        x.height,
        x.width,
        lambda first, end: torch.cat([x.read(first, end), y.read(first, end)], 1),
    )
