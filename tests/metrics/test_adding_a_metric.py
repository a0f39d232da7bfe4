"""The guide's section on adding a metric works as written, and the options agree with the records."""

from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import torch

import tiny
from hwan.config import Config, DataConfig, TrainConfig
from hwan.errors import UsageError
from hwan.evaluation.evaluate import evaluate
from hwan.evaluation.results import OURS, summarise, write_results
from hwan.evaluation.run_page import write_run_report
from hwan.evaluation.source import run_data
from hwan.metrics.records import METRICS
from runs import make_run

BEST = get_args(get_type_hints(TrainConfig)["best"])
GUIDE = Path(__file__).parents[2] / "docs/guide"


def test_the_guides_metric_is_measured_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (GUIDE / "extending.md").read_text("utf-8")
    text = text[text.index("## A metric") :]
    code, *_ = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (line,) = re.findall(r'^\+ +("\w+": [A-Z_0-9]+,)$', text, re.MULTILINE)
    module = types.ModuleType("edges")
    monkeypatch.setitem(sys.modules, "edges", module)
    exec(compile(code, "edges.py", "exec"), vars(module))
    for name, metric in eval("{" + line + "}", vars(module)).items():
        monkeypatch.setitem(METRICS, name, metric)

    same = torch.rand(2, 3, 8, 8) * 2 - 1
    assert module.edge_l1(same, same + 0.1).tolist() == pytest.approx([0, 0], abs=1e-6)

    data = tiny.write_data(tmp_path / "data", n=2, size=40, truth=True)
    run = make_run(tmp_path / "run", data)
    layout = run_data(run)
    rows = list(evaluate(run, layout, "cpu"))
    summaries = summarise(rows)
    write_results(rows, summaries, run / "evaluation")
    results = json.loads((run / "evaluation" / "results.json").read_text())
    for direction in ("ab", "ba"):
        assert results[direction]["systems"][OURS]["edge_l1"] > 0
        assert results[direction]["images_seen"] == 6  # the state the figures were taken at
    page = write_run_report(run, layout, rows, summaries).read_text("utf-8")
    assert "edge L1" in page
    assert "Blur raises it" in page


def test_train_best_offers_the_metrics_that_choose() -> None:
    assert set(BEST) - {""} == {k for k, m in METRICS.items() if m.chooses_best}


@pytest.mark.parametrize("name", [name for name in BEST if name])
def test_train_best_asks_for_pairs_where_the_metric_needs_the_truth(name: Any) -> None:
    train, data = TrainConfig(best=name), DataConfig(val=0.1)
    if METRICS[name].needs_truth:
        with pytest.raises(UsageError, match=r"train\.best"):
            Config(train=train, data=data)
    else:
        Config(train=train, data=data)


def test_every_metric_is_complete() -> None:
    for name, metric in METRICS.items():
        assert metric.title, name
        assert metric.least_size >= 1, name
        assert metric.needs_truth or not metric.measure, name
        assert not metric.leading or metric.better in ("high", "low"), name
