"""What a training step will take, before one is run: its memory and its arithmetic.

The step itself is run on tensors without memory (torch's FakeTensorMode), so that any network, method
and option is counted as it is and nothing has to be kept in step with it.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import flop_registry

from hwan.config import Config
from hwan.data.loader import Batch
from hwan.training.state import Training
from hwan.training.steps.eager import step


@dataclass(frozen=True)
class StepCost:
    """What one step takes: bytes of tensors at its peak, bytes that stay between steps, and floating-point
    operations of convolutions and matrix products, forward and back."""

    peak: int
    kept: int
    flop: int


class TensorCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all living storages that operations made, and the operations' arithmetic by
    torch's own formulas. (``FlopCounterMode`` hooks modules, which fails in a gradient penalty: it runs
    a backward pass within a forward pass.)"""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.known = weakref.WeakSet[torch.UntypedStorage]()
        self.now = self.peak = self.flop = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.flop += count(*args, **(kwargs or {}), out_val=out)
        return tree_map_only(Tensor, self.see, out)

    def see(self, tensor: Tensor) -> Tensor:
        """Count the tensor's storage unless it is known."""
        storage = tensor.untyped_storage()
        if storage not in self.known:
            self.known.add(storage)
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self.gone, storage.nbytes())
        return tensor

    def gone(self, size: int) -> None:
        self.now -= size


def step_cost(config: Config) -> StepCost:
    """What a step of ``config`` takes, in the precision it names (auto: fp32).

    The third step is counted: by then the optimizers have their moments and the pools their full size.
    What libraries take inside an operation, and the process itself, are not counted.
    """
    config = plain(config)
    with FakeTensorMode(allow_non_fake_inputs=True), TensorCounter() as counter:
        training = Training(config, torch.device("cpu"))
        for pool in training.pools:
            pool.filled = -(10**9)  # never full: a full one draws, and fake tensors have no values
        micro = trial_batches(config)
        for _ in range(2):
            step(training, micro, config.train.lr)
        kept = counter.peak = counter.now
        counter.flop = 0
        step(training, micro, config.train.lr)
    return StepCost(counter.peak, kept, counter.flop)


def trial_batches(config: Config) -> list[Batch]:
    """Black images for one step of ``config``."""
    data, train = config.data, config.train
    shape = train.batch, data.size, data.size
    a = torch.zeros(*shape, data.inputs_a, dtype=torch.uint8)
    b = torch.zeros(*shape, data.channels_b, dtype=torch.uint8)
    return [Batch(a, b, Batch(a, b) if config.loss.paired else None)] * train.accumulate


def noise_batches(config: Config) -> list[Batch]:
    """``trial_batches`` of noise: zeros compute faster than images do."""
    return [batch.mapped(Tensor.random_) for batch in trial_batches(config)]


def plain(config: Config) -> Config:
    """``config`` without cheap parts that need tensors with values, and with plain convolutions, so that
    the networks' own arithmetic is counted."""
    precision = "fp32" if config.train.precision == "auto" else config.train.precision
    speed = replace(config.speed, compile=False, cuda_graph=False, fast_kernels=False)
    # Fake weights cannot change their memory order; without fused Adam the scaler of fp16 reads a value.
    fused = speed.fused_adam or precision == "fp16"
    return replace(
        config,
        generator=replace(config.generator, init="normal"),
        discriminator=replace(config.discriminator, init="normal"),
        loss=replace(config.loss, diffaugment=(), flip_equivariance=False),
        train=replace(config.train, precision=precision, ema=0.0),
        speed=replace(speed, channels_last="off", fused_adam=fused),
    )
