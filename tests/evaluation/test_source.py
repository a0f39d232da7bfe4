"""A generator folder without its run is tested as a run is: one way, on the data that is named."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import hwan.config
import tiny
from commands import say
from hwan.config import Config, DataConfig
from hwan.evaluation.results import OURS
from hwan.evaluation.source import GeneratorSource, known_options, read_source
from hwan.imaging.pixels import decode, save
from hwan.inference.model_card import export_folder
from hwan.nets.folder import load_generator, save_generator
from runs import make_run

pytestmark = pytest.mark.usefixtures("fewer_patches")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tiny.write_data(tmp_path / "data", n=3, size=40, truth=True)


@pytest.fixture
def run(tmp_path: Path, data: Path) -> Path:
    return make_run(tmp_path / "run", data)


def alone(run: Path, direction: str) -> Path:
    """The generator, copied to where nothing tells of its run."""
    folder = run.parent / f"ink_{direction}"
    shutil.copytree(run / f"generator_{direction}", folder)
    return folder


def results(folder: Path) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(
        (folder / "evaluation" / "results.json").read_text()
    )
    return found


@pytest.mark.parametrize("direction", ["ab", "ba"])
def test_it_is_tested_as_in_its_run(
    run: Path, data: Path, direction: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ink = alone(run, direction)
    assert say(capsys, "evaluate", run).code == 0
    said = say(capsys, "evaluate", ink, "--data", data)
    assert said.code == 0, said.err
    assert list(results(ink)) == [direction]
    here, there = results(ink)[direction], results(run)[direction]
    for key in ("images", "systems", "distribution", "diversity", "words"):
        assert here[key] == there[key], key
    assert here["cycle_l1"] is None  # the way back is not here
    for picture in (run / "evaluation" / direction).iterdir():
        own = ink / "evaluation" / direction / picture.name
        assert (decode(own).pixels == decode(picture).pixels).all()
    page = (ink / "report.html").read_text()
    assert "<dt>filters</dt>" in page
    assert "<dt>lr</dt>" not in page  # how it was trained is not known
    info = say(capsys, "info", ink).out
    ssim = here["systems"][OURS]["ssim"]  # type: ignore[index]
    assert f"3 images: SSIM {ssim:.3f}" in info
    assert "beat" in info
    assert f"SSIM {ssim:.3f}" in say(capsys, "info", run).out
    spec = (export_folder(ink, ink.parent / "card") / "README.md").read_text()
    assert "on 3 held-out images" in spec
    assert f"| SSIM ↑ | {ssim:.3f} |" in spec


def test_other_kinds_each_way(tmp_path: Path) -> None:
    """Of a generator from B to A, domain A is what it writes."""
    folder = make_run(tmp_path / "run", tmp_path, a=1) / "generator_ba"
    tested = read_source(folder)
    assert isinstance(tested, GeneratorSource)
    assert (tested.data.channels_a, tested.data.channels_b) == (1, 3)
    assert (tested.method, tested.directions) == ("cyclegan", ("ba",))
    assert known_options(tested)["generator.filters"] == "6"
    net, spec = load_generator(folder)
    save_generator(folder, net, dataclasses.replace(spec, depth_out="float", range_out=(-1.0, 2.0)))
    data = read_source(folder).data
    assert (data.depth_a, data.range_a, data.depth_b) == ("float", (-1, 2), "8")


def test_pairs_are_said(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("train", "test"):
        for k in range(3):
            left = decode(run.parent / "data" / f"{part}A" / f"{k:04d}.png").pixels
            both = np.concatenate([left, 255 - left], axis=1)
            save(both, tmp_path / "sides" / part / f"{k}.png")
    ink, sides = alone(run, "ab"), tmp_path / "sides"
    said = say(capsys, "evaluate", ink, "--data", sides)
    assert said.code == 2
    assert "--pairs sides" in said.all
    assert say(capsys, "evaluate", ink, "--data", sides, "--pairs", "sides").code == 0
    exact = results(ink)["ab"]["systems"][OURS]["l1"]  # type: ignore[index]
    assert exact < 0.15  # tanh(-x) of the negative's truth
    swapped = say(capsys, "evaluate", ink, "--data", sides, "--pairs", "sides", "--swap")
    assert swapped.code == 0
    first = (tmp_path / "sides" / "test" / "0.png", ink / "evaluation" / "ab" / "0.png.png")
    source, made = (decode(p if p.is_file() else p.with_name("0.png")).pixels for p in first)
    assert np.corrcoef(made.ravel(), source[:, 40:].ravel())[0, 1] < -0.9  # B was the input


def test_runs_and_generators_side_by_side(
    run: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there, back = alone(run, "ab"), alone(run, "ba")
    said = say(capsys, "evaluate", back, run, there, "--data", data)
    assert said.code == 0, said.err
    found = json.loads((run.parent / "comparison" / "comparison.json").read_text())
    assert list(found["groups"]) == ["ink_ba", "run", "ink_ab"]  # never seeds of one another
    assert set(found["figures"]["ab"]) >= {"run", "ink_ab"}
    assert "ink_ba" not in found["figures"]["ab"]
    assert found["figures"]["ab"]["run"]["ssim"] == found["figures"]["ab"]["ink_ab"]["ssim"]
    assert found["differences"] == {}


def test_what_is_not_known_is_no_difference(run: Path, tmp_path: Path) -> None:
    from hwan.evaluation.compare import Entry, differences, groups

    other = Config(data=DataConfig(size=64), train=hwan.config.TrainConfig(lr=1e-4))
    tested = [
        Entry(tmp_path / "lone", (), read_source(run / "generator_ab"), {}),
        Entry(tmp_path / "a", (), other, {}),
        Entry(tmp_path / "b", (), read_source(run), {}),
    ]
    found = differences(groups(tested))
    assert found["train.lr"] == ["not known", "0.0001", "0.0002"]
    assert found["data.size"] == ["32", "64", "32"]
    assert "loss.gan" not in found


def test_a_generator_is_no_training_and_names_no_data(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ink = alone(run, "ab")
    said = say(capsys, "evaluate", ink)
    assert said.code == 2
    assert "ink_ab without --data" in said.err
    assert not (ink / "evaluation").exists()
    assert "data.json" not in said.err
    for words in (
        ("train", ink, "--resume"),
        ("train", ink / "config.json", "--data", tmp_path, "--out", tmp_path / "x"),
        ("plan", ink / "config.json"),
    ):
        said = say(capsys, *words)
        assert said.code == 2
        assert "the config.json of a generator folder" in said.all
    said = say(capsys, "train", run, "--data", tmp_path)
    assert f"{run / 'config.json'} for its options" in said.err
    assert say(capsys, "evaluate", tmp_path).code == 2


def test_without_a_truth_no_empty_table(
    run: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(data / "truthB")
    said = say(capsys, "evaluate", alone(run, "ab"), "--data", data)
    assert said.code == 0
    assert "against the truth" not in said.out
