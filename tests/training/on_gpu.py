"""Training on a CUDA card, pretended where there is none (gpu.py); run by test_on_gpu.py.

What a card computes is compared with what the CPU computes from the same images: in double, so that
nothing but a mistake sets them apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import gpu
import tiny
from hwan.config import Config, LossConfig
from hwan.config.speed import PLAIN
from hwan.data.folders import locate
from hwan.data.loader import Batch, stream
from hwan.data.sets import open_set, to_device
from hwan.errors import UsageError
from hwan.inference.translate import load
from hwan.training import loop as loops
from hwan.training import recorder, run
from hwan.training.loop import choose_step
from hwan.training.plan import choices, resident_images
from hwan.training.recorder import LogRow
from hwan.training.state import Training
from hwan.training.state_file import load_state
from tiny import close

CARD, CPU = torch.device("cuda:0"), torch.device("cpu")
STEPS = 8


def config(loss: dict[str, Any] | None = None, method: str = "cyclegan", batch: int = 1,
           **options: dict[str, Any]) -> Config:  # fmt: skip
    base = tiny.config(pool=3, batch=batch)
    base = dataclasses.replace(base, loss=LossConfig(nce_patches=16, **(loss or {})))
    if method == "pix2pix":
        options["data"] = {"pairs": "sides"}
    for section, values in options.items():
        changed = dataclasses.replace(getattr(base, section), **values)
        base = dataclasses.replace(base, **{section: changed})
    return dataclasses.replace(base, method=method)  # type: ignore[arg-type]


def noise(config: Config) -> list[Batch]:
    """A batch for every step, large enough for a copy from ordinary memory to wait."""
    random, found = torch.Generator().manual_seed(1), []
    for _ in range(STEPS):
        size = config.data.size
        a, b = torch.randint(256, (2, config.train.batch, size, size, 3), generator=random).byte()
        found.append(Batch(a, b, Batch(b, a) if config.loss.paired else None))
    return found


def curve(
    config: Config, device: torch.device, double: bool, scale: float = 0.0
) -> list[dict[str, float]]:
    """Losses of every step; with ``scale`` the fp16 scaler begins there, grows soon, and is told too."""
    training = Training(config, device)
    if double:
        training.method.double()
    if scale:
        begun = {**training.scaler.state_dict(), "scale": scale, "growth_interval": 2}
        training.scaler.load_state_dict(begun)
    training.method.train()
    take, found = choose_step(training), []
    for n, one in enumerate(noise(config)):
        micro = [one.mapped(Tensor.pin_memory) if device == CARD else one] * config.train.accumulate
        waited = gpu.waits()
        losses = take(micro, 2e-4 * (1 - n / STEPS))
        assert gpu.waits() == waited, "the step waits for the card"
        found.append(losses)
    if scale:
        found[-1]["scaler"] = {"scale": torch.tensor(training.scaler.get_scale())}
    return [tiny.numbers(losses) for losses in found]


CASES: dict[str, dict[str, Any]] = {
    "cyclegan": {},
    "batch": {"batch": 3},
    "gan": {"method": "gan"},
    "pix2pix": {"method": "pix2pix"},
    "pairs beside": {"loss": {"paired": 2.0}},
    "hinge": {"loss": {"gan": "hinge"}},
    "minimax": {"loss": {"gan": "minimax"}},
    "partial cycle": {"loss": {"partial_cycle": True}},
    "unet": {"generator": {"name": "unet", "downs": 3}},
    "batch norm": {"generator": {"norm": "batch"}, "batch": 2},
    "spectral norm": {"discriminator": {"norm": "spectral"}},
    "weight norm": {"generator": {"norm": "weight"}},
    "circular": {"generator": {"padding": "circular"}},
    "multiscale": {"data": {"size": 96}, "discriminator": {"name": "multiscale", "scales": 2}},
    "checkpoint": {"speed": {"gradient_checkpointing": True}},
    "no pool": {"train": {"pool": 0}},
}
SINGLE: dict[str, dict[str, Any]] = {  # penalties take their gradients in fp32
    "wgan-gp": {"loss": {"gan": "wgan-gp"}},
    "r1": {"loss": {"r1": 1.0}},
}
DECIDES: dict[str, dict[str, Any]] = {  # on the host, or reads generators: not to be recorded
    "cut": {"method": "cut"},
    "accumulate": {"train": {"accumulate": 2}},
    "diffaugment": {"loss": {"diffaugment": ("colour", "translation", "cutout")}},
}


@pytest.mark.usefixtures("in_double")
@pytest.mark.parametrize("case", CASES | DECIDES)
def test_a_card_computes_what_the_cpu_computes_and_nobody_waits_for_it(case: str) -> None:
    wanted = config(**(CASES | DECIDES)[case])
    plain = dataclasses.replace(wanted, speed=PLAIN)
    close(curve(wanted, CARD, True), curve(plain, CPU, True))


@pytest.mark.usefixtures("in_double")
@pytest.mark.parametrize("case", CASES)
def test_a_recorded_step_is_the_same_training(case: str) -> None:
    speed = {**CASES[case].get("speed", {}), "cuda_graph": True}
    wanted = config(**{**CASES[case], "speed": speed})
    plain = dataclasses.replace(wanted, speed=PLAIN)
    close(curve(wanted, CARD, True), curve(plain, CPU, True))


@pytest.mark.parametrize("case", SINGLE)
def test_penalties_do_not_wait_for_the_card(case: str) -> None:
    wanted = config(**SINGLE[case])
    eager = curve(wanted, CARD, False)
    exact = curve(dataclasses.replace(wanted, speed=PLAIN), CPU, False)
    assert eager[0] == pytest.approx(exact[0], rel=1e-3)  # rounding grows from step to step
    if case == "r1":
        close(curve(config(**SINGLE[case], speed={"cuda_graph": True}), CARD, False), eager)


def test_a_recorded_step_is_launched_once() -> None:
    counts = {}
    for graph in (False, True):
        wanted = config(speed={"cuda_graph": graph})
        training = Training(wanted, CARD)
        take = choose_step(training)
        micro = noise(wanted)[:1]
        for _ in range(5):
            take(micro, 2e-4)
        begun = gpu.launches()
        losses = take(micro, 2e-4)
        # The graph; two images, two pools' draws, two learning rates and every loss's copy.
        counts[graph] = gpu.launches() - begun
        if graph:
            assert counts[graph] <= 7 + len(tiny.numbers(losses))
    assert counts[False] > 100


@pytest.mark.parametrize(("precision", "scale"), [("bf16", 0.0), ("fp16", 2.0**18)])
def test_mixed_precision_trains_without_waiting_and_alike_when_recorded(
    precision: str, scale: float
) -> None:
    """A scale that is too large at first: steps are skipped, it falls, and grows again."""
    eager, recorded = (
        curve(
            config(train={"precision": precision}, speed={"cuda_graph": graph}), CARD, False, scale
        )
        for graph in (False, True)
    )
    close(recorded, eager)
    exact = curve(config(speed=dataclasses.asdict(PLAIN)), CPU, False)
    assert eager[0] == pytest.approx(exact[0], rel=0.02)
    if scale:
        assert 1 < eager[-1]["scale"] < scale
    else:
        assert eager[2] == pytest.approx(exact[2], rel=0.1)


def test_the_card_refuses_what_a_real_one_would() -> None:
    """Else the tests above would say nothing."""
    image = torch.ones(3, device=CARD)
    with pytest.raises(RuntimeError, match="device"):
        image + torch.ones(3)
    waited = gpu.waits()
    float(image.sum())
    image.copy_(torch.ones(3), non_blocking=True)
    assert gpu.waits() == waited + 1
    large = torch.ones(1 << 10, device=CARD)
    large.copy_(torch.ones(1 << 10), non_blocking=True)
    large.copy_(torch.ones(1 << 10).pin_memory())
    assert gpu.waits() == waited + 3
    large.copy_(torch.ones(1 << 10).pin_memory(), non_blocking=True)
    assert gpu.waits() == waited + 3
    for forbidden in (
        lambda: float(image.sum()),
        lambda: image.copy_(torch.ones(3)),
        lambda: image[image > 0],
        torch.cuda.synchronize,
    ):
        with (
            pytest.raises(RuntimeError, match="recorded"),
            torch.cuda.graph(torch.cuda.CUDAGraph()),
        ):
            forbidden()


@pytest.mark.parametrize("place", ["host", "device"])
def test_batches_reach_the_card_without_waiting(tmp_path: Path, place: str) -> None:
    base = config(data={"size": 128}, speed={"data": place})
    data = tiny.write_data(tmp_path / "data", size=160)
    images = open_set(locate([data]), base)
    resident = to_device(images, base, CARD)
    assert resident.a.resident == (place == "device")
    batches = stream(resident, base.data, 0, 0, 2, pinned=True)
    alike = stream(images, base.data, 0, 0, 2)
    for _ in range(4):
        waited = gpu.waits()
        got = next(batches).mapped(lambda x: x.to(CARD, non_blocking=True))
        assert gpu.waits() == waited
        expected = next(alike)
        assert torch.equal(got.a.cpu(), expected.a)
        assert torch.equal(got.b.cpu(), expected.b)


@pytest.mark.parametrize("place", ["host", "device"])
def test_a_training_waits_for_the_card_only_to_tell_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    found: list[int] = []

    def watched(*given: Any) -> Iterator[loops.Status]:
        for status in loops.loop(*given):
            found.append(gpu.waits())
            yield status

    monkeypatch.setattr(run, "loop", watched)
    monkeypatch.setattr(recorder, "LOG_ROWS", 1)
    data = [tiny.write_data(tmp_path / "data")]
    wanted = config(train={"epochs": 2, "ticks": 1}, speed={"data": place})
    rows = [x for x in run.train(wanted, data, tmp_path / "run", "cuda") if isinstance(x, LogRow)]
    assert len(rows) == 1
    assert len(found) == 12
    assert len(set(found)) == 1


def test_plan_counts_the_pictures_that_lie_on_the_card(tmp_path: Path) -> None:
    data = [tiny.write_data(tmp_path / "data")]
    there = to_device(open_set(locate(data), config()), config(), CARD)
    assert resident_images(config(), data, CARD) == there.a.flat.nbytes + there.b.flat.nbytes
    assert resident_images(config(), data, CPU) == resident_images(config(), [], CARD) == 0
    turned = config(data={"rotate": 5.0}, speed={"data": "device"})
    assert resident_images(turned, data, CARD) == 0
    with pytest.raises(UsageError, match=r"cropped and mirrored.*\n.*rotate 5"):
        to_device(open_set(locate(data), turned), turned, CARD)
    asked, more = choices(config(), CARD, 1e15)[0], choices(config(), CARD, 1e15, 1e9)[0]
    assert more.total == asked.total + 1e9


@pytest.mark.parametrize("graph", [False, True])
def test_a_stopped_training_on_the_card_goes_on_to_the_same_weights(
    tmp_path: Path, graph: bool
) -> None:
    data = [tiny.write_data(tmp_path / "data")]
    wanted = config(speed={"cuda_graph": graph}, train={"epochs": 2, "ticks": 2})
    assert len(list(run.train(wanted, data, tmp_path / "whole", "cuda"))) > 12
    stopped = run.train(wanted, data, tmp_path / "parts", "cuda")
    assert any(isinstance(event, LogRow) and event.images == 8 for event in stopped)
    del stopped  # as a kill does, two images after the state at the sixth
    assert list(run.train(wanted, data, tmp_path / "parts", "cuda", resume=True))
    whole, parts = (load_state(tmp_path / name / "state", CPU)[0] for name in ("whole", "parts"))
    assert whole["seen"] == parts["seen"] == 12
    for key, value in whole["method"].items():
        if isinstance(value, Tensor):
            assert torch.equal(value, parts["method"][key]), key


def test_a_generator_translates_on_the_card_as_on_the_cpu(tmp_path: Path) -> None:
    data = tiny.write_data(tmp_path / "data")
    list(run.train(config(), [data], tmp_path / "run", "cuda"))
    picture = next((data / "testA").iterdir())
    for tile in (0, 32):
        on_card, on_cpu = (
            load(tmp_path / "run", device, tile=tile).array(picture).astype(int)
            for device in ("cuda", "cpu")
        )
        assert np.abs(on_card - on_cpu).max() <= 1  # a level, where the rounding tips
