"""The commands as functions: silent unless asked, and the same as the command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

import hwan
import tiny
from commands import say
from hwan import api
from hwan.cli.evaluate import Evaluate
from hwan.cli.export import Export
from hwan.cli.train import Train
from hwan.cli.translate import Translate
from hwan.config import save
from hwan.errors import Stopped, UsageError
from hwan.files import read_json
from hwan.training import run as training
from hwan.training.recorder import Interrupted

DOORS: dict[str, Callable[..., Any]] = {
    "train": api.train,
    "evaluate": api.evaluate,
    "translate": api.translate,
    "export": api.export,
}


def test_the_doors_are_the_functions() -> None:
    assert {
        "train": hwan.train,
        "evaluate": hwan.evaluate,
        "translate": hwan.translate,
        "export": hwan.export,
    } == DOORS


SAME = [
    (Train, api.train, {"progress"}, {"data", "out"}),
    (Evaluate, api.evaluate, {"run", "progress"}, {"runs", "out"}),
    (Translate, api.translate, {"progress"}, set[str]()),
    (Export, api.export, set[str](), set[str]()),
]


@pytest.mark.parametrize(
    ("kind", "function", "own", "other"), SAME, ids=[kind.__name__ for kind, *_ in SAME]
)
def test_commands_and_functions_have_the_same_options(
    kind: Any, function: Callable[..., Any], own: set[str], other: set[str]
) -> None:
    told = {f.name: f.default for f in fields(kind)}
    parameters = inspect.signature(function).parameters.values()
    taken = {p.name: MISSING if p.default is p.empty else p.default for p in parameters}
    assert {k: v for k, v in told.items() if k not in other} == {
        k: v for k, v in taken.items() if k not in own | other
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    data = tiny.write_data(folder / "data", n=2, size=34, truth=True)
    return hwan.train(tiny.config(epochs=2), data, folder / "run", device="cpu")


def test_everything_is_silent(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = run.parent
    capfd.readouterr()
    again = hwan.train(tiny.config(epochs=1), str(folder / "data"), folder / "again", device="cpu")
    assert again == folder / "again"
    assert (again / "report.html").is_file()
    summaries = hwan.evaluate(str(run), lpips="none", features="none", device="cpu")
    assert set(summaries) == {"ab", "ba"}
    found = hwan.translate(run, folder / "data" / "testA", folder / "translated", device="cpu")
    assert [outcome.error for outcome in found.images] == ["", ""]
    assert hwan.export(run, folder / "folder", to="folder").path == folder / "folder"
    assert api.report(again) == again / "report.html"
    assert capfd.readouterr() == ("", "")


def test_progress_shows(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run.parent
    data = folder / "data"
    hwan.train(tiny.config(epochs=1), data, folder / "shown", device="cpu", progress=True)
    assert "2/2 images" in capsys.readouterr().err
    hwan.evaluate(run, lpips="none", features="none", device="cpu", progress=True)
    assert "testing: 4 of 4" in capsys.readouterr().err
    hwan.translate(run, data / "testA", folder / "there", device="cpu", progress=True)
    assert "translating: 2 of 2" in capsys.readouterr().err


def test_the_command_line_makes_the_same(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = run.parent / "data"
    save(tiny.config(epochs=2), tmp_path / "tiny.json")
    own = tmp_path / "run"
    line = f"train {tmp_path / 'tiny.json'} --data {data} --out {own} --device cpu"
    assert say(capsys, *line.split()).code == 0
    weights = Path("generator_ab") / "model.safetensors"
    assert (own / weights).read_bytes() == (run / weights).read_bytes()

    plain = ["--lpips", "none", "--features", "none", "--device", "cpu"]
    assert say(capsys, "evaluate", own, *plain).code == 0
    hwan.evaluate(run, lpips="none", features="none", device="cpu")
    results = Path("evaluation") / "results.json"
    assert read_json(own / results) == read_json(run / results)

    photos = data / "testA"
    line = f"translate {own} {photos} --out {tmp_path / 'a'} --device cpu"
    assert say(capsys, *line.split()).code == 0
    for outcome in hwan.translate(run, [photos], tmp_path / "b", device="cpu").images:
        other = tmp_path / "a" / outcome.target.relative_to(tmp_path / "b")
        assert outcome.target.read_bytes() == other.read_bytes()


def test_earlier_translations_are_counted(run: Path, tmp_path: Path) -> None:
    photos = run.parent / "data" / "testA"
    assert hwan.translate(run, photos, tmp_path, device="cpu").present == 0
    next(tmp_path.iterdir()).unlink()
    again = hwan.translate(run, photos, tmp_path, resume=True, device="cpu")
    assert (len(again.images), again.present) == (1, 1)


@pytest.mark.parametrize("progress", [False, True])
def test_a_stop_is_raised_and_resume_knows_the_data(
    progress: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tiny.write_data(tmp_path / "data", n=2, size=34)
    train = training.train
    monkeypatch.setattr(training, "train", lambda *args: iter([Interrupted(3, 8)]))
    with pytest.raises(Stopped, match=r"stopped after 3 of 8 images.*saved") as stop:
        hwan.train(tiny.config(), data, tmp_path / "run", progress=progress)
    assert isinstance(stop.value, KeyboardInterrupt)
    monkeypatch.setattr(training, "train", train)
    hwan.train(tiny.config(epochs=1), data, tmp_path / "run", "cpu")
    assert hwan.train(tiny.config(epochs=1), (), tmp_path / "run", "cpu", resume=True)


def test_an_unreadable_test_image_is_named_in_the_summary(run: Path, tmp_path: Path) -> None:
    data = tiny.write_data(tmp_path / "data", n=2, size=34)
    (data / "testA" / "broken.png").write_bytes(b"no image")
    found = hwan.evaluate(run, data, lpips="none", features="none", device="cpu")
    assert any("1 unreadable test image" in text for text in found["ab"].left_out)


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("export", {"to": "gguf"}),
    ("export", {"precision": "int4"}),
    ("translate", {"inputs": (), "engine": "onx"}),
    ("translate", {"inputs": (), "precision": "fp8"}),
    ("evaluate", {"resizing": "old"}),
]


@pytest.mark.parametrize(("door", "options"), WRONG)
def test_a_wrong_name_is_refused(
    door: str, options: dict[str, Any], run: Path, tmp_path: Path
) -> None:
    out: dict[str, Any] = {} if door == "evaluate" else {"out": tmp_path / "out"}
    with pytest.raises(UsageError, match="expected: a known"):
        DOORS[door](run, **out, **options)
    assert not (tmp_path / "out").exists()
