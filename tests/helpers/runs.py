"""Run folders as a training leaves them, without a training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

import hwan.config
import tiny
from hwan.config import Config, DataConfig, GeneratorConfig, LossConfig
from hwan.imaging.pixels import save
from hwan.nets import build_generator
from hwan.nets.folder import GeneratorSpec, save_generator

NET = GeneratorConfig(filters=6, blocks=0, downs=0, stem=1, norm="none")


def fill(net: nn.Module, kind: str) -> None:
    """``negative``: tanh(-x) of every channel; ``constant``: one grey for everything."""
    first, last = (m for m in net.modules() if isinstance(m, nn.Conv2d))
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()
        if kind == "constant":
            last.bias.fill_(0.5)  # type: ignore[union-attr]
        for c in range(last.out_channels if kind == "negative" else 0):
            first.weight[2 * c, c % first.in_channels] = 1
            first.weight[2 * c + 1, c % first.in_channels] = -1
            last.weight[c, 2 * c], last.weight[c, 2 * c + 1] = -1, 1


def make_run(run: Path, data: Path, ab: str = "negative", ba: str = "negative", a: int = 3) -> Path:
    """A run folder as a training leaves it, with generators that do what `ab` and `ba` name."""
    config = Config(
        data=DataConfig(size=32, channels_a=a),
        generator=NET,
        discriminator=tiny.config().discriminator,
        loss=LossConfig(identity=0),
    )
    run.mkdir()
    hwan.config.save(config, run / "config.json")
    (run / "data.json").write_text(json.dumps({"data": [str(data)]}))
    row = {
        "images": 3,
        "total": 6,
        "lr": 2e-4,
        "images_per_second": 1.5,
        "losses": {"gan_ab": 0.5, "d_a": 0.25, "cycle_a": 2.0},
        "health": {"diversity_ab": 0.9},
    }
    rows = [row, {**row, "images": 6, "health": {"diversity_ab": float("nan")}}]
    (run / "log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    save(np.full((20, 40, 3), 99, np.uint8), run / "samples" / "000006.png")
    for direction, kind in (("ab", ab), ("ba", ba)):
        cin, cout = (a, 3) if direction == "ab" else (3, a)
        net = build_generator(NET, cin, cout)
        fill(net, kind)
        spec = GeneratorSpec(NET, cin, cout, direction, (32, 32), 6, "cyclegan")
        save_generator(run / f"generator_{direction}", net, spec)
    return run
