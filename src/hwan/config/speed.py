"""``SpeedConfig``: techniques that change the time and memory of a training, not its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hwan.errors import Whole, check_options


@dataclass(frozen=True)
class SpeedConfig:
    """The defaults measured best (bench/README.md). Results differ by rounding alone."""

    batched: bool = True
    """Put images that pass through the same network into one batch (real and identity, real and fake).
    Only for networks that treat each image by itself: not with batch norm, whitening, spectral norm or
    dropout."""
    parallel_halves: bool = True
    """CPU only, from two cores on: compute both halves of cyclegan's objective at once, each on half of the
    cores. Needs speed.batched. Not with speed.compile, speed.gradient_checkpointing, train.accumulate or
    fp16."""
    fused_adam: bool = True
    """Update all weights by one pass of Adam."""
    fast_kernels: bool = True
    """CPU only: compute layers with fewer operations: wide 3x3 convolutions by Winograd's algorithm (fp32),
    convolutions from or to few channels row by row, instance norm as a group norm. Not with
    speed.compile or channels_last."""
    channels_last: Literal["auto", "on", "off"] = "auto"
    """Memory order of images and kernels (B, H, W, C); auto: where a GPU computes in bf16 or fp16."""
    compile: bool = False
    """torch.compile every network: a minute or more before the first step, faster ones after. Needs a
    C++ compiler on a CPU, Triton on a GPU."""
    cuda_graph: bool = False
    """CUDA only: record the whole step once and replay it, so that small images do not wait for
    Python. Not with train.accumulate, cut, dcl, wgan-gp, diffaugment or whitening, which decide on the host
    within a step."""
    tf32: bool = True
    """CUDA only: ten bits of mantissa inside fp32 convolutions and products."""
    gradient_checkpointing: bool = False
    """Do not keep what is inside a resnet's blocks and ends for the backward pass, but compute it again
    there: less memory, more time. For generators resnet and plain."""
    data: Literal["auto", "host", "device"] = "auto"
    """Where decoded images are kept. auto: on the GPU if all of them need at most a quarter of its free
    memory and are only cropped and mirrored, else on the host."""
    workers: Whole = 0
    """Greatest number of threads that prepare batches; 0: as many as cores. A thread is added only when
    the network waits for data."""

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
"""Every technique off: the step as the papers' code computes it."""
