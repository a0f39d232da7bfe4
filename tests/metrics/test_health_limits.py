"""Health limits, and how a training and its progress line report them."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tiny
from hwan.metrics.health_limits import HEALTH_LIMITS, PLACES, Finding, findings, warnings
from hwan.training import recorder
from hwan.training import run as runs
from hwan.training.health import due, gradients
from hwan.training.health import saturation as certainty
from hwan.training.loop import loop
from hwan.training.progress import changes, figures, in_brief, watch
from hwan.training.recorder import LogRow
from hwan.training.samples import Samples, measure_test_health
from hwan.training.state import Training

# Limits


def test_every_limit_is_complete_and_its_ranges_nest() -> None:
    for limit in HEALTH_LIMITS.values():
        assert limit.limits[0] <= limit.good[0] < limit.good[1] <= limit.limits[1]
        assert all((limit.title, limit.wrong, limit.advice, limit.meaning))
        assert not limit.advice.endswith(".")
    assert HEALTH_LIMITS["diversity"].light(1.0) == "good"
    assert HEALTH_LIMITS["diversity"].light(0.3) == "watch"
    assert HEALTH_LIMITS["diversity"].light(0.1) == "bad"
    assert HEALTH_LIMITS["gradient"].light(1e5) == HEALTH_LIMITS["gradient"].light(0.0) == "bad"
    assert HEALTH_LIMITS["gradient"].light(float("nan")) == "unknown"


def test_advice_names_options_that_exist() -> None:
    import re

    from hwan.config import Config, to_dict

    options = {
        f"--{a}.{b}"
        for a, part in to_dict(Config()).items()
        if isinstance(part, dict)
        for b in part
    }
    for limit in HEALTH_LIMITS.values():
        assert set(re.findall(r"--[a-z]+\.[a-z0-9_]+", limit.advice)) <= options


def test_findings_name_limit_and_place() -> None:
    health = {
        "hidden_8bit_ab": 9.0,
        "diversity_ba": 1.0,
        "gradient_generators": 3.0,
        "unheard_of": 1,
    }
    found = {f.figure: f for f in findings(health)}
    assert set(found) == {"hidden_8bit_ab", "diversity_ba", "gradient_generators"}
    assert [f.figure for f in warnings(health)] == ["hidden_8bit_ab"]
    text = str(found["hidden_8bit_ab"])
    assert "A to B" in text
    assert "What to do: " in text
    assert "9" in text


# While training


def health_of(tmp_path: Path, **options: Any) -> list[LogRow]:
    data = tmp_path / "data"
    if not data.exists():
        tiny.write_data(data)
    config = tiny.config(**{"epochs": 2, "ticks": 2, **options})
    events = runs.train(config, [data], tmp_path / "run", "cpu")
    return [event for event in events if isinstance(event, LogRow)]


def test_a_training_measures_every_figure(tmp_path: Path) -> None:
    rows = health_of(tmp_path)
    health = rows[-1].health
    ways = {f"{name}_{d}" for name in HEALTH_LIMITS for d in ("ab", "ba")} - {
        f"{name}_{d}" for name in ("saturation", "gradient") for d in ("ab", "ba")
    }
    rest = {"saturation_a", "saturation_b", "gradient_generators", "gradient_discriminators"}
    assert set(health) == ways | rest
    assert len(findings(health)) == len(health)
    assert (
        json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])["health"]
        == health
    )


def test_measuring_leaves_the_training_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.write_data(tmp_path / "data")
    curves = []
    for name, always in (("with", True), ("without", False)):
        monkeypatch.setattr(recorder, "due", lambda *_, always=always: always)
        config = tiny.config(epochs=3, ticks=6)
        events = runs.train(config, [tmp_path / "data"], tmp_path / name, "cpu")
        rows = [event for event in events if isinstance(event, LogRow)]
        assert any(row.health for row in rows) == always
        curves.append([row.losses for row in rows])
    assert curves[0] == curves[1]


def test_gradients_are_those_of_the_last_step() -> None:
    training = Training(tiny.config(), torch.device("cpu"))
    images = torch.randint(256, (1, 32, 32, 3), dtype=torch.uint8)
    from hwan.data.loader import Batch

    assert gradients(training) == {"gradient_generators": 0.0, "gradient_discriminators": 0.0}
    next(loop(training, iter([Batch(images, images)]), 10))
    found = gradients(training)
    by_hand = math.sqrt(
        sum(float(w.grad.square().sum()) for w in training.method.generator_ab.parameters())
        + sum(float(w.grad.square().sum()) for w in training.method.generator_ba.parameters())
    )
    assert found["gradient_generators"] == pytest.approx(by_hand, rel=1e-5)
    assert found["gradient_discriminators"] > 0


def test_certainty_is_of_the_mean_since_the_last_measurement() -> None:
    rows = [{"discriminators": {"d_a": x, "d_b": 0.0}} for x in (0.25, 0.0)]
    assert certainty(rows, tiny.config()) == {"saturation_a": 0.5, "saturation_b": 1.0}
    assert certainty([], tiny.config()) == {}


@given(st.integers(1, 60), st.integers(1, 20_000))
def test_health_is_measured_seldom_enough_and_at_the_end(ticks: int, total: int) -> None:
    seen = [-(-n * total // ticks) for n in range(1, ticks + 1)]
    when = sorted({images for images in seen if due(images, ticks, total)})
    assert when[-1] == total
    assert all(b - a >= 250 - 1 for a, b in pairwise(when[:-1]))


def test_a_finished_run_is_examined(tmp_path: Path) -> None:
    health_of(tmp_path, epochs=0.2)
    from hwan.evaluation.source import run_data

    found = measure_test_health(tmp_path / "run", run_data(tmp_path / "run"), "cpu")
    assert {"diversity_ab", "modes_ba", "hidden_jpeg_ab", "inversion_ba"} <= set(found)
    layout, config = run_data(tmp_path / "run"), tiny.config()
    assert len(Samples(layout, config, 3).a) == 3


# What is told


def finding(figure: str, value: float) -> Finding:
    return findings({figure: value})[0]


def test_an_alarm_is_told_once_and_when_it_is_over() -> None:
    bad = {f: finding(f, 0.01) for f in ("diversity_ab", "diversity_ba")}
    lines = changes({}, bad)
    assert len(lines) == 1
    assert "mode collapse" in lines[0]
    assert "A to B 0.01, B to A 0.01" in lines[0]
    assert "Advice: lower --train.lr" in lines[0]
    assert changes(bad, bad) == []
    assert changes(bad, {}) == ["well again: diversity, A to B", "well again: diversity, B to A"]


def told(capsys: pytest.CaptureFixture[str], *diversities: float, last: bool = False) -> list[str]:
    total = len(diversities) if last else len(diversities) + 1
    rows = [
        LogRow(i, total, 1e-4, {"generators": {"gan_ab": 1.0}}, 3.0, True, {"diversity_ab": value})
        for i, value in enumerate(diversities, 1)
    ]
    assert watch(rows) is None
    lines = capsys.readouterr().err.splitlines()
    return [line for line in lines if line.startswith(("warning", "well again"))]


def test_a_warning_takes_two_measurements_or_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, 0.01, 0.9, 0.01, 0.9) == []
    assert told(capsys, 0.9, 0.9, last=True) == []
    lines = told(capsys, 0.9, 0.01, last=True)
    assert len(lines) == 1
    assert lines[0].startswith("warning: outputs hardly differ")
    lines = told(capsys, 0.01, 0.02, 0.03, 0.9)
    assert len(lines) == 2
    assert "diversity: A to B 0.02" in lines[0]
    assert lines[0].endswith("(image 2)")
    assert lines[1] == "well again: diversity, A to B (image 4)"


def test_the_progress_line_has_the_health_in_a_few_words() -> None:
    good = {f"diversity_{d}": 0.9 for d in ("ab", "ba")}
    assert in_brief(good) == "good"
    assert in_brief(good | {"diversity_ba": 0.3}) == "watch diversity B to A 0.30"
    bad = good | {"modes_ab": 0.1, "dependence_ab": 0.0}
    assert in_brief(bad) == "bad own outputs A to B 0.10 and 1 more"
    losses = {"generators": {"gan_ab": 1.0}, "discriminators": {"d_a": 0.5}}
    row = LogRow(1, 2, 1e-4, losses, 3.0, True, {})
    assert figures(row, {}) == "3.0 img/s  G 1.00  D 0.50"
    assert figures(row, good).endswith("health: good")


def test_places_have_words() -> None:
    assert set(PLACES) == {"ab", "ba", "a", "b", "generators", "discriminators"}
