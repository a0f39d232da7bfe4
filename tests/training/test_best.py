"""The best checkpoint: chosen on images set aside, kept beside the last, and disturbing nothing."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from hwan.config import Config
from hwan.data.folders import locate
from hwan.data.sets import open_set, open_validation
from hwan.errors import UsageError
from hwan.evaluation.evaluate import evaluate
from hwan.evaluation.results import BEST, OURS, summarise
from hwan.evaluation.source import run_data
from hwan.nets import build_generator
from hwan.nets.folder import GeneratorSpec, load_generator, save_generator
from hwan.training import recorder
from hwan.training.best import ValidationFigures, ranked
from hwan.training.recorder import LogRow, Note
from hwan.training.run import train
from hwan.training.state import Training
from runs import NET, fill, make_run


def config(best: str = "swd", val: float = 0.0, pairs: str = "none", **options: Any) -> Config:
    base = tiny.config(epochs=2, ticks=4, **options)
    return dataclasses.replace(
        base,
        data=dataclasses.replace(base.data, val=val, pairs=pairs),  # type: ignore[arg-type]
        train=dataclasses.replace(base.train, best=best),  # type: ignore[arg-type]
    )


pytestmark = pytest.mark.usefixtures("fewer_patches")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tiny.write_data(tmp_path / "data", n=6)
    for side in "AB":
        shutil.copytree(root / f"test{side}", root / f"val{side}")
    return root


def weights(folder: Path) -> torch.Tensor:
    net, _ = load_generator(folder)
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def ranking(run: Path) -> Any:
    return json.loads((run / "best" / "ranking.json").read_text())


def test_choosing_disturbs_no_training_and_keeps_the_best(tmp_path: Path, data: Path) -> None:
    rows = [e for e in train(config(), [data], tmp_path / "best", "cpu") if isinstance(e, LogRow)]
    plain = dataclasses.replace(config(), train=dataclasses.replace(config().train, best=""))
    list(train(plain, [data], tmp_path / "plain", "cpu"))
    for name in ("generator_ab", "generator_ba"):
        assert torch.equal(weights(tmp_path / "best" / name), weights(tmp_path / "plain" / name))
    assert not (tmp_path / "plain" / "best").exists()

    ticks = [row for row in rows if row.tick]
    assert len(ticks) == 4
    found = ranking(tmp_path / "best")
    assert found["figure"] == "swd"
    for direction in ("ab", "ba"):
        by_images = {row.images: row.validation[f"swd_{direction}"] for row in ticks}
        table = found["ranking"][direction]
        assert {r["images"]: r["value"] for r in table} == by_images
        assert [r["value"] for r in table] == sorted(by_images.values())
        _, spec = load_generator(tmp_path / "best" / "best" / f"generator_{direction}")
        assert spec.images == table[0]["images"] == min(by_images, key=lambda k: by_images[k])
    logged = [
        json.loads(line) for line in (tmp_path / "best" / "log.jsonl").read_text().splitlines()
    ]
    assert [r["validation"] for r in logged if r["tick"]] == [r.validation for r in ticks]


def test_a_stopped_training_goes_on_to_the_same_best(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    list(train(config(), [data], whole, "cpu"))

    class Cut(Exception):
        pass

    def fail(*_: Any) -> None:
        raise Cut

    with monkeypatch.context() as broken:

        def begin() -> None:
            for event in train(config(), [data], cut, "cpu"):
                if isinstance(event, LogRow) and event.tick and event.images >= 6:
                    broken.setattr(recorder, "save_state", fail)  # ranked, but its state is lost

        with pytest.raises(Cut):
            begin()
    list(train(config(), [data], cut, "cpu", resume=True))
    assert ranking(cut) == ranking(whole)
    for direction in ("ab", "ba"):
        name = f"best/generator_{direction}"
        assert torch.equal(weights(cut / name), weights(whole / name))


def test_a_share_is_set_aside_by_name_and_pairs_stay_together(data: Path) -> None:
    tiny.write_data(data, n=40)
    layout = locate([data], "names")
    cut = config(val=0.25, pairs="names", best="l1")
    left, held = open_set(layout, cut), open_validation(layout, cut)
    names = [set(x.index.names) for x in (left.a, held.a, left.b, held.b)]
    assert names[0] | names[1] == {f"{i:04d}.png" for i in range(40)}
    assert not names[0] & names[1]
    assert names[1] == names[3]
    assert held.match == tuple((i, i) for i in range(len(held.a)))
    assert 4 <= len(held.a) <= 16
    whole = open_set(layout, config(best="l1", pairs="names"))
    for part in (left, held):
        for i, name in enumerate(part.a.index.names):
            j = whole.a.index.names.index(name)
            np.testing.assert_array_equal(part.a[i], whole.a[j])
    (data / "trainA" / "0040.png").write_bytes((data / "trainA" / "0001.png").read_bytes())
    assert names[1] <= set(
        open_validation(layout, cut).a.index.names
    )  # the others stay where they are


def test_pairs_side_by_side_have_train_val_and_test(tmp_path: Path) -> None:
    for name in ("train", "val", "test"):
        (tmp_path / name).mkdir()
    layout = locate([tmp_path], "sides", swap=True)
    assert layout.val_a is not None
    assert layout.test_a is not None
    assert (layout.val_a.folder.name, layout.val_a.view) == ("val", "right")
    assert layout.test_a.folder.name == "test"
    (tmp_path / "test").rmdir()
    alone = locate([tmp_path], "sides")
    assert alone.val_a is None
    assert alone.test_a is not None
    assert alone.test_a.folder.name == "val"


@pytest.mark.parametrize("figure", ["l1", "ssim", "psnr"])
def test_of_pairs_the_truth_decides(data: Path, figure: str) -> None:
    cut = config(figure, pairs="names")
    judge = ValidationFigures(open_validation(locate([data], "names"), cut), cut)
    training = Training(dataclasses.replace(cut, generator=NET), torch.device("cpu"))
    values = []
    for kind in ("negative", "constant"):  # tiny's B is A's negative
        for net in training.generators.values():
            fill(net, kind)
        values.append(judge(training)[f"{figure}_ab"])
    assert (values[0] < values[1]) == (figure == "l1")


def test_ranking_by_hand(tmp_path: Path) -> None:
    assert ranked(tmp_path, "swd", 4, {}) == []
    assert ranked(tmp_path, "swd", 4, {"swd_ab": 0.5, "swd_ba": math.nan}) == ["ab"]
    assert ranked(tmp_path, "swd", 8, {"swd_ab": 0.7, "swd_ba": 0.1}) == ["ba"]
    assert ranked(tmp_path, "swd", 12, {"swd_ab": 0.5, "swd_ba": 0.0}) == ["ba"]  # a tie: the first
    # Gone on with from 8: what came later comes again, and may be otherwise.
    assert ranked(tmp_path, "swd", 12, {"swd_ab": 0.4, "swd_ba": 0.2}) == ["ab"]
    table = json.loads((tmp_path / "ranking.json").read_text())["ranking"]
    assert [row["images"] for row in table["ab"]] == [12, 4, 8]
    assert [row["images"] for row in table["ba"]] == [8, 12]
    assert ranked(tmp_path / "up", "ssim", 4, {"ssim_ab": 0.5}) == ["ab"]
    assert ranked(tmp_path / "up", "ssim", 8, {"ssim_ab": 0.6}) == ["ab"]
    assert ranked(tmp_path / "up", "ssim", 12, {"ssim_ab": 0.4}) == []
    # Gone on with by another figure, whose values are not to be compared with these.
    assert ranked(tmp_path / "up", "swd", 16, {"swd_ab": 0.9}) == ["ab"]
    assert len(json.loads((tmp_path / "up" / "ranking.json").read_text())["ranking"]["ab"]) == 1


def test_wrong_choices_are_refused_before_training(tmp_path: Path, data: Path) -> None:
    with pytest.raises(UsageError, match=r"a figure for train.best"):
        config(best="", val=0.1)
    with pytest.raises(UsageError, match=r"in pairs for train.best"):
        config("ssim")
    with pytest.raises(UsageError, match=r"data.val of at least 0 and below 1"):
        config(val=1.0)
    for side in "AB":
        shutil.rmtree(data / f"val{side}")
    for cut, text in (
        (config(), "folders valA and valB"),
        (config(val=0.001), "at least 2 images"),
        (config("fid", val=0.5), "which hwan does not download"),
    ):
        with pytest.raises(UsageError, match=text):
            list(train(cut, [data], tmp_path / "run", "cpu"))
        assert not (tmp_path / "run").exists()


def test_the_test_reports_both(tmp_path: Path) -> None:
    data = tiny.write_data(tmp_path / "data", n=3, size=40, truth=True)
    run = make_run(tmp_path / "run", data, ab="constant")
    net = build_generator(NET, 3, 3)
    fill(net, "negative")
    spec = GeneratorSpec(NET, 3, 3, "ab", (32, 32), 3, "cyclegan")
    save_generator(run / "best" / "generator_ab", net, spec)
    rows = list(evaluate(run, run_data(run), "cpu"))
    summaries = summarise(rows)
    ab, ba = (summaries[d].systems for d in ("ab", "ba"))
    assert ab[BEST]["ssim"] > 0.8 > ab[OURS]["ssim"]
    assert BEST not in ba
    assert summaries["ab"].beaten is False  # the last one is judged by itself
    text = " ".join(summaries["ab"].words)
    assert "hwan's SSIM 0." in text
    assert "does not beat" in text
    assert "hwan, best checkpoint's SSIM" in text
    assert (run / "evaluation" / "best" / "ab" / "0000.png").is_file()


def test_a_training_ends_after_ticks_without_a_better_figure(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of four measurements is the best in one direction, so two more may follow."""
    figures = iter([{"swd_ab": 3.0, "swd_ba": 1.0}, {"swd_ab": 2.0, "swd_ba": 2.0},
                    {"swd_ab": 4.0, "swd_ba": 3.0}, {"swd_ab": 5.0, "swd_ba": 4.0}])  # fmt: skip
    monkeypatch.setattr(ValidationFigures, "__call__", lambda self, training: next(figures))
    base = config()
    patient = dataclasses.replace(
        base,
        train=dataclasses.replace(base.train, epochs=2 * base.train.epochs, ticks=8, patience=2),
    )
    events = list(train(patient, [data], tmp_path / "run", "cpu"))
    rows = [event for event in events if isinstance(event, LogRow) and event.tick]
    assert len(rows) == 4
    assert events[-1] == Note(
        f"no better swd at 2 ticks in a row: the training ends at {rows[-1].images}"
    )
    assert load_generator(tmp_path / "run" / "generator_ab")[1].images == rows[-1].images
    with pytest.raises(UsageError, match=r"train\.best for train\.patience"):
        dataclasses.replace(base, train=dataclasses.replace(base.train, best="", patience=2))
