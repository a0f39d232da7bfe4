"""Techniques change how a step is computed, never what: each against the plain step, in double."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import tiny
from hwan.config import Config, LossConfig, SpeedConfig
from hwan.config.speed import PLAIN
from hwan.data.loader import Batch
from hwan.errors import UsageError
from hwan.methods.pool import Pool
from hwan.nets.fast import convs
from hwan.training.loop import loop
from hwan.training.state import Training
from hwan.training.steps import eager
from hwan.training.steps.cuda_graph import graph_step
from hwan.training.steps.parallel_halves import has_parallel_halves
from tiny import close, two_threads

CPU = torch.device("cpu")
STEPS = 20


def config(speed: SpeedConfig, method: str = "cyclegan", **train: Any) -> Config:
    base = tiny.config(pool=3, **train)
    data = dataclasses.replace(base.data, pairs="sides") if method == "pix2pix" else base.data
    loss = LossConfig(nce_patches=16)
    return dataclasses.replace(base, method=method, data=data, loss=loss, speed=speed)  # type: ignore[arg-type]


def noise(count: int, batch: int = 1) -> list[Batch]:
    random = torch.Generator().manual_seed(1)
    shape = (2, batch, 32, 32, 3)
    return [Batch(*torch.randint(256, shape, generator=random).byte()) for _ in range(count)]


@pytest.fixture
def forms_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Winograd's products in the tiny networks too, whose widest have eight channels."""
    monkeypatch.setattr(convs, "WIDE", 8)
    monkeypatch.setattr(convs, "LARGE", 1)


def curve(config: Config, fakes: bool = False, batch: int = 1) -> list[dict[str, float]]:
    training = Training(config, CPU)
    training.method.double()
    if not fakes:
        batches = noise(STEPS, batch)
        if config.loss.paired:
            batches = [Batch(x.a, x.b, x) for x in batches]
        found = [s.losses for s in loop(training, iter(batches), STEPS * batch)]
    else:  # a recorder that does again what it was given, by Python
        take = graph_step(training, record=lambda work: work, on_side_stream=lambda work: work())
        training.method.train()
        found = [take([one], config.train.lr) for one in noise(STEPS, batch)]
    return [tiny.numbers(losses) for losses in found]


@pytest.mark.usefixtures("in_double", "forms_everywhere")
@pytest.mark.parametrize("method", ["cyclegan", "gan", "pix2pix", "cut", "dcl"])
@pytest.mark.parametrize(
    "switch",
    [
        {"batched": True},
        {"fused_adam": True},
        {"gradient_checkpointing": True},
        {"channels_last": "on"},
        {"fast_kernels": True},
    ],
)
def test_a_technique_keeps_the_losses_of_twenty_steps(method: str, switch: dict[str, Any]) -> None:
    speed = dataclasses.replace(PLAIN, **switch)
    close(curve(config(speed, method)), curve(config(PLAIN, method)))


@pytest.mark.usefixtures("in_double")
@pytest.mark.parametrize(
    "loss",
    [{}, {"partial_cycle": True}, {"paired": 2.0}, {"identity": 0}, {"gan": "hinge"}],
)
def test_halves_side_by_side_keep_the_losses_and_give_the_same_bits_again(
    loss: dict[str, Any],
) -> None:
    """On two threads, whatever this machine has; also with pairs beside, and again bit for bit."""
    with two_threads():
        plain = dataclasses.replace(config(PLAIN, decay=1.0), loss=LossConfig(**loss))
        fast = dataclasses.replace(
            plain, speed=dataclasses.replace(PLAIN, batched=True, parallel_halves=True)
        )
        training = Training(fast, CPU)
        assert has_parallel_halves(training)
        assert not has_parallel_halves(Training(plain, CPU))
        found = curve(fast)
        assert torch.get_num_threads() == 2
        close(found, curve(plain))
        assert curve(fast) == found


@pytest.mark.parametrize(
    ("discriminator", "precision"),
    [({"members": 3}, "fp32"), ({"members": 2}, "bf16"), ({"norm": "batch"}, "bf16")],
)
def test_halves_give_one_curve_a_seed(discriminator: dict[str, Any], precision: Any) -> None:
    """Gradients of several judgements are added in one order, whichever half is done first."""
    with two_threads():
        base = config(SpeedConfig(), precision=precision)
        judge = dataclasses.replace(base.discriminator, **discriminator)
        base = dataclasses.replace(base, discriminator=judge)
        assert has_parallel_halves(Training(base, CPU))
        first = single_curve(base)
        assert all(single_curve(base) == first for _ in range(5))


def single_curve(config: Config) -> list[dict[str, float]]:
    training = Training(config, CPU)
    found = [s.losses for s in loop(training, iter(noise(STEPS)), STEPS)]
    return [tiny.numbers(losses) for losses in found]


@pytest.mark.usefixtures("in_double", "forms_everywhere")
@pytest.mark.parametrize("method", ["cyclegan", "gan", "pix2pix", "cut", "dcl"])
def test_all_defaults_together_keep_the_losses(method: str) -> None:
    """Two at a time can go wrong where each alone does not: fused Adam takes gradients as they lie."""
    with two_threads():
        training = Training(config(SpeedConfig(), method), CPU)
        assert has_parallel_halves(training) == (method in ("cyclegan", "dcl"))
        close(curve(config(SpeedConfig(), method)), curve(config(PLAIN, method)))


@pytest.mark.usefixtures("in_double")
@pytest.mark.parametrize("method", ["cyclegan", "gan", "pix2pix"])
def test_a_recorded_step_reads_what_is_new_in_every_step(method: str) -> None:
    """Images, pool draws and the learning rate reach a replayed step through memory that stays."""
    plain = config(PLAIN, method, decay=1.0, batch=2)
    close(curve(plain, fakes=True, batch=2), curve(plain, batch=2))


def test_the_defaults_batch_the_calls_of_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for speed, calls in ((PLAIN, 6), (SpeedConfig(), 4)):
        training = Training(config(speed), CPU)
        seen: list[int] = []
        for net in training.method.generators.values():
            net.register_forward_hook(lambda _net, images, _out: seen.append(len(images[0])))
        eager.forward(training, noise(1)[0])
        assert len(seen) == calls
        assert sum(seen) == 6


@pytest.mark.parametrize(
    "generator",
    [
        {"norm": "batch"},
        {"norm": "spectral"},
        {"norm": "whitening", "whitening_channels": 2},
        {"dropout": 0.5},
    ],
)
def test_networks_that_tie_images_keep_a_call_for_each(generator: dict[str, Any]) -> None:
    base = config(SpeedConfig())
    net = dataclasses.replace(base.generator, **generator)
    assert not net.per_sample
    training = Training(dataclasses.replace(base, generator=net), CPU)
    assert not training.method.batched


def test_checkpointing_forgets_and_says_where_it_cannot() -> None:
    training = Training(config(SpeedConfig(gradient_checkpointing=True)), CPU)
    assert all(net.checkpointing for net in training.method.generators.values())
    held: list[int] = []

    def keep(x: Tensor) -> Tensor:
        held.append(x.numel())
        return x

    kept: dict[bool, int] = {}
    for checkpointing in (False, True):
        held.clear()
        training.method.generator_ab.checkpointing = checkpointing
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
            eager.forward(training, noise(1)[0])
        kept[checkpointing] = sum(held)
    assert kept[True] < kept[False]
    base = config(SpeedConfig(gradient_checkpointing=True))
    for change in ({"name": "unet", "downs": 5}, {"norm": "batch"}):
        net = dataclasses.replace(base.generator, **change)
        with pytest.raises(UsageError, match=r"speed\.gradient_checkpointing"):
            Training(dataclasses.replace(base, generator=net), CPU)


def test_a_recorded_step_needs_cuda_and_nothing_decided_on_the_host() -> None:
    with pytest.raises(UsageError, match=r"a CUDA device for speed\.cuda_graph"):
        Training(config(SpeedConfig(cuda_graph=True)), CPU)


def test_a_state_goes_on_under_other_switches() -> None:
    """Saved with one Adam and loaded into another, on the device of the second."""
    first = Training(config(SpeedConfig()), CPU)
    list(loop(first, iter(noise(3)), 3))
    for speed in (PLAIN, SpeedConfig(batched=False)):
        other = Training(config(speed), CPU)
        other.load_state_dict(first.state_dict())
        group = other.optimizers["generators"].param_groups[0]
        assert group["fused"] is (speed.fused_adam or None)
        found = list(loop(other, iter(noise(6)[3:]), 6))
        assert len(found) == 3


def test_the_pool_shows_and_keeps_what_its_rule_says() -> None:
    """Against the rule written plainly, images by value; two of one batch may meet the same place."""

    def plainly(batches: list[Tensor], size: int, seed: int) -> list[list[float]]:
        kept: list[float] = []
        random, found = torch.Generator().manual_seed(seed), []
        for batch in batches:
            shown = []
            for value in batch.flatten().tolist():
                if len(kept) < size:
                    kept.append(value)
                    shown.append(value)
                elif torch.rand((), generator=random) < 0.5:
                    i = int(torch.randint(size, (), generator=random))
                    shown.append(kept[i])
                    kept[i] = value
                else:
                    shown.append(value)
            found.append(shown)
        return found

    batches = [torch.arange(3.0).reshape(3, 1, 1, 1) + 3 * i for i in range(12)]
    for planned in (False, True):
        pool, shown = Pool(2, seed=5), []
        for batch in batches:
            if planned:
                pool.plan(3, CPU)
            shown.append(pool(batch).flatten().tolist())
        assert shown == plainly(batches, 2, 5)
    held = pool.draws  # whose memory a recorded step reads
    pool.plan(3, torch.device("cpu:0"))
    assert pool.draws is held


PATHS = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "helpers")]
INHERITED = [path for path in [os.environ.get("PYTHONPATH", "")] if path]
COMPILED = """
import dataclasses, json
import test_speed as t
from hwan.imaging.pixels import to_tensor
from torch._dynamo.utils import counters
t.eager.to_tensor = lambda x, limits: to_tensor(x, limits).double()
found = t.curve(t.config(dataclasses.replace(t.PLAIN, compile=True)))
t.close(found, t.curve(t.config(t.PLAIN)))
print(json.dumps(dict(counters["stats"])))
"""


@pytest.mark.slow
def test_a_compiled_step_keeps_the_losses_too() -> None:
    """In a process of its own: here the checks of shapes would be compiled with the networks."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILED],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*PATHS, *INHERITED])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    stats = json.loads(done.stdout.splitlines()[-1])
    # Whole networks: the generators' and discriminators' layers all together, with and without gradients.
    assert stats["unique_graphs"] <= 8
    assert stats["calls_captured"] > 60
