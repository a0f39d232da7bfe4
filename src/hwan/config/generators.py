"""The generators: their options, and one record for each family. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Literal, get_args

from hwan.config.networks import NORM_RECORDS, Activation, NetworkConfig, Padding, Upsampling
from hwan.errors import Bound, Whole, check_options, require

GeneratorName = Literal["resnet", "unet", "bottleneck", "plain"]


@dataclass(frozen=True)
class GeneratorConfig(NetworkConfig):
    """The network that translates. Defaults: the CycleGAN paper's for 256x256 (appendix 7.2)."""

    name: GeneratorName = "resnet"
    """resnet: residual blocks between the halvings and the doublings; unet: pix2pix's, with a skip
    from each halving to its doubling; bottleneck: the same without the skips; plain: the resnet
    without its residual sums."""
    blocks: Whole = 9
    """Residual blocks of a resnet: 9 at 256x256, 6 at 128x128 in the paper."""
    downs: Whole = 2
    """Halvings, and doublings after. A U-Net takes many: 8 bring 256 pixels to one."""
    stem: Whole = 7
    """Kernel of a resnet's first and last convolution, odd."""
    padding: Padding = "reflect"
    """What surrounds an image at a convolution's border, everywhere but at the halvings (zero)."""
    strided_padding: Literal["symmetric", "same"] = "symmetric"
    """The zeros at halvings and transposed doublings: symmetric as in PyTorch, or TensorFlow's
    "same", which puts the odd one at the bottom and right."""
    down: Literal["strided", "blur"] = "strided"
    """A resnet's halvings. strided: convolve by steps of two; blur: convolve, then blur and halve,
    as CUT's code."""
    up: Upsampling = "transposed"
    """transposed: the papers' fractionally-strided convolution; nearest, bilinear: resize, then
    convolve, which makes no checkerboard; shuffle: four times the channels become twice the size."""
    input_skip: bool = False
    """A resnet's last convolution also sees the input image, so that what stays need not be drawn anew:
    backgrounds are kept from the first images on, and little is left of the dots that a generator draws
    that way."""
    activation: Activation = "relu"
    """After each norm. relu is the papers' (with leaky in a U-Net's halvings); any other is used
    everywhere but at the output."""
    dropout: Annotated[float, Bound(least=0, below=1)] = 0.0
    """Probability of dropping a value while training: inside residual blocks, or in a U-Net's
    deepest doublings."""
    test_dropout: bool = False
    """Go on dropping when translating, as pix2pix: its only source of variety."""
    test_batch_statistics: bool = False
    """Norms batch and whitening always use the batch's own statistics, also when translating, as
    pix2pix; no running statistics are kept."""
    last_init: Literal["same", "glorot"] = "same"
    """The last convolution's weights. same: as all others; glorot: uniform after Glorot, which
    Keras' example leaves there."""

    def __post_init__(self) -> None:
        check_options("generator", self)
        downs, least = self.downs, self.family.least_downs
        expected = f"generator.downs of at least {least} for {self.name}"
        require(downs >= least, expected, downs, f"give {least}")
        require(self.stem % 2 == 1, "an odd generator.stem", self.stem, "give 3, 5 or 7")
        acts = not self.dropout or self.family.dropout_places(self) > 0
        expected = f"{self.family.dropout_needs} for generator.dropout"
        shape = f"generator.name {self.name}, blocks {self.blocks}, downs {downs}"
        fix = "give as many, or --generator.dropout 0"
        require(acts, expected, f"{shape}, dropout {self.dropout}", fix)
        drops, fix = not self.test_dropout or self.dropout > 0, "give --generator.dropout 0.5"
        expected = "a generator.dropout above 0 for generator.test_dropout"
        require(drops, expected, self.dropout, fix)
        mixes = not self.test_batch_statistics or self.norm_record.mixes_batch
        norms = [name for name, norm in NORM_RECORDS.items() if norm.mixes_batch]
        expected = f"a generator.norm {' or '.join(norms)} for generator.test_batch_statistics"
        require(mixes, expected, self.norm, "give --generator.no-test-batch-statistics")

    @property
    def family(self) -> GeneratorFamily:
        """The record of its family."""
        return GENERATOR_FAMILIES[self.name]

    @property
    def per_sample(self) -> bool:
        """Whether each image is treated by itself and nothing is drawn or counted in a call, so that
        one call on two batches equals two calls."""
        return not self.norm_record.updates_in_forward and not self.dropout

    @property
    def can_checkpoint(self) -> bool:
        """Whether speed.gradient_checkpointing has an effect and leaves the result alone: it recomputes
        blocks, and running estimates must move once."""
        return self.family.gradient_checkpointing and not self.norm_record.updates_in_forward

    @property
    def sizes(self) -> tuple[int, int]:
        """(multiple, least): images have sides that are a multiple of the one, from the other up."""
        return self.family.sizes(self)

    def normed_side(self, size: int) -> int:
        """Side of the smallest normalised layer at images of side ``size``, pixels."""
        return self.family.normed_side(self, size)


@dataclass(frozen=True)
class GeneratorFamily:
    """All that rules and other rooms ask about a generator's name; ``hwan.nets.GENERATORS`` builds it."""

    sizes: Callable[[GeneratorConfig], tuple[int, int]]
    """(multiple, least) of the sides that it takes."""
    normed_side: Callable[[GeneratorConfig, int], int]
    """Side of the smallest normalised layer at images of a side, pixels."""
    options: tuple[str, ...] = ()
    """The options that it reads, besides those that every network or generator reads."""
    padded_ups: tuple[Upsampling, ...] = get_args(Upsampling)
    """The values of ``up`` with which it reads ``padding`` (a U-Net pads only what follows a resize)."""
    least_downs: int = 0
    dropout_places: Callable[[GeneratorConfig], int] = lambda config: 0
    """How many layers ``dropout`` adds."""
    dropout_needs: str = "a generator.name that has it"
    """With what that is above 0, in words."""
    skips: bool = True
    """It has its family's skip connections."""
    gradient_checkpointing: bool = False
    """speed.gradient_checkpointing changes how it trains."""
    features: bool = False
    """``hwan.nets.resnet.features`` reads its layers, which cut compares."""
    fast_convolutions: bool = False
    """speed.fast_kernels speeds up most of its convolutions, by many short-lived tensors."""


def _resnet_sizes(config: GeneratorConfig) -> tuple[int, int]:
    # Two pixels at the deepest level, which reflection padding by one and instance norm both need, and
    # as many as the stem's reflection takes.
    multiple: int = 2**config.downs
    least = max(2 * multiple, config.stem // 2 + 1)
    return multiple, -(-least // multiple) * multiple


def _unet_sizes(config: GeneratorConfig) -> tuple[int, int]:
    # Down to one pixel, where there is no norm; only pixel shuffle pads there, and reflection needs a
    # second pixel.
    multiple: int = 2**config.downs
    reflects = config.up == "shuffle" and config.padding == "reflect"
    return multiple, 2 * multiple if reflects else multiple


_RESNET = GeneratorFamily(
    sizes=_resnet_sizes,
    normed_side=lambda config, size: size // 2**config.downs,
    options=("downs", "blocks", "stem", "padding", "strided_padding", "down", "up", "input_skip"),
    dropout_places=lambda config: config.blocks,
    dropout_needs="generator.blocks of at least 1",
    gradient_checkpointing=True,
    features=True,
    fast_convolutions=True,
)
_UNET = GeneratorFamily(
    sizes=_unet_sizes,
    normed_side=lambda config, size: size // 2 ** (config.downs - 1),
    options=("downs", "padding", "strided_padding", "up"),
    padded_ups=("nearest", "bilinear", "shuffle"),
    least_downs=2,
    dropout_places=lambda config: config.downs - 5,
    dropout_needs="generator.downs of at least 6",
)
GENERATOR_FAMILIES: dict[GeneratorName, GeneratorFamily] = {
    "resnet": _RESNET,
    "unet": _UNET,
    "bottleneck": replace(_UNET, skips=False),
    "plain": replace(_RESNET, skips=False),
}


def families(can: Callable[[GeneratorFamily], bool]) -> str:
    """The names of the families that ``can``, for an error: "resnet or plain"."""
    return " or ".join(name for name, family in GENERATOR_FAMILIES.items() if can(family))
