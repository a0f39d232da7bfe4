"""How a training is computed, never what: techniques that cost or save time and memory, one switch each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hwan.errors import Whole, check_options

Switch = Literal["auto", "on", "off"]


@dataclass(frozen=True)
class SpeedConfig:
    """Defaults are what measured best (bench/README.md); results differ by rounding alone."""

    batched: bool = True
    """One call of a network for images that go through it anyway (real and identity, real and fake),
    where it treats each by itself; batch norm, whitening, spectral norm and dropout keep two calls."""
    parallel_halves: bool = True
    """CPU only: both halves of cyclegan's objective at once, on half of the cores each. Not of compiled
    networks."""
    fused_adam: bool = True
    """Adam in one pass over all weights."""
    fast_kernels: bool = True
    """CPU only: layers by formulas of fewer operations: wide 3x3 convolutions by Winograd's products
    (fp32), those from or to few channels row by row, instance norm as a group norm. Not in compiled
    networks, nor with channels_last."""
    channels_last: Switch = "auto"
    """Memory order of images and kernels (B, H, W, C); auto: where a GPU computes in bf16 or fp16."""
    compile: bool = False
    """torch.compile every network: a minute or more before the first step, faster ones after. Needs a
    C++ compiler on a CPU, Triton on a GPU."""
    cuda_graph: bool = False
    """CUDA only: record the whole step once and replay it, so that small images do not wait for
    Python. Not with train.accumulate, cut, wgan-gp, diffaugment or whitening, which decide on the host
    within a step."""
    tf32: bool = True
    """CUDA only: ten bits of mantissa inside fp32 convolutions and products."""
    gradient_checkpointing: bool = False
    """Forget what is inside a resnet's blocks and ends, and compute it again on the way back: less
    memory, more time."""
    data: Literal["auto", "host", "device"] = "auto"
    """Where decoded images wait. auto: on the GPU where the whole set takes a quarter of its free memory
    at most and is only cropped and mirrored; else on the host."""
    workers: Whole = 0
    """Most threads that prepare batches; 0: as many as cores, taken on only when the network waits."""

    def __post_init__(self) -> None:
        check_options("speed", self)


PLAIN = SpeedConfig(
    batched=False,
    parallel_halves=False,
    fused_adam=False,
    fast_kernels=False,
    channels_last="off",
    tf32=False,
    data="host",
)
"""No technique at all: the step as the papers' code computes it."""
