"""What an optimizer group's objective may return and read: the same on one thread and on two."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import tiny
from hwan.config.speed import PLAIN
from hwan.data.loader import Batch
from hwan.errors import UsageError
from hwan.methods.base import Half, Images, Losses, OptimizerGroup
from hwan.methods.losses import l1
from hwan.training.loop import choose_step
from hwan.training.state import Training
from hwan.training.steps.parallel_halves import has_parallel_halves
from tiny import two_threads

CPU = torch.device("cpu")
Change = Callable[[OptimizerGroup], OptimizerGroup]


def joint(images: Images) -> Losses:
    """A loss of both domains' images."""
    return {"joint": l1(images["fake_a"], images["fake_b"])}


def added(half: Half, *more: str) -> Half:
    """``half`` with ``joint`` added, declaring ``more`` images."""
    return Half((*half.images, *more), lambda images: half.objective(images) | joint(images))


def undeclared(group: OptimizerGroup) -> OptimizerGroup:
    return dataclasses.replace(group, objective=(added(group.halves[0]), group.halves[1]))


def declared_twice(group: OptimizerGroup) -> OptimizerGroup:
    halves = (added(group.halves[0], "fake_a"), group.halves[1])
    return dataclasses.replace(group, objective=halves)


def absent(group: OptimizerGroup) -> OptimizerGroup:
    half = Half((*group.halves[0].images, "style_a"), group.halves[0].objective)
    return dataclasses.replace(group, objective=(half, group.halves[1]))


def one_name_twice(group: OptimizerGroup) -> OptimizerGroup:
    def renamed(images: Images) -> Losses:
        return {"cycle_a": group.halves[1].objective(images)["cycle_b"]}

    other = Half(group.halves[1].images, renamed)
    return dataclasses.replace(group, objective=(group.halves[0], other))


def whole(group: OptimizerGroup) -> OptimizerGroup:
    def objective(images: Images) -> Losses:
        parts = [half.objective(images) for half in group.halves]
        return parts[0] | parts[1] | joint(images)

    return dataclasses.replace(group, objective=objective)


def step(change: Change, threads: bool) -> dict[str, float]:
    base = tiny.config()
    speed = dataclasses.replace(PLAIN, batched=True, parallel_halves=threads)
    training = Training(dataclasses.replace(base, speed=speed), CPU)
    groups = training.method.groups
    training.method.groups = (change(groups[0]), groups[1])
    pixels = torch.randint(256, (2, 1, 32, 32, 3), generator=torch.Generator().manual_seed(0))
    assert has_parallel_halves(training) == (threads and bool(training.method.groups[0].halves))
    return tiny.numbers(choose_step(training)([Batch(*pixels.byte())], 1e-4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (undeclared, "this half of the objective declares(.|\n)*received: fake_a"),
        (declared_twice, "in only one half(.|\n)*received: fake_a in both halves"),
        (absent, "images of the forward pass(.|\n)*received: no style_a"),
        (one_name_twice, "each name once(.|\n)*received: cycle_a twice"),
    ],
)
def test_a_wrong_half_is_refused_alike_on_one_thread_and_on_two(
    change: Change, message: str
) -> None:
    for threads in (False, True):
        with two_threads(), pytest.raises(UsageError, match=message):
            step(change, threads)


def test_a_joint_loss_in_a_whole_objective_trains_alike() -> None:
    with two_threads():
        one, two = (step(whole, threads) for threads in (False, True))
    assert one == two
    assert one["joint"] > 0


@pytest.mark.parametrize(
    ("losses", "received"),
    [
        ({}, "{}"),
        (None, "None"),
        ({"a": torch.zeros(2)}, r"a tensor\(\[0., 0.\]\)"),
        ({"a": 1.0}, "a 1.0"),
    ],
)
def test_an_objective_returns_named_scalars(losses: Any, received: str) -> None:
    group = OptimizerGroup("generators", (), lambda images: losses)
    with pytest.raises(UsageError, match=f"received: {received}"):
        group.losses({"real_a": Tensor()})


def test_a_loss_is_logged_under_its_group_whatever_its_name() -> None:
    def named(group: OptimizerGroup) -> OptimizerGroup:
        return dataclasses.replace(
            group, objective=lambda images: {"d_like": l1(images["rec_a"], images["real_a"])}
        )

    training = Training(tiny.config(), CPU)
    training.method.groups = (named(training.method.groups[0]), training.method.groups[1])
    pixels = torch.zeros(2, 1, 32, 32, 3, dtype=torch.uint8)
    found = choose_step(training)([Batch(*pixels)], 1e-4)
    assert set(found["generators"]) == {"d_like"}
    assert set(found["discriminators"]) == {"d_a", "d_b"}
