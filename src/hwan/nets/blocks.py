"""The parts networks are made of: padding, convolution, upsampling, activation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, dropout, pad

from hwan.config import GeneratorConfig
from hwan.config.networks import Activation, Padding
from hwan.nets.fast.convs import PaddedConv2d
from hwan.nets.norms import NetConfig, constrain, norm_layer


class ReflectionPad2d(nn.ReflectionPad2d):
    """Autocast on a CPU pads in fp32, so it casts to fp32 and back. With ``fast`` nothing is cast."""

    fast = False

    def forward(self, input: Tensor) -> Tensor:
        if not self.fast:
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input)


PADDINGS: dict[Padding, Callable[[int], nn.Module]] = {
    "reflect": ReflectionPad2d,
    "replicate": nn.ReplicationPad2d,
    "zero": nn.ZeroPad2d,
    "circular": nn.CircularPad2d,
}
ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky": lambda: nn.LeakyReLU(0.2),
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def _same(conv: nn.Conv2d | nn.ConvTranspose2d) -> tuple[int, int]:
    """The pixels before and after an image that padding "same" adds."""
    both = conv.kernel_size[0] - conv.stride[0]
    return both // 2, both - both // 2


class SameConv2d(nn.Conv2d):
    """TensorFlow's padding "same": zeros of kernel - stride in all, the odd one at the bottom and right.

    Equal to it for sides that are multiples of the stride (others it would round up, this down).
    """

    def forward(self, input: Float[Tensor, "b ci y x"]) -> Float[Tensor, "b co h w"]:
        before, after = _same(self)
        return super().forward(pad(input, [before, after, before, after]))


class SameTransposed2d(nn.ConvTranspose2d):
    """The adjoint of ``SameConv2d``, as Keras' Conv2DTranspose: what "same" padded is cut off.

    PyTorch's usual form of the same size (padding 1, output_padding 1) cuts the other end, and its
    output lies one pixel further to the top and left.
    """

    def forward(
        self, input: Float[Tensor, "b ci y x"], output_size: list[int] | None = None
    ) -> Float[Tensor, "b co h w"]:
        full = super().forward(input, output_size)
        before, after = _same(self)
        return full[:, :, before : full.shape[2] - after, before : full.shape[3] - after]


class ShuffleConv2d(nn.Conv2d):
    """A convolution whose output pixel shuffle spreads out; ``initialise`` knows it by its class."""


class Blur(nn.Module):
    """Binomial blur of three pixels at every second pixel: (B, C, H, W) to (B, C, H/2, W/2).

    Halving after a blur does not alias (Zhang 2019, section 3); by reflection at the border, as
    CUT's code.
    """

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([0.25, 0.5, 0.25])
        kernel = torch.outer(row, row).repeat(channels, 1, 1, 1)
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Float[Tensor, "b c y x"]) -> Float[Tensor, "b c h w"]:
        padded = pad(x, [1, 1, 1, 1], "reflect")
        return conv2d(padded, self.kernel, stride=2, groups=len(self.kernel))


class AlwaysDropout(nn.Dropout):
    """Dropout while training and when translating: pix2pix's noise z (Isola et al. 2017, section 3.1).

    It draws from torch's own random generator, so two translations of one image differ.
    """

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return dropout(input, self.p, training=True)


def dropout_layers(config: GeneratorConfig) -> list[nn.Module]:
    """None, or one dropout layer, off or on when translating as the config says."""
    if not config.dropout:
        return []
    return [AlwaysDropout(config.dropout) if config.test_dropout else nn.Dropout(config.dropout)]


def norm_and_activation(config: NetConfig, channels: int) -> list[nn.Module]:
    """What follows a convolution, (B, channels, H, W) to the same."""
    return [norm_layer(config, channels), ACTIVATIONS[config.activation]()]


def padded_conv(
    config: GeneratorConfig, channels_in: int, channels_out: int, kernel: int, bias: bool = True
) -> list[nn.Module]:
    """Pad by half the kernel, then convolve: the size stays."""
    conv = PaddedConv2d(channels_in, channels_out, kernel, bias=bias)
    return [PADDINGS[config.padding](kernel // 2), constrain(conv, config.norm)]


def zero_conv(
    config: NetConfig, channels_in: int, channels_out: int, kernel: int, stride: int, bias: bool
) -> nn.Module:
    """A convolution with zeros around: one pixel on every side, or TensorFlow's "same"."""
    padding = config.strided_padding if isinstance(config, GeneratorConfig) else config.padding
    kind, zeros = (SameConv2d, 0) if padding == "same" else (nn.Conv2d, 1)
    return constrain(kind(channels_in, channels_out, kernel, stride, zeros, bias=bias), config.norm)


def doubling(
    config: GeneratorConfig, channels_in: int, channels_out: int, kernel: int, bias: bool
) -> list[nn.Module]:
    """Layers that double the size: (B, channels_in, H, W) to (B, channels_out, 2 H, 2 W).

    "transposed" is the papers' fractionally-strided convolution, the only one to use ``kernel`` (3 in
    the ResNet, 4 in the U-Net). "shuffle" is of Shi et al. 2016, section 3.2. "nearest" and "bilinear"
    resize and then convolve (Odena et al. 2016, "Deconvolution and Checkerboard Artifacts"); "bilinear"
    doubles as CUT's blurred upsampling does.
    """
    if config.up == "transposed":
        same = config.strided_padding == "same"
        kind, cut, more = (SameTransposed2d, 0, 0) if same else (nn.ConvTranspose2d, 1, kernel % 2)
        conv = kind(channels_in, channels_out, kernel, 2, cut, more, bias=bias)
        return [constrain(conv, config.norm)]
    if config.up == "shuffle":
        spread = constrain(ShuffleConv2d(channels_in, 4 * channels_out, 3, bias=bias), config.norm)
        return [PADDINGS[config.padding](1), spread, nn.PixelShuffle(2)]
    resize = nn.Upsample(scale_factor=2, mode=config.up)
    return [resize, *padded_conv(config, channels_in, channels_out, 3, bias)]
