"""The study: its rule on planted numbers, its engine under a kill, its list, its page."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hwan.cli.main import main
from hwan.cli.study import pick
from hwan.errors import UsageError
from hwan.study.claim import Prediction, Relation
from hwan.study.claims import CLAIMS
from hwan.study.verdict import T95, check, deviation, effects, interval, quantile, verdict_on

TOY = Path(__file__).parents[1] / "helpers" / "study_toy.py"


def planted(**variants: list[float]) -> dict[str, list[dict[str, float]]]:
    return {name: [{"x": value} for value in values] for name, values in variants.items()}


def above(
    bound: float, than: str = "", ratio: bool = False, relation: Relation = ">"
) -> Prediction:
    return Prediction("", "x", "one", relation, bound, than, ratio)


FAR = planted(one=[5.0, 5.2, 4.9], two=[1.0, 1.1, 0.8])


@pytest.mark.parametrize(
    ("predictions", "word"),
    [
        ((above(1, "two"), above(4)), "supported"),
        ((above(1, "two"), above(6)), "conditional"),  # seen, and contradicted
        ((above(1, "two"), above(5.01)), "conditional"),  # seen, and open
        ((above(6), above(5.01)), "refuted"),
        ((above(5.01), above(5.05)), "not seen at this scale"),
        ((above(2, "two", True), above(5.5, relation="<")), "supported"),
    ],
)
def test_every_verdict_comes_out(predictions: tuple[Prediction, ...], word: str) -> None:
    verdict = verdict_on(predictions, FAR)
    assert verdict.word == word
    seen = sum(c.outcome == "seen" for c in verdict.checks)
    assert verdict.score.startswith(f"{seen} of {len(predictions)} predictions seen")


def test_a_prediction_is_mirrored() -> None:
    for values in ([1.0, 1.1, 1.2], [3.0, 3.3, 2.9], [1.9, 2.2, 2.0]):
        results = planted(one=values)
        up, down = check(above(2), results), check(above(2, relation="<"), results)
        opposite = {"seen": "contradicted", "contradicted": "seen", "open": "open"}
        assert down.outcome == opposite[up.outcome]


def test_the_interval_is_students() -> None:
    low, high = interval([1.0, 2.0, 3.0])
    assert low == pytest.approx(2 - 2.920 / math.sqrt(3), rel=1e-6)  # sd 1, 2 degrees of freedom
    assert high == pytest.approx(2 + 2.920 / math.sqrt(3), rel=1e-6)
    assert interval([4.0, 4.0]) == (4.0, 4.0)
    assert deviation([7.0]) == 0


def test_quantiles_never_promise_too_much() -> None:
    assert quantile(2) == 2.920
    assert quantile(11) == T95[10]
    assert quantile(10_000) == T95[120]


def test_the_rule_errs_about_as_often_as_it_says() -> None:
    """Of no effect at all, a prediction at 0 is seen in 5 % of studies."""
    import random

    draw = random.Random(0)
    seen = sum(
        check(above(0), planted(one=[draw.gauss(0, 1) for _ in range(3)])).outcome == "seen"
        for _ in range(4000)
    )
    assert 0.04 < seen / 4000 < 0.06


def test_seeds_are_compared_in_pairs() -> None:
    """A difference that every seed shares is seen, however much the seeds differ."""
    results = planted(one=[1.1, 11.1, 101.1], two=[1.0, 11.0, 101.0])
    assert check(above(0.05, "two"), results).outcome == "seen"
    assert effects(above(0, "two"), results) == pytest.approx([0.1, 0.1, 0.1])


def test_missing_figures_leave_a_prediction_open() -> None:
    assert check(above(0), {"one": [{}, {"x": 9.0}, {}]}).outcome == "open"
    assert check(above(0), {"one": [{"x": 9.0}]}).outcome == "open"  # one seed says nothing
    lost = {"one": [{"x": 9.0}, {"x": 9.1}, {}], "two": [{"x": 1.0}, {"x": 1.0}, {"x": 1.0}]}
    assert check(above(0, "two"), lost).n == 2
    assert check(above(2, "two", ratio=True), planted(one=[-1, 2], two=[1, 1])).n == 1


def test_the_list_is_in_the_notes_words_and_quick(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study"]) == 0
    shown = capsys.readouterr().out
    words = " ".join(shown.split())
    places = [words.index(" ".join(claim.note.split())) for claim in CLAIMS.values()]
    assert places == sorted(places)
    code = "import sys; from hwan.cli.main import main; main(['study']); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_wrong_claim_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="perhaps you meant 'padding'"):
        pick(("paddin",))
    assert main(["study", "padding", "--seeds", "0"]) == 2
    assert main(["study", "--seeds", "2"]) == 2
    assert main(["study", "padding", "--data", "nowhere"]) == 2
    assert pick(("all",)) == list(CLAIMS.values())


def toy(out: Path, *options: str) -> list[str]:
    return [sys.executable, str(TOY), str(out), *options]


def cells(out: Path) -> dict[str, float]:
    """Every finished cell and when it was finished."""
    return {path.parent.name: path.stat().st_mtime for path in out.glob("cells/*/*/cell.json")}


def values(out: Path) -> list[object]:
    return [
        json.loads(path.read_text())["values"] for path in sorted(out.glob("cells/*/*/cell.json"))
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy study, never disturbed."""
    out = tmp_path_factory.mktemp("study") / "whole"
    subprocess.run(toy(out), check=True)
    return out


@pytest.mark.parametrize("processes", [pytest.param("1", marks=pytest.mark.slow), "2"])
def test_a_killed_study_goes_on(tmp_path: Path, whole: Path, processes: str) -> None:
    """A study killed with SIGKILL in the middle of a training leaves only whole cells; with --resume
    those are kept and the rest are made, and all is as without the kill."""
    out = tmp_path / "killed"
    running = subprocess.Popen(toy(out, "--processes", processes), start_new_session=True)
    deadline = time.monotonic() + 120
    while not (cells(out) and list(out.glob("trainings/.*[0-9a-f]/config.json"))):
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    deadline = time.monotonic() + 60
    while alive(running.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(running.pid)  # the workers do not outlive their parent
    before = cells(out)
    assert 1 <= len(before) < 4
    subprocess.run(toy(out, "--resume", "--processes", processes), check=True)
    after = cells(out)
    assert {name: after[name] for name in before} == before
    assert not list(out.glob("cells/*/.*"))
    assert (out / "study.html").is_file()
    assert len(after) == 4
    assert values(out) == values(whole)


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["1", "2"])
def test_ctrl_c_saves_and_ends(tmp_path: Path, processes: str) -> None:
    command = [sys.executable, "-m", "hwan.cli.main", "study", "identity", "--processes", processes]
    running = subprocess.Popen(
        [*command, "--out", str(tmp_path)],
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("trainings/.*[0-9a-f]/log.jsonl")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does, to every process
    assert "--resume" in running.communicate(timeout=120)[0]
    assert running.returncode == 130
    assert list(tmp_path.glob("trainings/.*/state/latest.pt"))
    assert not list(tmp_path.glob("cells/*/*/cell.json"))


def test_without_resume_all_is_made_anew(whole: Path) -> None:
    before = cells(whole)
    subprocess.run(toy(whole), check=True)
    assert cells(whole).keys() == before.keys()
    assert all(then < now for then, now in zip(before.values(), cells(whole).values(), strict=True))


def test_the_page(whole: Path) -> None:
    from browser import chromium, opened

    with chromium() as browser:
        for width, dark in ((1280, False), (400, True)):
            with opened(browser, whole / "study.html", width, dark=dark) as page:
                text = page.inner_text("body")
                assert "장난감 <b>" in text
                assert "A toy & no more" in text
                assert "conditional" in text
                assert page.eval_on_selector_all("img", "all => all.every(i => i.naturalWidth > 0)")
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                assert page.locator(".plot path").count() == 2


def test_json_and_markdown_say_the_same(whole: Path) -> None:
    found = json.loads((whole / "claims" / "toy.json").read_text())
    assert found["verdict"] == "conditional"
    assert [p["outcome"] for p in found["predictions"]] == ["seen", "open"]
    assert found["predictions"][1]["effect"] is None
    assert len(found["variants"]["a"]["seeds"]) == 2
    text = (whole / "claims" / "toy.md").read_text()
    assert text.startswith("# toy: conditional")
    assert (whole / "claims" / "toy.png").is_file()


def test_a_log_is_read_whether_its_losses_are_grouped_or_flat(tmp_path: Path) -> None:
    """A training that version 0.1 made and a resumed study finds again has flat rows."""
    from hwan.study.measure import log_lines

    grouped = {"generators": {"l1_b": 2.0}, "discriminators": {"d_b": 1.0}}
    rows = [{"losses": grouped}, {"losses": {"l1_b": 2.0, "d_b": 1.0}}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [row["losses"] for row in log_lines(tmp_path)] == [{"l1_b": 2.0, "d_b": 1.0}] * 2
