"""The test on held-out images: every one is measured, and the files say what the rows say."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hwan.config
import tiny
from browser import chromium, opened
from hwan.data.folders import ImageFolder, Layout, locate
from hwan.errors import UsageError
from hwan.evaluation.evaluate import count, evaluate
from hwan.evaluation.results import OURS, ImageRow, summarise, write_results
from hwan.evaluation.run_page import write_run_report
from hwan.evaluation.source import run_data
from hwan.evaluation.verdict import overall_verdict
from hwan.imaging.pixels import decode, save
from hwan.inference.translate import load
from runs import make_run

# One 1x1 convolution to +x and -x, and one back: enough for a negative, or for nothing at all.


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tiny.write_data(tmp_path / "data", n=3, size=40, truth=True)


def measured(run: Path) -> list[ImageRow]:
    return list(evaluate(run, run_data(run), "cpu"))


def standard(path: Path) -> Any:
    """The JSON in ``path``, without Python's own NaN and Infinity."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_every_image_has_a_row_and_a_translation(tmp_path: Path, data: Path) -> None:
    for folder in ("testA", "truthB"):
        (data / folder / "deep").mkdir()
        (data / folder / "0002.png").rename(data / folder / "deep" / "x.png")
    Image.open(data / "testA" / "0001.png").save(data / "testA" / "0001.bmp")
    (data / "testB" / "0000.png").write_bytes(b"no image")
    run = make_run(tmp_path / "run", data)
    rows = measured(run)
    names = {
        "ab": ["0000.png", "0001.bmp", "0001.png", "deep/x.png"],
        "ba": ["0001.png", "0002.png"],
    }
    for direction, expected in names.items():
        mine = [row for row in rows if row.direction == direction]
        assert [Path(row.name).as_posix() for row in mine] == expected
        assert all(OURS in row.figures for row in mine)
    assert count(run_data(run), hwan.config.load(run / "config.json")) == 7  # the broken one too

    written = sorted(p.relative_to(run / "evaluation").as_posix()
                     for p in (run / "evaluation").rglob("*.png"))  # fmt: skip
    assert written == [
        "ab/0000.png", "ab/0001.bmp.png", "ab/0001.png", "ab/deep/x.png", "ba/0001.png", "ba/0002.png",
    ]  # fmt: skip
    expected_pixels = load(run / "generator_ab", "cpu").pixels(
        decode(data / "testA" / "0000.png").pixels
    )
    np.testing.assert_array_equal(
        decode(run / "evaluation" / "ab" / "0000.png").pixels, expected_pixels
    )


def test_the_files_say_what_the_rows_say(tmp_path: Path, data: Path) -> None:
    rows = measured(make_run(tmp_path / "run", data))
    summaries = summarise(rows)
    write_results(rows, summaries, tmp_path / "results")

    with (tmp_path / "results" / "images.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    # Two directions of three images: four systems of four figures, and the cycle.
    assert len(lines) == 2 * 3 * (4 * 4 + 1)
    values = {
        (r["direction"], r["name"], r["system"], r["metric"]): float(r["value"]) for r in lines
    }
    results = standard(tmp_path / "results" / "results.json")
    for row in rows:
        assert values[row.direction, row.name, OURS, "cycle_l1"] == row.cycle_l1
        for system, figures in row.figures.items():
            for metric, value in figures.items():
                assert values[row.direction, row.name, system, metric] == value
    for direction in ("ab", "ba"):
        mine = [row for row in rows if row.direction == direction]
        result = results[direction]
        assert result["images"] == 3
        assert list(result["systems"]) == [OURS, "mean picture", "Reinhard", "input as it is"]
        for system, figures in result["systems"].items():
            for metric, value in figures.items():
                mean = np.mean([row.figures[system][metric] for row in mine])
                assert value == pytest.approx(mean)
        assert result["cycle_l1"] == pytest.approx(np.mean([row.cycle_l1 for row in mine]))
        assert result["diversity"] == summaries[direction].diversity


def test_a_translator_that_knows_the_task_beats_every_baseline(tmp_path: Path, data: Path) -> None:
    """tiny's B is A's negative, and so are these generators' outputs."""
    summaries = summarise(measured(make_run(tmp_path / "run", data)))
    for summary in summaries.values():
        assert summary.beaten is True
        assert summary.systems[OURS]["ssim"] > 0.8
        assert summary.systems["input as it is"]["ssim"] < 0.1
        assert 0 < summary.cycle_l1 < 0.2  # tanh twice
        assert 0.5 < summary.diversity <= 1
    text, verdict = overall_verdict(summaries)
    assert verdict == "good"
    assert "Better than every baseline by 2 of 2 leading figures" in text
    assert "A to B: hwan's SSIM 0." in text
    assert " beats the best baseline" in text


def test_leaving_the_input_as_it_is_wins_where_the_truth_is_the_input(
    tmp_path: Path, data: Path
) -> None:
    shutil.rmtree(data / "truthB")
    shutil.copytree(data / "testA", data / "truthB")
    rows = measured(make_run(tmp_path / "run", data))
    for row in rows:
        if row.direction == "ab":
            alone = row.figures["input as it is"]
            assert alone["ssim"] == pytest.approx(1)
            assert (alone["l1"], alone["psnr"]) == (0, math.inf)
    summaries = summarise(rows)
    assert summaries["ab"].beaten is False
    assert summaries["ba"].beaten is True
    text, verdict = overall_verdict(summaries)
    assert verdict == "mixed"
    assert "does not beat the best baseline, input as it is (1.000)" in text

    write_results(rows, summaries, tmp_path / "results")
    results = standard(tmp_path / "results" / "results.json")
    assert results["ab"]["systems"]["input as it is"]["psnr"] is None
    assert results["ab"]["systems"][OURS]["psnr"] > 0


def test_a_constant_generator_is_seen_in_diversity_and_loses(tmp_path: Path, data: Path) -> None:
    run = make_run(tmp_path / "run", data, ab="constant", ba="constant")
    summaries = summarise(measured(run))
    for summary in summaries.values():
        assert summary.diversity == pytest.approx(0, abs=1e-6)
        assert summary.beaten is False
    assert overall_verdict(summaries)[1] == "bad"


def test_without_truth_nothing_is_claimed(tmp_path: Path, data: Path) -> None:
    for name in ("truthA", "truthB"):
        shutil.rmtree(data / name)
    rows = measured(make_run(tmp_path / "run", data))
    assert [dict(row.figures) for row in rows] == [{}] * 6
    summaries = summarise(rows)
    for summary in summaries.values():
        assert (summary.systems, summary.beaten) == ({}, None)
        assert summary.cycle_l1 > 0
    assert overall_verdict(summaries)[1] == "none"
    assert overall_verdict({})[1] == "none"
    assert "Not tested yet" in overall_verdict({})[0]


def test_truth_for_some_images_counts_only_those(tmp_path: Path, data: Path) -> None:
    (data / "truthB" / "0000.png").unlink()
    rows = measured(make_run(tmp_path / "run", data))
    assert [bool(row.figures) for row in rows] == [False, True, True, True, True, True]
    known = [row.figures[OURS]["ssim"] for row in rows[1:3]]
    assert summarise(rows)["ab"].systems[OURS]["ssim"] == pytest.approx(np.mean(known))


def test_a_truth_may_have_another_format_but_the_same_name_comes_first(
    tmp_path: Path, data: Path
) -> None:
    (data / "truthB" / "0000.png").rename(data / "truthB" / "0000.bmp")  # Pillow looks inside
    Image.open(data / "testA" / "0001.png").save(data / "truthB" / "0001.tif")
    rows = measured(make_run(tmp_path / "run", data))
    assert all(row.figures[OURS]["ssim"] > 0.8 for row in rows[:3])


def test_one_image_has_no_diversity_and_the_file_is_still_json(tmp_path: Path) -> None:
    data = tiny.write_data(tmp_path / "data", n=1, truth=True)
    rows = measured(make_run(tmp_path / "run", data))
    summaries = summarise(rows)
    assert all(math.isnan(s.diversity) for s in summaries.values())
    write_results(rows, summaries, tmp_path / "results")
    results = standard(tmp_path / "results" / "results.json")
    assert [results[d]["diversity"] for d in ("ab", "ba")] == [None, None]
    assert results["ab"]["beaten"] is True


def test_grey_to_colour(tmp_path: Path, data: Path) -> None:
    run = make_run(tmp_path / "run", data, a=1)
    rows = measured(run)
    assert {row.source_small.shape[2] for row in rows if row.direction == "ab"} == {1}
    # Grey can be shown in colour, and is the baseline then; colour is none for grey.
    baselines = {OURS, "mean picture", "Reinhard"}
    for row in rows:
        own = {"input as it is"} if row.direction == "ab" else set()
        assert set(row.figures) == baselines | own
    assert decode(run / "evaluation" / "ba" / "0000.png").mode == "L"


def test_a_truth_of_another_size_is_refused(tmp_path: Path, data: Path) -> None:
    path = data / "truthB" / "0001.png"
    save(decode(path).pixels[:30], path)
    run = make_run(tmp_path / "run", data)
    with pytest.raises(UsageError) as caught:
        measured(run)
    assert "a truth of the size of its test image" in str(caught.value)
    assert "0001.png: (30, 40), translated (40, 40)" in str(caught.value)


def test_without_test_folders_it_says_what_to_do(tmp_path: Path, data: Path) -> None:
    run = make_run(tmp_path / "run", data)
    for layout in (
        Layout(ImageFolder(data / "trainA"), ImageFolder(data / "trainB")),
        Layout(
            ImageFolder(data / "trainA"),
            ImageFolder(data / "trainB"),
            test_a=ImageFolder(data / "testA"),
        ),
    ):
        with pytest.raises(UsageError, match="held-out images in testA and testB"):
            list(evaluate(run, layout, "cpu"))
    for file in (data / "testB").iterdir():
        file.unlink()
    with pytest.raises(UsageError, match="received: none for ba"):
        summarise(measured(run))


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, data: Path) -> None:
    with pytest.raises(UsageError, match=r"a file at .*config.json"):
        list(evaluate(tmp_path, locate([data]), "cpu"))
    run = make_run(tmp_path / "run", data)
    shutil.rmtree(run / "generator_ba")
    with pytest.raises(UsageError, match="with a trained generator"):
        measured(run)


def test_another_data_set_may_be_given(tmp_path: Path, data: Path) -> None:
    run = make_run(tmp_path / "run", data)
    other = tiny.write_data(tmp_path / "other", n=1)
    assert run_data(run).train_a == ImageFolder(data / "trainA")
    assert run_data(run, [other]).train_a == ImageFolder(other / "trainA")
    shutil.rmtree(data)
    with pytest.raises(UsageError, match=r"a folder for --data\n  received: .*data"):
        run_data(run)


# The report


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


def shown(browser: Any, page: Path) -> str:
    with opened(browser, page) as tab:
        return str(tab.locator("body").text_content())


def test_the_report_holds_every_test_image_and_opens(
    tmp_path: Path, data: Path, browser: Any
) -> None:
    shutil.copytree(data / "testA", data / "truthB", dirs_exist_ok=True)  # psnr inf in a table
    for k, name in enumerate(("0000.png", "0001.png", "0002.png")):
        for folder in ("testA", "truthB"):
            (data / folder / name).rename(data / folder / f"horse {k} & <b>.png")
    run = make_run(tmp_path / "run", data)
    rows = measured(run)
    page = write_run_report(run, run_data(run), rows, summarise(rows))
    assert page == run / "report.html"
    text = shown(browser, page)
    for row in rows:
        assert row.name in text
    for words in ("images seen", "does not beat", "A to B, against the truth", "epochs",
                  "Reinhard", "diversity", "Curves", "Environment"):  # fmt: skip
        assert words in text


def test_the_report_of_an_untested_run_opens(tmp_path: Path, data: Path, browser: Any) -> None:
    run = make_run(tmp_path / "run", data)
    text = shown(browser, write_run_report(run, run_data(run)))
    assert "Not tested yet" in text
    assert "0000.png" not in text
    assert "Samples over time" in text
