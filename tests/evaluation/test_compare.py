"""Runs side by side: seeds become mean and standard deviation, and the three files say the same."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hwan.config
import tiny
from browser import chromium, opened
from hwan.cli.main import main
from hwan.config import Config
from hwan.errors import UsageError
from hwan.evaluation.compare import Entry, differences, figures, groups, remarks
from hwan.evaluation.results import BEST, OURS, REAL, Summary
from runs import make_run


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


def measured(name: str, ssim: float, seed: int = 0, lr: float = 2e-4, **more: Any) -> Entry:
    base = tiny.config(seed=seed, lr=lr)
    systems = {OURS: {"ssim": ssim}, "input as it is": {"ssim": 0.5}}
    summary = Summary(3, systems, 0.1, 0.9, None, {}, more.pop("protocol", {"reals": "3"}))
    return Entry(Path(name), more.pop("data", (Path("data"),)), base, {"ab": summary})


def test_seeds_are_one_group_with_mean_and_sd() -> None:
    runs = [measured("x/a", 0.6, 0), measured("x/b", 0.7, 1), measured("y/a", 0.4, 0, lr=1e-4)]
    named = groups(runs)
    assert {k: len(v) for k, v in named.items()} == {"x/a (2 seeds)": 2, "y/a": 1}
    found = figures(named)["ab"]
    assert list(found) == ["x/a (2 seeds)", "y/a", "input as it is"]
    spread = found["x/a (2 seeds)"]["ssim"]
    assert spread.runs == 2
    assert spread.mean == pytest.approx(0.65)
    assert spread.sd == pytest.approx(0.1 / math.sqrt(2))
    assert spread.text("ssim") == "0.650 ± 0.071"
    assert found["y/a"]["ssim"].text("ssim") == "0.400"
    assert found["input as it is"]["ssim"].runs == 3
    assert differences(named) == {"train.lr": ["0.0002", "0.0001"]}
    assert remarks(named, figures(named)) == [
        "A to B: x/a (2 seeds) has the best SSIM, 0.650 ± 0.071."
    ]


def test_a_winner_that_loses_to_a_baseline_is_told_so() -> None:
    named = groups([measured("a", 0.4), measured("b", 0.3, lr=1e-4)])
    said = remarks(named, figures(named))
    assert said == [
        "A to B: a has the best SSIM, 0.400, and does not beat the baseline input as it is "
        "(0.500 ± 0.000)."
    ]


def test_what_cannot_be_compared_is_said() -> None:
    runs = [
        measured("a", 0.4, protocol={"weights": "1"}),
        measured("b", 0.3, protocol={"weights": "2"}, data=(Path("other"),)),
    ]
    named = groups(runs)
    assert len(named) == 2  # one seed on other data is another group
    seeds = groups([measured("a", 0.4), measured("b", 0.3, 1, data=(Path("other"),))])
    assert list(seeds) == ["a (2 seeds)"]  # as `hwan demo --seed` makes them
    assert "different data" in " ".join(remarks(seeds, figures(seeds)))
    text = " ".join(remarks(named, figures(named)))
    assert "different data" in text
    assert "weights is not the same in every test" in text


def test_the_best_checkpoints_and_the_real_pictures_have_their_own_rows() -> None:
    one = measured("a", 0.4)
    summary = one.summaries["ab"]
    systems = {**summary.systems, BEST: {"ssim": 0.6}}
    sets = {REAL: {"swd": 0.1}, OURS: {"swd": 0.2}}
    both = dataclasses.replace(summary, systems=systems, distribution=sets)
    named = groups([dataclasses.replace(one, summaries={"ab": both}), measured("b", 0.3, lr=1e-3)])
    found = figures(named)["ab"]
    assert list(found) == ["a", "a, best checkpoint", "b", "input as it is", REAL]
    assert found["a"]["swd"].mean == 0.2
    assert remarks(named, figures(named))[0].startswith(
        "A to B: a, best checkpoint has the best SSIM"
    )


def test_one_folder_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="different folders"):
        groups([measured("a", 0.4), measured("./a", 0.4)])


@pytest.mark.usefixtures("fewer_patches")
def test_runs_side_by_side_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], browser: Any
) -> None:
    data = tiny.write_data(tmp_path / "data", n=3, size=40, truth=True)
    runs = [
        make_run(tmp_path / name, data, ab=kind, ba=kind)
        for name, kind in (("first", "negative"), ("second", "negative"), ("grey", "constant"))
    ]
    for run, change in ((runs[1], {"seed": 1}), (runs[2], {"lr": 1e-3})):
        config: Config = hwan.config.load(run / "config.json")
        train = dataclasses.replace(config.train, **change)
        hwan.config.save(dataclasses.replace(config, train=train), run / "config.json")
    assert main(["evaluate", *map(str, runs), "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "first (2 seeds) has the best SSIM" in out
    assert "LPIPS was left out: no AlexNet weights were found" in out
    folder = tmp_path / "comparison"
    found = json.loads((folder / "comparison.json").read_text())
    assert found["differences"] == {"train.lr": {"first (2 seeds)": "0.0002", "grey": "0.001"}}
    ab = found["figures"]["ab"]
    assert ab["first (2 seeds)"]["ssim"]["runs"] == 2
    assert ab["first (2 seeds)"]["ssim"]["sd"] == 0  # the same generators
    assert ab["grey"]["ssim"]["sd"] is None
    with (folder / "comparison.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    mean = {(r["direction"], r["system"], r["metric"]): r["mean"] for r in lines}
    assert float(mean["ab", "grey", "swd"]) == ab["grey"]["swd"]["mean"]
    with opened(browser, folder / "comparison.html") as tab:
        text = str(tab.locator("body").text_content())
        assert tab.locator("img").count() == 6  # three test images each way
    for words in ("first (2 seeds)", "± 0.000", "What differs", "input, first", "0000.png"):
        assert words in text
    assert (runs[0] / "evaluation" / "results.csv").is_file()

    assert main(["evaluate", str(runs[0]), str(runs[0])]) == 2
    assert "different folders" in capsys.readouterr().err
