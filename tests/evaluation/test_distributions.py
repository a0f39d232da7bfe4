"""The outputs of a run as a set: every system measured, the protocol told, what is missing said."""

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

import hwan.config
import tiny
from hwan import api
from hwan.cli.main import main
from hwan.config import PixelFormat
from hwan.data.folders import ImageFolder, Layout, locate
from hwan.errors import UsageError
from hwan.evaluation import feature_networks
from hwan.evaluation.distributions import distributions
from hwan.evaluation.evaluate import evaluate
from hwan.evaluation.feature_networks import CLASSES, find_palettes, parse_class, pick_features
from hwan.evaluation.results import OURS, REAL, Distribution, ImageRow, summarise
from hwan.evaluation.source import run_data
from hwan.imaging.pixels import decode, save
from hwan.metrics.features import Features
from hwan.metrics.selfnet import train_selfnet
from hwan.nets.folder import load_generator, save_generator
from runs import make_run

FLAT = Features("flat", "0f", lambda x: x.flatten(1), 8, distances=("frechet_self", "mmd_self"))


@pytest.fixture(autouse=True)
def _quick(fewer_patches: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_networks, "train_selfnet", lambda a, b: train_selfnet(a, b, 3))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tiny.write_data(tmp_path / "data", n=8, size=40, truth=False)


def measured(run: Path, *networks: Features) -> tuple[list[ImageRow], Any]:
    layout = run_data(run)
    rows = list(evaluate(run, layout, "cpu"))
    return rows, distributions(run, layout, rows, networks or [FLAT])


def test_unpaired_outputs_are_set_against_every_baseline(tmp_path: Path, data: Path) -> None:
    rows, found = measured(make_run(tmp_path / "run", data))
    assert not any(row.figures for row in rows)  # no truth at all
    for direction in ("ab", "ba"):
        sets: Distribution = found[direction]
        assert list(sets.figures) == [OURS, "mean picture", "Reinhard", "input as it is", REAL]
        for figures in sets.figures.values():
            assert set(figures) == {
                "frechet_self", "mmd_self", "mmd_self_se", "precision", "recall", "density",
                "coverage", "swd", "swd_32", "swd_16",
            }  # fmt: skip
            assert figures["swd"] == pytest.approx((figures["swd_32"] + figures["swd_16"]) / 2)
            assert all(math.isfinite(value) for value in figures.values())
        # tiny's B is A's negative, and so are these generators' outputs.
        for metric in ("frechet_self", "mmd_self", "swd"):
            ours = sets.figures[OURS][metric]
            assert ours < min(sets.figures[k][metric] for k in ("mean picture", "input as it is"))
        assert sets.figures["mean picture"]["recall"] <= 1 / 8
        assert sets.protocol["outputs"] == f"8 translations of test{direction[0].upper()}"
        assert sets.protocol["reals"] == f"8 images of test{direction[1].upper()}"
        assert sets.protocol["weights, SHA-256"] == "0f"
        assert "from 32 to 16 pixels" in sets.protocol["sliced Wasserstein"]
    summaries = summarise(rows, distributions=found, left_out=["No weights."])
    words = " ".join(summaries["ab"].words)
    assert "A to B: hwan's sliced Wasserstein" in words
    assert "beats the best baseline" in words
    assert summaries["ab"].left_out == ("No weights.",)


def test_what_a_failure_moves(tmp_path: Path, data: Path) -> None:
    _, good = measured(make_run(tmp_path / "good", data))
    rows, bad = measured(make_run(tmp_path / "bad", data, ab="constant"))
    ours, lost = good["ab"].figures[OURS], bad["ab"].figures[OURS]
    assert lost["recall"] <= 1 / 8 < ours["recall"]
    for metric in ("swd", "frechet_self", "mmd_self"):
        assert lost[metric] > 3 * ours[metric]
    words = " ".join(summarise(rows, distributions=bad)["ab"].words)
    assert "does not beat the best baseline" in words


def test_what_is_written_is_what_is_measured(tmp_path: Path, data: Path) -> None:
    run = make_run(tmp_path / "run", data)
    rows, found = measured(run)
    shutil.copytree(data / "testB", run / "evaluation" / "ab", dirs_exist_ok=True)
    again = distributions(run, run_data(run), rows, [FLAT])["ab"]
    assert again.figures[OURS]["frechet_self"] == pytest.approx(0, abs=1e-6)
    assert again.figures[OURS]["swd"] == 0
    assert again.figures["Reinhard"] == found["ab"].figures["Reinhard"]


def test_few_or_small_or_many_channelled_pictures_are_left_out_in_words(
    tmp_path: Path, data: Path
) -> None:
    run = make_run(tmp_path / "run", data)
    layout = run_data(run)
    rows = list(evaluate(run, layout, "cpu"))
    one = distributions(run, layout, [row for row in rows if row.name == "0000.png"], [FLAT])["ab"]
    assert one.figures == {}
    assert "there are 1 and 8" in one.left_out[0]
    six = Features("six", "", lambda x: x.flatten(1), 8, channels=6)
    sets = distributions(run, layout, rows, [six])["ab"]
    assert set(sets.figures[OURS]) == {"swd", "swd_32", "swd_16"}
    assert "it takes 6 channels, and the pictures have 3" in sets.left_out[0]
    for file in (data / "testB").iterdir():
        save(np.full((12, 12, 3), 9, np.uint8), file)
    small = distributions(run, layout, rows)["ab"]
    assert "under 16 pixels" in small.left_out[0]


def test_own_features_are_trained_on_training_pictures_of_any_channels(
    tmp_path: Path, data: Path
) -> None:
    run = make_run(tmp_path / "run", data, a=1)
    config = hwan.config.load(run / "config.json")
    networks, left_out = pick_features("self", run_data(run), config)
    assert left_out == ""
    rows = list(evaluate(run, run_data(run), "cpu"))
    found = distributions(run, run_data(run), rows, networks)
    assert math.isfinite(found["ab"].figures[OURS]["mmd_self"])
    assert math.isfinite(found["ba"].figures[OURS]["mmd_self"])  # grey outputs


def test_label_maps_are_told_from_pictures(tmp_path: Path, data: Path) -> None:
    run = make_run(tmp_path / "run", data)
    config = hwan.config.load(run / "config.json")
    assert find_palettes("auto", run_data(run), config) == {}
    colours = np.array([[0, 0, 170], [0, 85, 255], [255, 85, 0]], np.uint8)
    for folder in ("trainB", "testB"):
        for i, file in enumerate(sorted((data / folder).iterdir())):
            save(colours[(np.indices((5, 5)).sum(0) + i) % 3].repeat(8, 0).repeat(8, 1), file)
    shutil.copytree(data / "testB", data / "truthB")
    layout = locate([data])
    palettes = find_palettes("auto", layout, config)
    assert list(palettes) == ["ab"]
    assert sorted(palettes["ab"].tolist()) == sorted(colours.tolist())
    assert find_palettes("none", layout, config) == {}
    file = tmp_path / "palette.txt"
    file.write_text("0 0 170 wall\n0 85 255 window\n255 85 0 door\n")
    assert list(find_palettes(str(file), layout, config)) == ["ab"]
    file.write_text("0 255 0\n0 85 255")
    with pytest.raises(hwan.errors.UsageError, match="the colours of 90% of the flat pixels"):
        find_palettes(str(file), layout, config)

    rows = [r for r in evaluate(run, layout, "cpu", palettes=palettes) if r.direction == "ab"]
    table = summarise(rows)["ab"].systems
    assert 0 <= table[OURS]["class_iou"] <= table[OURS]["pixel_accuracy"] <= 1
    pooled = np.mean([row.figures[OURS]["pixel_accuracy"] for row in rows])
    assert table[OURS]["pixel_accuracy"] == pytest.approx(pooled)  # of images of one size
    for file in (data / "truthB").iterdir():
        shutil.copy(run / "evaluation" / "ab" / file.name, file)
    same = [r for r in evaluate(run, layout, "cpu", palettes=palettes) if r.direction == "ab"]
    assert summarise(same)["ab"].systems[OURS]["class_iou"] == 1


def test_from_the_command_line_with_a_file_and_without(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run", data)
    assert main(["evaluate", str(run), "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "FID, KID, precision, recall, density and coverage were left out" in out
    assert "pt_inception-2015-12-05-6726825d.pth" in out
    results = json.loads((run / "evaluation" / "results.json").read_text())
    assert set(results["ab"]["distribution"][OURS]) == {"swd", "swd_32", "swd_16"}
    assert "no Inception weights" in results["ab"]["left_out"][0]
    tested: list[str] = []

    def loaded(path: Path, resizing: str, device: str) -> Features:
        tested.append(resizing)
        return FLAT

    monkeypatch.setattr(feature_networks, "load_inception", loaded)
    assert main(["evaluate", str(run), "--features", "x.pth", "--resizing", "legacy"]) == 0
    assert tested == ["legacy"]
    results = json.loads((run / "evaluation" / "results.json").read_text())
    assert results["ab"]["protocol"]["feature network"] == "flat"
    assert "recall" in results["ba"]["distribution"]["Reinhard"]
    lines = (run / "evaluation" / "results.csv").read_text().splitlines()
    assert lines[0] == "direction,system,metric,value"
    assert any(line.startswith("ba,Reinhard,recall,") for line in lines)


def test_one_way_runs_use_the_test_images_of_b(tmp_path: Path, data: Path) -> None:
    run = make_run(tmp_path / "run", data)
    config = hwan.config.load(run / "config.json")
    layout = Layout(
        ImageFolder(data / "trainA"), ImageFolder(data / "trainB"), ImageFolder(data / "testA")
    )
    assert config.directions == ("ab", "ba")
    one_way = dataclasses.replace(config, method="gan")
    hwan.config.save(one_way, run / "config.json")
    rows = list(evaluate(run, layout, "cpu"))
    sets = distributions(run, layout, rows, [FLAT])
    assert list(sets) == ["ab"]
    assert "there are 8 and 0" in sets["ab"].left_out[0]
    assert distributions(run, locate([data]), rows, [FLAT])["ab"].figures[OURS]["swd"] > 0


def test_several_networks_are_measured_and_one_that_classifies_recognises(
    tmp_path: Path, data: Path
) -> None:
    """B is A's negative here, and "bright" is a class."""

    def brightness(features: torch.Tensor) -> torch.Tensor:
        return (features.mean(1) > 0).long()

    other = dataclasses.replace(
        FLAT, name="other", digest="1e", distances=("frechet_lite", "kid_lite"), classify=brightness
    )
    run = make_run(tmp_path / "run", data)
    layout = run_data(run)
    rows = list(evaluate(run, layout, "cpu"))
    found = distributions(run, layout, rows, [other, FLAT], ("bright", 1))["ab"]
    figures = found.figures[OURS]
    assert figures["frechet_lite"] == figures["frechet_self"]
    bright = [
        float(image.mean()) > 127.5
        for image in map(_read, sorted((run / "evaluation/ab").iterdir()))
    ]
    assert figures["recognised"] == pytest.approx(np.mean(bright))
    real = [float(image.mean()) > 127.5 for image in map(_read, sorted((data / "testB").iterdir()))]
    assert f"{np.mean(real):.1%} of the reals" in found.protocol["recognised as bright"]
    assert found.protocol["weights, SHA-256"] == "1e"
    assert found.protocol["weights, SHA-256 (beside)"] == "0f"
    assert (
        "recognised"
        not in distributions(run, layout, rows, [FLAT], ("bright", 1))["ab"].figures[OURS]
    )


def _read(path: Path) -> np.ndarray:
    return decode(path.read_bytes(), PixelFormat()).pixels


def test_a_network_that_a_generator_was_trained_against_is_no_judge(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run", data)
    config, layout = hwan.config.load(run / "config.json"), run_data(run)
    networks, left_out = pick_features("lite2", layout, config, trained_against={"lite0"})
    assert networks[0].name == "EfficientNet-Lite2"
    assert networks[1].distances == ("frechet_self", "mmd_self")  # an unrelated one beside it
    assert left_out == ""
    with pytest.raises(UsageError, match="a judge that is new to the generator") as error:
        pick_features("lite2", layout, config, trained_against={"lite0", "lite2"})
    assert "give --features lite1 or self" in str(error.value)
    for direction in ("ab", "ba"):
        folder = run / f"generator_{direction}"
        net, spec = load_generator(folder)
        save_generator(folder, net, dataclasses.replace(spec, trained_against=("lite0",)))
    with pytest.raises(UsageError, match="lite0, which the generator's training saw by"):
        api.evaluate(run, features="lite0")
    with pytest.raises(UsageError, match="a classifier for --recognise"):
        api.evaluate(run, features="self", recognise="zebra")


@pytest.mark.parametrize("text", ["", "cow", "zebra=", "=340", "zebra=1000", "zebra=x", "zebra=-1"])
def test_what_is_no_class_of_imagenet_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a class of ImageNet as NAME=NUMBER"):
        parse_class(text)


def test_classes_by_name_and_by_number() -> None:
    assert parse_class("zebra") == ("zebra", 340)
    assert parse_class("okapi=345") == ("okapi", 345)
    assert all(parse_class(name)[1] == number for name, number in CLASSES.items())
