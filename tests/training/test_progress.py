"""What a training says while it goes on."""

from __future__ import annotations

import dataclasses

import pytest

import tiny
from hwan.config import Config, DataConfig, DiscriminatorConfig, LossConfig
from hwan.training.progress import watch
from hwan.training.recorder import Interrupted, LogRow, Note


def row(images: int) -> LogRow:
    losses = {"generators": {"gan_ab": 0.5}, "discriminators": {"d_a": 0.25}}
    return LogRow(images, 400, 2e-4, losses, 3.0, True, {})


def test_it_says_how_early_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert watch([Note("hello"), row(100), row(400)], first_results=800) is None
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "hello"
    assert lines[1].startswith("100/400 images  still early: 12%  3.0 img/s")
    assert lines[-1] == "still early: outputs are worth judging after about 800 images, not 400"


def test_later_it_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    stop = Interrupted(200, 400)
    assert watch([row(200), stop], first_results=150) == stop
    assert "early" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "images"),
    [
        (Config(), 20_000),
        (Config(data=DataConfig(size=128)), 10_000),
        (Config(discriminator=DiscriminatorConfig(name="features")), 5_000),
        (Config(discriminator=DiscriminatorConfig(also=("features",))), 5_000),
        (
            dataclasses.replace(
                tiny.config(),
                method="pix2pix",
                data=DataConfig(size=32, pairs="names"),
                loss=LossConfig(),
            ),
            625,
        ),
    ],
)
def test_first_results(config: Config, images: int) -> None:
    assert config.first_results == images
