"""The switches of ``config.speed`` put to work on a method and its optimisers."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from hwan.config import Config
from hwan.config.networks import TOGETHER
from hwan.errors import rule
from hwan.methods.base import Player
from hwan.nets.fast.switch import quick_forms
from hwan.nets.resnet import Resnet
from hwan.runtime import keep_freed


def quicken(method: nn.Module, config: Config, device: torch.device, precision: str) -> None:
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
            module.forgets = speed.checkpoint
    if device.type == "cpu":
        keep_freed()
        quick_forms(method, speed.forms and not speed.compile and speed.channels_last != "on")


def compile_networks(players: tuple[Player, ...], config: Config) -> None:
    """Compile every network in place where ``config.speed`` asks for it; weights keep their names."""
    if config.speed.compile:
        for player in players:
            for network in player.networks:
                # (``Module.compile`` leaves out what is called by torch's own code, as by a Sequential.)
                network.forward = torch.compile(network.forward, dynamic=False)


def adam(weights: list[nn.Parameter], config: Config, device: torch.device) -> torch.optim.Adam:
    """Adam (Kingma and Ba 2015) over a player's weights."""
    train, speed = config.train, config.speed
    # What a recorded step reads it reads from the device: the learning rate and the count of steps.
    lr: Any = torch.tensor(train.lr, device=device) if speed.graph else train.lr
    return torch.optim.Adam(
        weights,
        lr,
        (train.beta1, train.beta2),
        fused=speed.fused or None,
        capturable=speed.graph,
    )


def load_adam(optimiser: torch.optim.Adam, state: dict[str, Any]) -> None:
    """Load a state saved under any switches and on any device: only its moments and counts."""
    groups = [
        {**own, "params": saved["params"]}
        for own, saved in zip(optimiser.param_groups, state["param_groups"], strict=True)
    ]
    optimiser.load_state_dict({**state, "param_groups": groups})


def _check(config: Config, device: torch.device, precision: str) -> None:
    speed, generator = config.speed, config.generator
    if speed.checkpoint:
        rule(
            not generator.is_unet,
            "speed.checkpoint forgets what is inside a resnet",
            f"generator.name {generator.name}",
            "take generator.name resnet or plain, or a smaller train.batch with train.accumulate",
        )
        rule(
            generator.norm not in TOGETHER,
            "speed.checkpoint computes blocks twice, and running estimates must move once",
            f"generator.norm {generator.norm}",
            "take another norm, or leave speed.checkpoint out",
        )
    if speed.graph:
        draws = config.method == "cut" or config.loss.gan == "wgan-gp" or config.loss.diffaugment
        whitens = "whitening" in (generator.norm, config.discriminator.norm)
        rule(
            device.type == "cuda",
            "speed.graph records CUDA work",
            f"device {device.type}",
            "leave speed.graph out",
        )
        # Fused Adam skips a step by itself where it must.
        scales = precision == "fp16" and not speed.fused
        rule(
            config.train.accumulate == 1 and not (draws or whitens or scales),
            "speed.graph replays a step of which nothing is decided on the host: not with "
            "train.accumulate, cut, wgan-gp, diffaugment or whitening, and in fp16 only with speed.fused",
            f"{precision}, accumulate {config.train.accumulate}, method {config.method}, "
            f"loss.gan {config.loss.gan}, diffaugment {config.loss.diffaugment}, "
            f"norms {generator.norm} and {config.discriminator.norm}, fused {speed.fused}",
            "leave speed.graph out, or a larger --train.batch in place of --train.accumulate",
        )
