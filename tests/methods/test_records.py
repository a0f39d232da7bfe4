"""A method's record says what the method does: the losses it reads, its directions, its recipes."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch

import tiny
from hwan.config import Config, LossConfig, methods
from hwan.config.methods import GENERAL_LOSS_OPTIONS, METHOD_RECORDS
from hwan.config.recipes import RECIPES
from hwan.methods import METHODS


class Recording(LossConfig):
    """Losses that note which of their options are read."""

    def __getattribute__(self, name: str) -> Any:
        object.__getattribute__(self, "__dict__").setdefault("read", set()).add(name)
        return object.__getattribute__(self, name)


def everything_on(name: str) -> Config:
    """A configuration of the method in which every loss that it reads is on."""
    record, on = METHOD_RECORDS[name], dict[str, Any]()
    for option in fields(LossConfig):
        if option.name in record.loss_options and not option.default:
            on[option.name] = True if isinstance(option.default, bool) else 1.0
    base = tiny.config(pool=0)
    return replace(
        base,
        method=cast(Any, name),
        data=replace(base.data, pairs=record.pairings[0]),
        loss=Recording(gan="wgan-gp", r1=1.0, diffaugment=("colour",), **on),
    )


@pytest.mark.parametrize("name", METHOD_RECORDS)
def test_a_method_reads_the_losses_that_its_record_names_and_no_other(name: str) -> None:
    config = everything_on(name)
    read = vars(config.loss)["read"]
    read.clear()  # the rules have read some
    method: Any = METHODS[name](config)
    batch = [torch.rand(1, 3, 32, 32) * 2 - 1 for _ in range(4 if config.loss.paired else 2)]
    read.discard("paired")
    masks = {f"mask_{domain}": torch.ones(1, 1, 32, 32) for domain in "ab"}  # by the step
    images = method.train()(*batch) | masks
    for group in method.groups:
        group.losses(images)
    known = {option.name for option in fields(LossConfig)}
    assert read & known == {*METHOD_RECORDS[name].loss_options, *GENERAL_LOSS_OPTIONS}


@pytest.mark.parametrize("name", METHOD_RECORDS)
def test_a_record_names_the_directions_and_the_recipes(name: str) -> None:
    record = METHOD_RECORDS[name]
    method: Any = METHODS[name](everything_on(name))
    assert list(method.generators) == [f"generator_{direction}" for direction in record.directions]
    assert set(record.recipes) == {r for r, make in RECIPES.items() if make().method == name}


def test_records_and_classes_have_the_same_names() -> None:
    assert METHOD_RECORDS.keys() == METHODS.keys()


def test_a_loss_that_no_record_names_stops_the_import() -> None:
    source = Path(methods.__file__).read_text(encoding="utf-8")
    text = source.replace(
        "    l1: float = 100.0\n", "    l1: float = 100.0\n    forgotten: float = 0.0\n"
    )
    assert text != source
    with pytest.raises(TypeError, match=r"'forgotten'.*loss_options"):
        exec(compile(text, "methods.py", "exec"), {"__name__": "hwan.config.methods"})
