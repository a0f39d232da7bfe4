"""Applies the switches of ``config.speed`` to a method: other ways to compute the same, but for rounding."""

from __future__ import annotations

import torch
from torch import nn

from hwan.config import Config
from hwan.errors import require
from hwan.methods.base import OptimizerGroup
from hwan.nets.fast.switch import use_fast_kernels
from hwan.nets.resnet import Resnet
from hwan.runtime import keep_freed_memory


def apply_speed(method: nn.Module, config: Config, device: torch.device, precision: str) -> None:
    """Turn on what ``config.speed`` asks for, in place. Raises ``UsageError`` where it cannot be."""
    speed = config.speed
    _check(config, device, precision)
    if device.type == "cuda":
        # Global switches, as torch has them; crops have one size, so cuDNN may try what is fastest.
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = speed.tf32
        torch.backends.cuda.matmul.allow_tf32 = speed.tf32
    mixed = device.type == "cuda" and precision != "fp32"
    if speed.channels_last == "on" or (speed.channels_last == "auto" and mixed):
        method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for module in method.modules():
        if isinstance(module, Resnet):
            module.checkpointing = speed.gradient_checkpointing
    if device.type == "cpu":
        keep_freed_memory()
        fast = speed.fast_kernels and not speed.compile and speed.channels_last != "on"
        use_fast_kernels(method, fast)


def compile_networks(groups: tuple[OptimizerGroup, ...], config: Config) -> None:
    """Compile every network in place where ``config.speed`` asks for it; weights keep their names."""
    if config.speed.compile:
        for group in groups:
            for network in group.networks:
                # (``Module.compile`` leaves out a module that torch's own code calls, as a Sequential does.)
                network.forward = torch.compile(network.forward, dynamic=False)


def _check(config: Config, device: torch.device, precision: str) -> None:
    speed, generator, loss = config.speed, config.generator, config.loss
    if speed.cuda_graph:
        leave = "leave speed.cuda_graph out"
        require(device.type == "cuda", "a CUDA device for speed.cuda_graph", device.type, leave)
        draws = config.record.decides_on_host or loss.gan == "wgan-gp" or loss.diffaugment
        whitens = generator.norm_record.whitens or config.discriminator.norm_record.whitens
        # Fused Adam skips a step by itself where it must.
        scales = precision == "fp16" and not speed.fused_adam
        require(
            config.train.accumulate == 1 and not (draws or whitens or scales),
            "a step that decides nothing on the host for speed.cuda_graph: not with train.accumulate, "
            "cut, dcl, wgan-gp, diffaugment or whitening, and in fp16 only with speed.fused_adam",
            f"{precision}, accumulate {config.train.accumulate}, method {config.method}, "
            f"loss.gan {loss.gan}, diffaugment {loss.diffaugment}, "
            f"norms {generator.norm} and {config.discriminator.norm}, fused {speed.fused_adam}",
            f"{leave}, or a larger --train.batch in place of --train.accumulate",
        )
