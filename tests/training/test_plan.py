"""`hwan plan`: memory and arithmetic counted without computing, and what fits."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

import tiny
from hwan.cli.main import main
from hwan.config import Config, LossConfig, SpeedConfig
from hwan.config.recipes import cyclegan, cyclegan_keras, pix2pix, small
from hwan.config.speed import PLAIN
from hwan.training import plan as planning
from hwan.training.estimate import step_cost
from hwan.training.plan import choices, length, total, words
from hwan.training.state import Training

CPU = torch.device("cpu")


def test_the_arithmetic_is_the_papers_networks() -> None:
    """By hand: every convolution is 2 k k ci co h w, once forward and twice back, but once where it
    meets an image whose gradient nobody asks for."""

    def conv(kernel: int, ci: int, co: int, side: int) -> int:
        return 2 * kernel**2 * ci * co * side**2

    stem, last = conv(7, 3, 64, 128), conv(7, 64, 3, 128)
    inner = (
        conv(3, 64, 128, 64)
        + conv(3, 128, 256, 32)
        + 12 * conv(3, 256, 256, 32)
        + conv(3, 256, 128, 32)  # a transposed one works at the side it reads
        + conv(3, 128, 64, 64)
    )
    passes = 6 * 3 * (inner + last)
    # Four of six images are real; two of those share a call with a fake, whose gradient is asked for.
    stems = {PLAIN: 4 * 2 * stem + 2 * 3 * stem, SpeedConfig(): 2 * 2 * stem + 4 * 3 * stem}
    first = conv(4, 3, 64, 64)
    judged = (
        conv(4, 64, 128, 32) + conv(4, 128, 256, 16) + conv(4, 256, 512, 15) + conv(4, 512, 1, 14)
    )
    # In the generators' turn the weights ask for none: forward and back to the image, two calls in all.
    fooling = 2 * 2 * (first + judged)
    judging = 4 * (2 * first + 3 * judged)
    for speed, first_layers in stems.items():
        config = dataclasses.replace(cyclegan(128), speed=speed)
        assert step_cost(config).flop == passes + first_layers + fooling + judging


def test_memory_is_weights_moments_gradients_and_activations() -> None:
    base = tiny.config(pool=0)
    found = step_cost(base)
    weights = 4 * sum(p.numel() for p in Training(base, CPU).method.parameters())
    assert found.kept == pytest.approx(4 * weights, rel=0.05)
    more = {
        b: step_cost(dataclasses.replace(base, train=dataclasses.replace(base.train, batch=b)))
        for b in (2, 3)
    }
    assert more[3].peak - more[2].peak == pytest.approx(more[2].peak - found.peak, rel=0.02)
    assert more[2].flop == 2 * found.flop
    checkpointing = dataclasses.replace(
        cyclegan(128), speed=SpeedConfig(gradient_checkpointing=True)
    )
    few, all_ = step_cost(checkpointing), step_cost(cyclegan(128))
    assert few.peak - few.kept < 0.5 * (all_.peak - all_.kept)
    assert all_.flop < few.flop < 1.4 * all_.flop


@pytest.mark.parametrize(
    "config",
    [
        dataclasses.replace(
            tiny.config(),
            generator=dataclasses.replace(
                tiny.config().generator, norm="whitening", whitening_channels=2
            ),
        ),
        dataclasses.replace(tiny.config(precision="fp16"), speed=SpeedConfig(fused_adam=False)),
        tiny.config(accumulate=2),
        dataclasses.replace(
            tiny.config(), loss=LossConfig(diffaugment=("colour", "cutout"), r1=1.0)
        ),
        dataclasses.replace(tiny.config(precision="bf16"), loss=LossConfig(gan="wgan-gp")),
        dataclasses.replace(
            pix2pix(64), generator=dataclasses.replace(pix2pix(64).generator, filters=4)
        ),
        dataclasses.replace(
            tiny.config(), method="cut", loss=LossConfig(flip_equivariance=True, nce_patches=16)
        ),
        dataclasses.replace(
            cyclegan_keras(), data=tiny.config().data, generator=tiny.config().generator
        ),
        dataclasses.replace(
            tiny.config(), speed=SpeedConfig(channels_last="on", gradient_checkpointing=True)
        ),
        dataclasses.replace(tiny.config(), loss=LossConfig(paired=1.0)),
        dataclasses.replace(
            tiny.config(), generator=dataclasses.replace(tiny.config().generator, init="truncated")
        ),
    ],
    ids=[
        "whitening",
        "fp16",
        "accumulate",
        "diffaugment",
        "wgan-gp",
        "pix2pix",
        "cut",
        "keras",
        "channels_last",
        "paired",
        "truncated",
    ],
)
def test_every_method_can_be_counted(config: Config) -> None:
    found = step_cost(config)
    assert 0 < found.kept < found.peak
    assert found.flop > 0


def test_what_does_not_fit_is_reduced_the_ways_that_change_nothing_first() -> None:
    config = dataclasses.replace(small(), train=dataclasses.replace(small().train, batch=2))
    asked = choices(config, CPU, room=1e15)
    assert asked[0].options == "as asked"
    assert asked[1].options == "--train.batch 256"
    room = asked[0].total - 1
    assert [c.options for c in choices(config, CPU, room)] == [
        "as asked", "--train.batch 1 --train.accumulate 2",
    ]  # fmt: skip
    assert [c.options for c in choices(config, CPU, 1.0)] == [
        "as asked",
        "--train.batch 1 --train.accumulate 2",
        "--train.batch 1 --train.accumulate 2 --speed.gradient_checkpointing",
        "--train.batch 1 --train.accumulate 2 --speed.gradient_checkpointing --data.size 32",
    ]


@pytest.mark.parametrize("norm", ["batch", "whitening"])
def test_norms_over_the_batch_keep_it(norm: Any) -> None:
    base = tiny.config(batch=4)
    net = dataclasses.replace(base.generator, norm=norm, whitening_channels=2)
    found = choices(dataclasses.replace(base, generator=net), CPU, 1.0)
    assert len(found) > 1
    assert all(choice.config.train.batch == 4 for choice in found)


@pytest.mark.parametrize("batch", [8, 32, 128])
def test_the_larger_batch_that_is_proposed_fits(batch: int) -> None:
    """Also where the estimate from a batch of one is a little too low."""
    larger = dataclasses.replace(small(), train=dataclasses.replace(small().train, batch=batch))
    room = total(larger, step_cost(larger), CPU)
    assert choices(small(), CPU, room)[-1].config.train.batch == batch
    found = choices(small(), CPU, room - 1)[-1]
    assert found.config.train.batch == batch // 2
    assert found.total < room


def test_words_and_lengths(tmp_path: Any) -> None:
    assert [words(s) for s in (5, 119, 3 * 3600 + 1200, 2 * 86400 + 3600)] == [
        "5 s", "2 min", "3 h 20 min", "2 d 1 h",
    ]  # fmt: skip
    data = tiny.write_data(tmp_path / "data")
    assert length(tiny.config(epochs=3), [data]) == 18
    assert length(tiny.config(), []) == 1000


def test_the_command_says_memory_time_and_what_fits(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "TIMING_SECONDS", 1.0)
    data = tiny.write_data(tmp_path / "data")
    options = ["--data", str(data), "--generator.filters", "4", "--device", "cpu"]
    assert main(["plan", "small", *options, "--memory", "2"]) == 0
    said = capsys.readouterr().out
    assert "as asked" in said
    assert "fits into 2.0 GB" in said
    assert "120 images" in said
    assert "images/s" in said
    assert main(["plan", "small", *options, "--memory", "0.001"]) == 1
    assert "nothing tried fits" in capsys.readouterr().out
    assert main(["plan", "smal"]) == 2
    assert "perhaps you meant 'small'" in capsys.readouterr().err
    assert main(["plan", "small", "--memory", "-1"]) == 2
