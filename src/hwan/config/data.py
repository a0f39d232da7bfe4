"""The images' options: ``DataConfig``, and ``PixelFormat``, what the pixels of a domain are. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from hwan.errors import at_least, require

Depth = Literal["8", "16", "float"]
ValueRange = tuple[float, float]
UNIT: ValueRange = (0.0, 1.0)
Pairing = Literal["none", "names", "sides", "self"]


def _check_range(name: str, depth: Depth, value_range: ValueRange) -> None:
    """A range of values rises, is finite, and is only declared of floats."""
    low, high = value_range
    require(
        math.isfinite(high - low) and low < high,
        f"{name} is two numbers, the lower first",
        value_range,
        "give -1000 2000, say",
    )
    require(
        depth == "float" or tuple(value_range) == UNIT,
        f"{name} is declared for depth float; 8 bit is 0..255 and 16 bit 0..65535",
        f"depth {depth}, range {value_range}",
        "give depth float, or leave the range out",
    )


@dataclass(frozen=True)
class PixelFormat:
    """What the pixels of a domain are: arrays (H, W, ``channels``) of uint8 in 0..255 (depth 8), of
    uint16 in 0..65535 (16), or of float32 in ``range`` (float). All become -1..1 for a network."""

    channels: int = 3
    depth: Depth = "8"
    range: ValueRange = UNIT

    def __post_init__(self) -> None:
        at_least("kind", self, channels=1)
        _check_range("kind.range", self.depth, self.range)

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

    size: int = 256
    """Side of the square training crop, pixels."""
    resize: int = 0
    """Side images are resized to before the random crop, pixels; 0: 286/256 of the size, as the papers."""
    fit: Literal["cover", "stretch"] = "cover"
    """cover: resize the shorter side and keep the shape; stretch: squash to a square, as the reference."""
    flip: bool = True
    """Mirror left and right at random, drawn anew each time an image is seen."""
    rotate: float = 0.0
    """Turn by up to so many degrees either way at random; the borders are reflected."""
    jitter: float = 0.0
    """Change brightness, contrast and saturation by a factor of 1 minus to 1 plus this, at random."""
    channels_a: int = 3
    """Channels of domain A: 1 (grey), 3 (colour) or any other number."""
    channels_b: int = 3
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
    """How A and B belong together: not at all; by file names; side by side in one file; or self: each
    image is both (grey to colour)."""
    swap: bool = False
    """Exchange A and B."""
    val: float = 0.0
    """Share of the training images set aside, by their names, to choose the best checkpoint by
    (train.best); 0: the folders valA and valB, of pairs in one file val."""
    strict: bool = False
    """Fail on the first broken image file, instead of skipping and counting it."""

    def __post_init__(self) -> None:
        at_least("data", self, size=8, resize=0, rotate=0, jitter=0)
        require(self.jitter <= 1, "data.jitter is at most 1", self.jitter, "give 0.2, say")
        require(
            self.resize == 0 or self.resize >= self.size,
            "data.resize is at least data.size",
            f"resize {self.resize}, size {self.size}",
            f"give --data.resize {self.size} or more, or 0 for the papers' ratio",
        )
        require(
            0 <= self.val < 1, "data.val is a share, 0 or more and below 1", self.val, "give 0.1"
        )
        at_least("data", self, channels_a=1, channels_b=1)
        _check_range("data.range_a", self.depth_a, self.range_a)
        _check_range("data.range_b", self.depth_b, self.range_b)

    @property
    def format_a(self) -> PixelFormat:
        """What domain A's pixels are."""
        return PixelFormat(self.channels_a, self.depth_a, self.range_a)

    @property
    def format_b(self) -> PixelFormat:
        """What domain B's pixels are."""
        return PixelFormat(self.channels_b, self.depth_b, self.range_b)

    @property
    def resized(self) -> int:
        """The side images are resized to, pixels."""
        return self.resize or round(self.size * 286 / 256)
