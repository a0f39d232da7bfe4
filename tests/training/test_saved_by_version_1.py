"""Runs made by version 0.1 (tests/saved/version1.zip) go on, translate and evaluate as that version did."""

from __future__ import annotations

import json
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwan.config
import tiny
from hwan.config.renamed import RenamedOption
from hwan.evaluation.evaluate import evaluate
from hwan.evaluation.source import run_data
from hwan.evaluation.training_sections import grouped_losses
from hwan.inference.translate import load
from hwan.training.run import train

SAVED = Path(__file__).parents[1] / "saved" / "version1.zip"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked runs beside their data."""
    root = tmp_path_factory.mktemp("version1")
    with zipfile.ZipFile(SAVED) as archive:
        archive.extractall(root)
    data = tiny.write_data(root / "data", truth=True)
    for file in root.glob("*/data.json"):
        file.write_text(file.read_text().replace("DATA", str(data)))
    return root


def expected(saved: Path, method: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((saved / "expected.json").read_text())[method]
    return found


def flat(losses: dict[str, Any]) -> dict[str, float]:
    return {k: v for values in grouped_losses(losses).values() for k, v in values.items()}


@pytest.mark.parametrize("method", ["cyclegan", "gan", "pix2pix"])
def test_a_stopped_run_resumes_to_the_same_losses_and_figures(
    saved: Path, tmp_path: Path, method: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(saved / method, run)
    with pytest.warns(RenamedOption) as told:
        config = hwan.config.load(run / "config.json")
    said = "\n".join(str(one.message) for one in told)
    for old, new in (
        ("speed.branches", "speed.parallel_halves"),
        ("speed.forms", "speed.fast_kernels"),
        ("generator.whitened", "generator.whitening_channels"),
    ):
        assert f"{old} is now called {new}" in said
    list(train(config, [saved / "data"], run, "cpu", resume=True))
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    wanted = expected(saved, method)["rows"]
    assert [row["images"] for row in rows[-len(wanted) :]] == [row["images"] for row in wanted]
    for row, old in zip(rows[-len(wanted) :], wanted, strict=True):
        assert flat(row["losses"]) == pytest.approx(flat(old["losses"]), rel=1e-4)
    evaluates_to(run, expected(saved, method)["evaluation"])
    # Flat rows of version 0.1 and the grouped rows after them are both readable.
    assert not isinstance(rows[0]["losses"].get("generators"), dict)
    assert all(set(flat(row["losses"])) == set(flat(rows[0]["losses"])) for row in rows)
    groups = [grouped_losses(row["losses"]) for row in rows]
    assert all("d_b" in losses["discriminators"] for losses in groups)
    assert all("gan_ab" in losses["generators"] for losses in groups)


@pytest.mark.parametrize("method", ["cyclegan", "gan", "pix2pix", "cut"])
def test_a_saved_run_translates_to_the_same_pixels(
    saved: Path, tmp_path: Path, method: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(saved / method, run)
    wanted = expected(saved, method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        picture = load(run, "cpu").array(saved / "data" / "testA" / "0000.png")
    found = picture[::8, ::8].astype(int).flatten()
    assert np.abs(found - np.array(wanted["translation"])).max() <= 1


def evaluates_to(run: Path, wanted: list[dict[str, Any]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        rows = {(row.direction, str(row.name)): row for row in evaluate(run, run_data(run), "cpu")}
    for old in wanted:
        row = rows[old["direction"], old["name"]]
        for system, figures in old["figures"].items():
            got = {figure: row.figures[system][figure] for figure in figures}
            assert got == pytest.approx(figures, abs=2e-3, rel=1e-3), system
