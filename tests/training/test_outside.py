"""The loss outside masks: in every step, in every method that reads it, and from files to figures."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hwan.config
import tiny
from commands import say
from hwan.config import Config, LossConfig
from hwan.data.loader import Batch
from hwan.errors import UsageError
from hwan.evaluation.results import OURS
from hwan.imaging.pixels import save
from hwan.methods.losses import outside
from hwan.metrics.masks import changes, with_ratio
from hwan.training.loop import choose_step
from hwan.training.state import Training
from hwan.training.steps import eager
from hwan.training.steps.cuda_graph import graph_step
from hwan.training.steps.eager import Step
from hwan.training.steps.parallel_halves import has_parallel_halves

CPU = torch.device("cpu")


def config(method: str = "cyclegan", weight: float = 10.0, **train: Any) -> Config:
    loss = LossConfig(outside=weight, nce_patches=16)
    return replace(tiny.config(pool=0, **train), method=method, loss=loss)  # type: ignore[arg-type]


def batches(count: int, masks: bool = True, size: int = 2) -> list[Batch]:
    random = torch.Generator().manual_seed(0)

    def noise(channels: int) -> torch.Tensor:
        return torch.randint(0, 256, (size, 32, 32, channels), generator=random).to(torch.uint8)

    def mask() -> torch.Tensor:
        made = torch.zeros(size, 32, 32, 1, dtype=torch.uint8)
        made[:, :, :16] = 255
        return made

    return [Batch(noise(3), noise(3), None, *([mask(), mask()] * masks)) for _ in range(count)]


def test_the_loss_is_the_l1_outside() -> None:
    a, b = torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5)
    mask = torch.zeros(1, 1, 4, 4)
    assert float(outside(a, b, mask)) == 0.5
    mask[..., :2] = 1
    b[..., :2] = -1
    assert float(outside(a, b, mask)) == 0.25  # half of the pixels count as equal
    assert float(outside(a, b, torch.ones(1, 1, 4, 4))) == 0


@pytest.mark.parametrize("method", ["cyclegan", "dcl", "gan", "cut"])
def test_a_step_adds_the_weighted_distance_outside(method: str) -> None:
    training = Training(config(method), CPU)
    (one,) = batches(1)
    images = eager.forward(training, one)
    losses = training.method.groups[0 if method in ("cyclegan", "gan") else 1].losses(images)
    names = [name for name in losses if name.startswith("outside")]
    assert names == (["outside_a", "outside_b"] if method in ("cyclegan", "dcl") else ["outside_a"])
    there = (images["fake_b"] - images["real_a"]).abs()[..., 16:].mean() / 2
    assert losses["outside_a"].item() == pytest.approx(10 * there.item(), rel=1e-5)
    blank = eager.forward(training, batches(1, masks=False)[0])
    assert blank["mask_a"].min() == 1  # without masks everything may change


@pytest.mark.parametrize("train", [{}, {"accumulate": 2}])
@pytest.mark.parametrize("method", ["cyclegan", "dcl"])
def test_every_step_computes_the_same(method: str, train: dict[str, Any]) -> None:
    if method == "dcl" and train:
        pytest.skip("its patches are drawn in another order")
    curves = []
    for way in ("eager", "chosen", "recorded")[: 2 if method == "dcl" else 3]:
        with tiny.two_threads() if way == "chosen" else nullcontext():
            training = Training(config(method, batch=2, **train), CPU)
            training.method.train()
            step: Step = partial(eager.step, training)
            if way == "chosen":
                assert has_parallel_halves(training) == (not train)
                step = choose_step(training)
            elif way == "recorded":
                step = graph_step(training, lambda work: work, lambda work: work())
            every, size = batches(4), len(train) + 1
            micro = [every[i : i + size] for i in range(0, 4, 2)]
            curves.append([tiny.numbers(step(some, 2e-4)) for some in micro])
    for curve in curves[1:]:
        tiny.close(curve, curves[0])
    assert all(row["outside_a"] > 0 and row["outside_b"] > 0 for row in curves[0])


def test_the_loss_needs_equal_channels_and_a_method_that_reads_it() -> None:
    base = config()
    data, loss = replace(base.data, channels_b=1), replace(base.loss, identity=0)
    with pytest.raises(UsageError, match="the loss outside masks"):
        replace(base, data=data, loss=loss)
    with pytest.raises(UsageError, match=r"loss\.outside"):
        replace(base, method="pix2pix", data=replace(base.data, pairs="names"))


def test_changes_inside_and_outside() -> None:
    before, after = np.zeros((2, 4, 3)), np.zeros((2, 4, 3))
    after[:, :2], after[:, 2:] = 0.5, 0.1
    mask = np.zeros((2, 4, 1), np.uint8)
    mask[:, :2] = 255
    found = changes(before, after, mask)
    assert found == pytest.approx({"change_outside": 0.1, "change_inside": 0.5})
    assert with_ratio(found)["inside_over_outside"] == pytest.approx(5)
    all_white = with_ratio(changes(before, after, np.full_like(mask, 255)))
    assert np.isnan(all_white["change_outside"])
    assert np.isnan(all_white["inside_over_outside"])
    assert np.isnan(with_ratio(changes(before, before, mask))["inside_over_outside"])


def test_from_masks_to_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What stays outside is learned: the same short training with the loss and without."""
    data = tiny.write_data(tmp_path / "data", n=4)
    for part in ("trainA", "trainB", "testA"):
        for file in sorted((data / part).iterdir()):
            mask = np.zeros((40, 40, 1), np.uint8)
            mask[:, :20] = 255
            save(mask, data / f"{part}_mask" / file.name)
    (data / "testA_mask" / "0003.png").unlink()
    options = "--data.size 32 --generator.filters 4 --generator.blocks 1 --discriminator.layers 1 "
    options += "--discriminator.filters 4 --train.epochs 40 --train.ticks 1 --device cpu"
    found = {}
    for weight in ("0", "50"):
        run = tmp_path / f"run{weight}"
        more = ["--loss.outside", weight, *options.split()]
        said = say(capsys, "train", "cyclegan", "--data", data, "--out", run, *more)
        assert said.code == 0, said.all
        assert ("are not read" in said.all) == (weight == "0")
        row = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
        assert ("outside_a" in row["losses"]["generators"]) == (weight == "50")
        said = say(capsys, "evaluate", run, "--features", "none", "--device", "cpu")
        assert said.code == 0, said.all
        for words in (
            "change outside the mask",
            "inside over outside",
            "5 of 8 test images",
        ):
            assert words in said.all
        results = json.loads((run / "evaluation" / "results.json").read_text())
        assert results["ba"]["changed"] == {}
        found[weight] = results["ab"]["changed"]
        assert "change outside the mask" in (run / "report.html").read_text("utf-8")
        assert "change outside the mask" in say(capsys, "info", run).all
        assert "change_outside" in (run / "evaluation" / "images.csv").read_text()
    assert found["0"].keys() == {OURS, "mean picture", "Reinhard", "input as it is"}
    assert found["0"]["input as it is"]["change_inside"] == 0
    held, free = found["50"][OURS], found["0"][OURS]
    assert held["change_outside"] < free["change_outside"]
    assert held["inside_over_outside"] > 0
    assert hwan.config.load(tmp_path / "run50" / "config.json").loss.outside == 50
