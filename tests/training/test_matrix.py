"""Every allowed method x generator x norm x padding x objective trains, is saved, and comes back the
same; what is not allowed says the rule."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from hwan.config import (
    Config,
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    LossConfig,
    TrainConfig,
)
from hwan.data.loader import Batch
from hwan.errors import UsageError
from hwan.inference.translate import load
from hwan.training.loop import loop
from hwan.training.recorder import save_generators
from hwan.training.state import Training

SIZE = 16
METHODS = ("cyclegan", "gan", "pix2pix", "cut", "dcl")
GENERATORS = ("resnet", "unet", "bottleneck", "plain")
NORMS = (
    "instance",
    "instance-affine",
    "batch",
    "layer",
    "group",
    "whitening",
    "weight",
    "spectral",
    "none",
)
PADDINGS = ("reflect", "replicate", "zero", "circular")
OBJECTIVES = ("lsgan", "nonsaturating", "minimax", "hinge", "wgan-gp")
REFUSED: dict[str, Callable[[str, str, str, str], bool]] = {
    "whose features method": lambda method, generator, norm, gan: (
        method in ("cut", "dcl") and generator in ("unet", "bottleneck")
    ),
    "for wgan-gp and r1": lambda method, generator, norm, gan: (
        gan == "wgan-gp" and norm in ("batch", "whitening")
    ),
}


def config(method: str, generator: str, norm: str, padding: str, gan: str) -> Config:
    net: dict[str, Any] = {"norm": norm, "filters": 4, "whitening_channels": 2}
    loss: dict[str, Any] = {"gan": gan, "nce_patches": 8}
    options: dict[str, Any] = {
        "method": method,
        "data": DataConfig(size=SIZE, pairs="names" if method == "pix2pix" else "none"),
        "generator": GeneratorConfig(
            **{"name": generator, "blocks": 1, "downs": 2, "stem": 3, "padding": padding, **net}
        ),
        "discriminator": DiscriminatorConfig(layers=1, **net),
        "loss": LossConfig(**loss),
        "train": TrainConfig(pool=2, precision="fp32"),
    }
    return Config(**options)


def refusal(method: str, generator: str, norm: str, gan: str) -> str:
    return next(
        (rule for rule, holds in REFUSED.items() if holds(method, generator, norm, gan)), ""
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("generator", GENERATORS)
def test_every_combination(method: str, generator: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pixels = [
        torch.from_numpy(random.integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8))
        for _ in range(4)
    ]
    batches = [Batch(pixels[0][:1], pixels[1][:1]), Batch(pixels[2][:1], pixels[3][:1])]
    picture = pixels[0][0].numpy()
    done = 0
    for norm, padding, gan in itertools.product(NORMS, PADDINGS, OBJECTIVES):
        rule = refusal(method, generator, norm, gan)
        if rule:
            with pytest.raises(UsageError, match=rule):
                config(method, generator, norm, padding, gan)
            continue
        training = Training(config(method, generator, norm, padding, gan), torch.device("cpu"))
        before = torch.cat(
            [p.detach().flatten() for p in training.generators["generator_ab"].parameters()]
        )
        for status in loop(training, iter(batches), total=2):
            finite = [math.isfinite(value) for value in tiny.numbers(status.losses).values()]
            assert all(finite), (norm, padding, gan)
        net = training.generators["generator_ab"].eval()
        after = torch.cat([p.detach().flatten() for p in net.parameters()])
        assert not after.equal(before)
        save_generators(training, tmp_path)
        translator = load(tmp_path, "cpu")
        with torch.inference_mode():
            shown = torch.from_numpy(picture)[None].permute(0, 3, 1, 2).float() / 127.5 - 1
            assert translator.tensor(shown).equal(net(shown)), (norm, padding)
        assert translator.pixels(picture).shape == picture.shape
        done += 1
    refused = sum(
        bool(refusal(method, generator, norm, gan)) for norm in NORMS for gan in OBJECTIVES
    )
    assert done == (len(NORMS) * len(OBJECTIVES) - refused) * len(PADDINGS)
