"""The README's first command, made short: every stage in a real process, and its page in a browser."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from browser import chromium, opened
from hwan.imaging.pixels import decode


@pytest.mark.parametrize("task", ["webtoon", "daynight"])
def test_the_demo_goes_from_nothing_to_a_translated_picture(tmp_path: Path, task: str) -> None:
    out = tmp_path / "demo"
    out.mkdir()  # taken: the demo must not write into it
    run = subprocess.run(
        [sys.executable, "-m", "hwan.cli.main", "demo", "--task", task, "--out", str(out),
         "--minutes", "0.7", "--device", "cpu"],
        capture_output=True, text=True, check=False)  # fmt: skip
    assert run.returncode == 0, run.stderr
    made = tmp_path / "demo-2"
    assert not list(out.iterdir())
    for stage in ("1/5", "2/5", "3/5", "4/5", "5/5", "what next"):
        assert stage in run.stdout
    picture, translated = (decode(made / name).pixels for name in ("picture.png", "translated.png"))
    assert picture.shape == translated.shape
    assert (picture != translated).any()
    assert json.loads((made / "onnx" / "parity.json").read_text())["inputs"][0]["max_error"] < 1e-4
    results = json.loads((made / "run" / "evaluation" / "results.json").read_text())
    systems = {"hwan", "mean picture", "Reinhard", "input as it is"}
    assert set(results["ab"]["systems"]) == systems
    assert len(list((made / "run" / "evaluation" / "ab").iterdir())) == 40
    with chromium() as browser, opened(browser, made / "run" / "report.html") as page:
        assert page.locator("img").count() > 100
        assert page.locator("svg").count() >= 3
