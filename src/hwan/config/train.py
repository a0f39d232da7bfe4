"""The optimisation's options: ``TrainConfig``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from hwan.errors import Bound, Count, Share, Weight, Whole, check_options

Precision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class TrainConfig:
    """The optimisation. Progress is counted in images seen: pairs of one image of A and one of B."""

    epochs: Annotated[float, Bound(above=0)] = 200.0
    """Length of the training; an epoch shows every image of the larger domain once. Fractions are fine."""
    batch: Count = 1
    """Images of each domain in one forward pass."""
    accumulate: Count = 1
    """Batches whose gradients are averaged in a step: the memory of one, the step of many."""
    lr: Annotated[float, Bound(above=0, below=1)] = 2e-4
    """Learning rate of Adam."""
    beta1: Share = 0.5
    """Adam's decay of the mean gradient."""
    beta2: Share = 0.999
    """Adam's decay of the squared gradient."""
    decay: Annotated[float, Bound(least=0, most=1)] = 0.5
    """Share of the training after which the learning rate falls linearly to 0 (1: never)."""
    warmup: Annotated[int, Bound(least=-1)] = -1
    """Images at the beginning in which the discriminators learn and the generators are held; -1: 200 where
    new discriminators meet generators that were trained before (--from), else none."""
    pool: Whole = 50
    """Generated images kept to show the discriminators again; 0 shows only fresh ones."""
    ema: Weight = 0.0
    """Half-life, in images seen, of the averaged generators that are saved; 0 turns averaging off."""
    precision: Precision = "auto"
    """auto: bf16 on a GPU that has it, fp16 with loss scaling on one that has not, fp32 on a CPU."""
    best: Literal["", "swd", "kid", "fid", "ssim", "psnr", "l1"] = ""
    """Also keep in RUN/best the generators with the best value of this figure on the validation images,
    measured at every tick: swd, kid or fid of the outputs as a set; ssim, psnr or l1 where A and B are
    pairs."""
    patience: Whole = 0
    """End after so many ticks in a row without a better value of train.best in any direction (0: never)."""
    seed: Whole = 0
    """Seeds everything random: weights, order, crops, pool."""
    ticks: Count = 20
    """How many times in a training samples are drawn and the state is saved."""

    def __post_init__(self) -> None:
        check_options("train", self)
