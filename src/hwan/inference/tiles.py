"""A generator applied to an image larger than memory, strip by strip and layer by layer, without seams.

A norm over a whole image (instance, layer, group) has to see all of it before anything after it can be
computed; everything else is local. So the network is cut at its convolutions: each part (norm,
activation, padding, convolution) runs over strips of full-width rows, read with as many more rows as its
kernels reach. What it makes goes to a temporary file, and its mean and variance are gathered on the way.
The next part's norm then has the statistics of the whole image, exactly. Every layer is computed once.
``hwan.nets.strips`` declares how each layer runs in strips.

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

from hwan.errors import UsageError, require
from hwan.nets.strips import Chain, Local, OwnStatistics, in_strips

CHANNELS = 64  # a strip of ``tile`` holds tile x tile pixels of so many channels


@dataclass(frozen=True)
class FeatureMap:
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
        mean, scale, shift = (v.to(like)[:, None, None] for v in (mean, scale, shift))
        self.mean, self.scale, self.shift = mean, scale, shift

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return (x - self.mean) * self.scale + self.shift


@dataclass(frozen=True)
class Deferred:
    """``layers`` still to be applied to ``source``; among them at most one convolution."""

    source: FeatureMap
    layers: tuple[tuple[nn.Module, Local], ...] = ()


@torch.inference_mode()
def strips(net: nn.Module, image: FeatureMap, tile: int) -> Iterator[Float[Tensor, "1 c h w"]]:
    """What ``net`` makes of ``image``, in strips from the top to the bottom.

    ``net`` is a generator in evaluation mode, of layers that ``hwan.nets.strips`` declares; the image's
    sides fit it. Strips hold about ``tile`` x ``tile`` pixels, so memory does not grow with the image
    (beyond 64 tile pixels of width). Equal to ``net`` on the whole image but for the rounding of sums.

    Raises ``UsageError`` for a layer that is not declared or cannot run in strips, before anything is
    computed, and where the disk is full.
    """
    _check(net)
    run = Run(CHANNELS * tile * tile, next(net.parameters()))
    try:
        yield from run.strips(run.through(net, Deferred(image)))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        wanted, received = "room for layers in a temporary file", f"no space in {gettempdir()}"
        raise UsageError(wanted, received, "set TMPDIR to a folder on a larger disk") from error


def _check(net: nn.Module) -> None:
    """Raise ``UsageError`` for the first layer that cannot run in strips."""
    declared = in_strips(net)
    if declared is None:
        raise UsageError(
            "layers that hwan.nets.strips declares, as an image is translated in strips",
            f"{str(net).splitlines()[0]}, of {type(net).__module__}",
            "translate a smaller image at once, without --tile; or declare in hwan/nets/strips.py how the "
            "layer runs in strips. Whitening cannot: train without generator.test_batch_statistics",
        )
    for layer in declared.layers if isinstance(declared, Chain) else ():
        _check(layer)


@dataclass(frozen=True)
class Run:
    """One run of a network: ``values`` a strip may hold, and a tensor of the network's device."""

    values: int
    like: Tensor

    def through(self, layer: nn.Module, x: Deferred) -> Deferred:
        """``x`` with ``layer`` applied or deferred."""
        declared = in_strips(layer)
        if isinstance(declared, Chain):
            start = x = Deferred(self.computed(x)) if declared.join else x
            for inner in declared.layers:
                x = self.through(inner, x)
            if declared.join == "add":
                return Deferred(self.computed(x, start.source))
            return Deferred(_stacked(start.source, self.computed(x))) if declared.join else x
        if isinstance(declared, OwnStatistics):
            source = self.computed(x)
            if source.moments is None:  # the image itself, or a skip and what it goes around
                source = self.computed(Deferred(source, ((nn.Identity(), Local()),)))
            m = source.moments
            assert m is not None
            norm = FixedNorm(layer, m.mean, m.squares / m.count, self.like)
            return Deferred(source, ((norm, Local()),))
        assert declared is not None
        # Two convolutions at once would each reach further; a strip that goes around the image's
        # edge (circular padding) fits no layer that stops there.
        before = [how for _, how in x.layers]
        second = (declared.channels or declared.pads) and any(how.channels for how in before)
        # And a layer that stops at the edge sees no further than the padding before it.
        clamps = declared.reach and not declared.channels and any(how.wraps for how in before)
        if second or clamps or (declared.wraps and any(how.reach for how in before)):
            x = Deferred(self.computed(x))
        return Deferred(x.source, (*x.layers, (layer, declared)))

    def computed(self, x: Deferred, plus: FeatureMap | None = None) -> FeatureMap:
        """The deferred layers' output (``plus`` added) in a file, with its moments."""
        if not x.layers and plus is None:
            return x.source
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
        return FeatureMap(channels, height, width, read, moments)

    def strips(
        self, x: Deferred, plus: FeatureMap | None = None
    ) -> Iterator[Float[Tensor, "1 c h w"]]:
        """The deferred layers' output, from the top to the bottom."""
        source, layers = x.source, [how for _, how in x.layers]
        up, down = math.prod(how.up for how in layers), math.prod(how.down for how in layers)
        height, width = source.height * up // down, source.width * up // down
        widest = max(source.channels * source.width, *(how.channels * width for how in layers), 1)
        step = max(1, self.values // widest * up // down)
        for first in range(0, height, step):
            end = min(height, first + step)
            begin, stop = _needed(layers, first, end)
            begin, stop = begin // down * down, -(-stop // down) * down
            if any(how.wraps for how in layers):
                pieces = _around(begin, stop, source.height)
                y = torch.cat([source.read(r, s) for r, s in pieces], 2)
            else:
                begin, stop = max(0, begin), min(source.height, stop)
                y = source.read(begin, stop)
            for layer, _ in x.layers:
                y = layer(y)
            size, names = tuple(y.shape[2:]), [type(layer).__name__ for layer, _ in x.layers]
            declared = ((stop - begin) * up // down, width)
            wanted = f"rows and columns {declared} of {names}, as hwan.nets.strips declares them"
            require(size == declared, wanted, size, "translate without --tile, or declare it right")
            shift = begin * up // down
            y = y[:, :, first - shift : end - shift]
            yield y if plus is None else y + plus.read(first, end)


def _needed(layers: list[Local], first: int, end: int) -> tuple[int, int]:
    """The input rows behind output rows [first, end), some of them beyond the image."""
    for how in reversed(layers):
        first = first * how.down // how.up - how.reach
        end = -(-end * how.down // how.up) + how.reach
    return first, end


def _around(begin: int, stop: int, height: int) -> Iterator[tuple[int, int]]:
    """Rows [begin, stop) of an image that repeats itself, as pieces of the image."""
    for top in range(begin // height * height, stop, height):
        yield max(begin - top, 0), min(stop - top, height)


def _stacked(x: FeatureMap, y: FeatureMap) -> FeatureMap:
    def read(first: int, end: int) -> Tensor:
        return torch.cat([x.read(first, end), y.read(first, end)], 1)

    return FeatureMap(x.channels + y.channels, x.height, x.width, read)
