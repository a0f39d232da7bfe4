"""The images' options: ``DataConfig``, and ``PixelFormat``, what the pixels of a domain are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from hwan.errors import Bound, Count, Share, Weight, Whole, check_options, require

Depth = Literal["8", "16", "float"]
ValueRange = tuple[float, float]
UNIT: ValueRange = (0.0, 1.0)
HINT_CHANNELS = 4
"""Of colour hints beside a picture: red, green, blue, and where a hint is."""
Pairing = Literal["none", "names", "sides", "self"]


def _check_range(name: str, depth: Depth, value_range: ValueRange) -> None:
    """Refuse a range of values that does not rise, is not finite, or is given for integers."""
    low, high = value_range
    expected = f"two finite numbers for {name}, the lower first"
    require(0 < high - low < math.inf, expected, value_range, "give -1000 2000, say")
    given, fix = f"depth {depth}, range {value_range}", "give depth float, or leave the range out"
    require(depth == "float" or tuple(value_range) == UNIT, f"depth float for {name}", given, fix)


@dataclass(frozen=True)
class PixelFormat:
    """What the pixels of a domain are: arrays (H, W, ``channels``) of uint8 in 0..255 (depth 8), of
    uint16 in 0..65535 (16), or of float32 in ``range`` (float). All become -1..1 for a network."""

    channels: Count = 3
    depth: Depth = "8"
    range: ValueRange = UNIT

    def __post_init__(self) -> None:
        check_options("pixels", self)
        _check_range("pixels.range", self.depth, self.range)

    @property
    def limits(self) -> str:
        """The range in words."""
        low, high = {"8": (0, 255), "16": (0, 65535), "float": self.range}[self.depth]
        return f"{low:g} to {high:g}"

    def __str__(self) -> str:
        depth = f"float {self.limits}" if self.depth == "float" else f"{self.depth} bit"
        return f"{self.channels} x {depth}"


@dataclass(frozen=True)
class DataConfig:
    """How images become training crops."""

    size: Annotated[int, Bound(least=8)] = 256
    """Side of the square training crop, pixels."""
    resize: Whole = 0
    """Side images are resized to before the random crop, pixels; 0: 286/256 of the size, as the papers."""
    fit: Literal["cover", "stretch"] = "cover"
    """cover: resize the shorter side and keep the shape; stretch: squash to a square, as the reference."""
    flip: bool = True
    """Mirror left and right at random, drawn anew each time an image is seen."""
    rotate: Weight = 0.0
    """Turn by up to so many degrees either way at random; the borders are reflected."""
    jitter: Annotated[float, Bound(least=0, most=1)] = 0.0
    """Change brightness, contrast and saturation by a factor of 1 minus to 1 plus this, at random."""
    channels_a: Count = 3
    """Channels of domain A: 1 (grey), 3 (colour) or any other number."""
    channels_b: Count = 3
    """Channels of domain B: 1 (grey), 3 (colour) or any other number."""
    depth_a: Depth = "8"
    """Depth of domain A's values: 8 or 16 bit, or float."""
    depth_b: Depth = "8"
    """Depth of domain B's values: 8 or 16 bit, or float."""
    range_a: ValueRange = UNIT
    """Least and greatest value of domain A, where its depth is float (CT: -1000 2000)."""
    range_b: ValueRange = UNIT
    """Least and greatest value of domain B, where its depth is float."""
    pairs: Pairing = "none"
    """How A and B belong together. none: not at all; names: by their files' names; sides: side by side in
    one file; self: each image is both (grey to colour)."""
    hints: Whole = 0
    """Most colour hints that a training image is given: small squares of its truth's colour, beside the image
    itself (pix2pix, colourise). The generator then takes hints from its user; 0: none."""
    swap: bool = False
    """Exchange A and B."""
    val: Share = 0.0
    """Share of the training images, chosen by their names, that is set aside to choose the best generators
    by (train.best); 0: the folders valA and valB (val where both images of a pair are in one file)."""
    mask_a: str = ""
    """Folder of masks of domain A's training images: white is what may change; "": trainA_mask."""
    mask_b: str = ""
    """Folder of masks of domain B's training images; "": trainB_mask."""
    strict: bool = False
    """Fail on the first broken image file, instead of skipping and counting it."""

    def __post_init__(self) -> None:
        check_options("data", self)
        received = f"resize {self.resize}, size {self.size}"
        fix = f"give --data.resize {self.size} or more, or 0 for the papers' ratio"
        require(self.resized >= self.size, "data.resize of at least data.size", received, fix)
        _check_range("data.range_a", self.depth_a, self.range_a)
        _check_range("data.range_b", self.depth_b, self.range_b)
        kinds = f"A of depth {self.depth_a}, B {self.format_b}"
        fits = self.depth_a == self.depth_b == "8" and self.channels_b == 3
        expected = "8-bit images, B in colour, for data.hints"
        require(fits or not self.hints, expected, kinds, "leave data.hints out")

    @property
    def format_a(self) -> PixelFormat:
        """What domain A's pixels are."""
        return PixelFormat(self.channels_a, self.depth_a, self.range_a)

    @property
    def format_b(self) -> PixelFormat:
        """What domain B's pixels are."""
        return PixelFormat(self.channels_b, self.depth_b, self.range_b)

    @property
    def inputs_a(self) -> int:
        """Channels that a training's generator reads of an image of A: its own, and its hints."""
        return self.channels_a + (HINT_CHANNELS if self.hints else 0)

    @property
    def resized(self) -> int:
        """The side images are resized to, pixels."""
        return self.resize or round(self.size * 286 / 256)
