"""Training with colour hints: what is drawn, that a resume is exact, and that hints pull colours."""

from __future__ import annotations

import dataclasses
import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hwan
import tiny
from caches import cache_of
from hwan.config import Config, DataConfig, GeneratorConfig, LossConfig
from hwan.config.methods import MethodName
from hwan.data.loader import NO_HINTS, batch
from hwan.data.sets import TrainingSet, resident
from hwan.errors import UsageError
from hwan.evaluation.results import HINTED, OURS
from hwan.nets.folder import WEIGHTS, read_spec
from hwan.training import run as runs
from hwan.training.estimate import step_cost
from hwan.training.recorder import LogRow

COLOURISE: dict[str, Any] = {"pairs": "self", "channels_a": 1, "hints": 12}


def config(loss: LossConfig | None = None, **train: Any) -> Config:
    base = tiny.config(pool=0, **train)
    return dataclasses.replace(
        base,
        method="pix2pix",
        data=dataclasses.replace(base.data, **COLOURISE),
        loss=loss or LossConfig(identity=0.0),
    )


def photos(root: Path, count: int) -> Path:
    """Pictures of one colour each, all of one brightness: grey alone says nothing of the colour."""
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        (root / part).mkdir(parents=True)
        for i in range(count):
            red, blue = rng.integers(0, 256, 2)
            green = round((128 - 0.299 * red - 0.114 * blue) / 0.587)
            pixels = np.full((36, 36, 3), (red, np.clip(green, 0, 255), blue), np.uint8)
            Image.fromarray(pixels).save(root / part / f"{i}.png")
    return root


def test_hints_are_drawn_by_the_image_s_number() -> None:
    data = DataConfig(size=32, **COLOURISE)
    cache = cache_of([(40, 40, 3)] * 50)
    grey = cache_of([(40, 40, 1)] * 50)
    pairs = TrainingSet(grey, cache, tuple((i, i) for i in range(50)))
    some = batch(pairs, data, 1, 0, 50)
    assert (some.a.shape, some.b.shape) == ((50, 32, 32, 5), (50, 32, 32, 3))
    assert batch(pairs, data, 1, 20, 3).a.equal(some.a[20:23])
    assert not batch(pairs, data, 2, 20, 3).a.equal(some.a[20:23])
    plain = batch(pairs, dataclasses.replace(data, hints=0), 1, 0, 50)
    assert plain.a.equal(some.a[..., :1])  # the crops are as without hints
    assert plain.b.equal(some.b)
    there = some.a[..., 4] == 255
    assert some.a[..., 1:4][there].equal(some.b[there])  # of an even colour, its mean
    none = int((~there).flatten(1).all(1).sum()) / 50
    assert abs(none - NO_HINTS) < 0.15
    on_device = batch(resident(pairs, torch.device("cpu")), data, 1, 0, 50)
    assert on_device.a.equal(some.a)


def test_a_resumed_training_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    data = photos(tmp_path / "data", 6)
    small = config(epochs=2, ticks=2)
    list(runs.train(small, [data], tmp_path / "whole", "cpu"))
    for event in runs.train(small, [data], tmp_path / "parts", "cpu"):
        if isinstance(event, LogRow) and event.images == 6:
            signal.raise_signal(signal.SIGINT)
    assert read_spec(tmp_path / "parts" / "generator_ab").images == 6
    list(runs.train(small, [data], tmp_path / "parts", "cpu", resume=True))
    weights = (tmp_path / run / "generator_ab" / WEIGHTS for run in ("whole", "parts"))
    assert len({path.read_bytes() for path in weights}) == 1


def test_hints_pull_colours_the_right_way(tmp_path: Path) -> None:
    loss = LossConfig(identity=0.0, adversarial=0.0)
    small = config(loss, epochs=30, lr=3e-3, batch=4)
    shape = GeneratorConfig(
        filters=8, blocks=2, stem=3, up="nearest", norm="none", init="kaiming", gain=1.0
    )
    small = dataclasses.replace(small, generator=shape)
    run = hwan.train(small, photos(tmp_path / "data", 40), tmp_path / "run", "cpu")
    assert read_spec(run / "generator_ab").hints
    assert read_spec(run / "generator_ab").channels_in == 1
    systems = hwan.evaluate(run, features="none", device="cpu")["ab"].systems
    for figure in ("l1", "chroma"):
        assert systems[HINTED][figure] < 0.8 * systems[OURS][figure]
    assert systems[HINTED]["psnr"] > systems[OURS]["psnr"]
    assert len(list((run / "evaluation" / "hints" / "ab").iterdir())) == 40
    assert HINTED in (run / "report.html").read_text(encoding="utf-8")
    red, grey = np.zeros((36, 36, 4), np.uint8), np.full((36, 36, 1), 128, np.uint8)
    red[10:14, 10:14] = 230, 80, 100, 255
    translator = hwan.load(run, "cpu")
    before, after = (translator.pixels(grey, hints).astype(int) for hints in (None, red))
    change = (after - before).mean((0, 1))
    assert change[0] > 5 > change[1]


@pytest.mark.parametrize(
    ("method", "data", "rule"),
    [
        ("cyclegan", {"pairs": "none", "channels_a": 3}, "a method that learns from pairs"),
        ("pix2pix", {"channels_b": 1}, "B in colour, for data.hints"),
        ("pix2pix", {"depth_b": "16"}, "8-bit images"),
    ],
)
def test_hints_need_a_truth_in_colour(method: MethodName, data: dict[str, Any], rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        dataclasses.replace(
            config(), method=method, data=DataConfig(**{"size": 32, **COLOURISE, **data})
        )


def test_a_start_has_hints_as_the_training(tmp_path: Path) -> None:
    data = photos(tmp_path / "data", 3)
    hwan.train(config(), data, tmp_path / "run", "cpu")
    saved = json.loads((tmp_path / "run" / "generator_ab" / "config.json").read_text())
    assert saved["hints"] is True
    without = dataclasses.replace(config(), data=dataclasses.replace(config().data, hints=0))
    with pytest.raises(UsageError, match="a generator without colour hints"):
        hwan.train(without, data, tmp_path / "next", "cpu", start=tmp_path / "run")
    hwan.train(config(), data, tmp_path / "next", "cpu", start=tmp_path / "run")


def test_a_step_with_hints_is_counted() -> None:
    assert step_cost(config()).flop > step_cost(dataclasses.replace(
        config(), data=dataclasses.replace(config().data, hints=0))).flop  # fmt: skip
