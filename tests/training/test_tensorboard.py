"""TensorBoard's event files, read back by its own reader."""

from __future__ import annotations

import ast
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import tiny
from hwan.errors import UsageError
from hwan.training import run as runs
from hwan.training import tensorboard as board
from hwan.training.recorder import Event, Interrupted, LogRow


def written(run: Path) -> dict[str, list[tuple[int, float]]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        reader = EventAccumulator(
            str(run / board.FOLDER), size_guidance={"scalars": 0, "images": 0}
        )
        reader.Reload()
    found = {
        tag: [(event.step, event.value) for event in reader.Scalars(tag)]
        for tag in reader.Tags()["scalars"]
    }
    images = [(event.step, float(event.width)) for event in reader.Images("samples")]
    return found | {"samples": images}


@pytest.mark.filterwarnings("default")
def test_every_row_is_in_the_event_file(tmp_path: Path) -> None:
    data, run = tiny.write_data(tmp_path / "data"), tmp_path / "run"
    events = list(board.record(runs.train(tiny.config(ticks=2), [data], run, "cpu"), run))
    rows = [event for event in events if isinstance(event, LogRow)]
    found = written(run)
    for group, name in [(g, name) for g, losses in rows[0].losses.items() for name in losses]:
        scalars = found[f"loss/{group}/{name}"]
        assert [step for step, _ in scalars] == [row.images for row in rows]
        expected = [row.losses[group][name] for row in rows]
        assert [value for _, value in scalars] == pytest.approx(expected, rel=1e-6)
    for name, value in rows[-1].health.items():
        step, read = found[f"health/{name}"][-1]
        assert step == rows[-1].images
        assert read == pytest.approx(value, rel=1e-6)
    assert [step for step, _ in found["train/lr"]] == [row.images for row in rows]
    assert [step for step, _ in found["samples"]] == [row.images for row in rows if row.tick]


@pytest.mark.filterwarnings("default")
def test_a_resumed_training_goes_on_in_the_same_curves(tmp_path: Path) -> None:
    data, run = tiny.write_data(tmp_path / "data"), tmp_path / "run"
    config = tiny.config(epochs=2, ticks=2)

    def cut(events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            yield event
            if isinstance(event, LogRow) and event.images == 8:
                break  # as a power cut: what was written after the last save comes again

    list(board.record(cut(runs.train(config, [data], run, "cpu")), run))
    events = board.record(runs.train(config, [data], run, "cpu", resume=True), run)
    assert not any(isinstance(event, Interrupted) for event in events)
    logged = [json.loads(line)["images"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert [step for step, _ in written(run)["train/lr"]] == logged == list(range(1, 13))


def test_without_the_extra_it_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    data, run = tiny.write_data(tmp_path / "data"), tmp_path / "run"
    with pytest.raises(UsageError, match=r"hwan\[tensorboard\]"):
        list(board.record(runs.train(tiny.config(), [data], run, "cpu"), run))
    assert not run.exists()


def test_nothing_of_it_is_imported_unless_it_is_on() -> None:
    tree = ast.parse(Path(board.__file__).read_text(encoding="utf-8"))
    top = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not any("tensorboard" in line for line in top)
