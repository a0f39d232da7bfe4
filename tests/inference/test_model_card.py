"""The model card: what is known of a generator, no more, where the hub looks for it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

import hwan.config
import tiny
from commands import say
from folders import generator
from hwan.imaging.pixels import save
from hwan.inference.hub import licence
from hwan.inference.model_card import export_folder, model_card
from hwan.nets.folder import load_generator
from translators import noise


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder as a training and a test leave it."""
    folder = tmp_path / "run"
    generator(folder / "generator_ba")
    hwan.config.save(tiny.config(seed=77), folder / "config.json")
    (folder / "data.json").write_text(json.dumps({"data": [str(tmp_path / "secret" / "horses")]}))
    (folder / "log.jsonl").write_text("")
    for name in ("000008.png", "000016.png"):
        save(noise(8, 8, seed=int(name[:6])), folder / "samples" / name)
    found: dict[str, Any] = {
        "ab": {"images": 1},
        "ba": {
            "images": 40,
            "images_seen": 7,
            "systems": {
                "hwan": {"ssim": 0.47123, "psnr": 17.0},
                "input as it is": {"ssim": 0.5335},
            },
            "distribution": {"hwan": {"swd": 0.25}},
            "cycle_l1": 0.04599,
            "beaten": False,
            "words": ["B to A: hwan loses."],
        },
    }
    (folder / "evaluation").mkdir()
    (folder / "evaluation" / "results.json").write_text(json.dumps(found))
    return folder


def test_a_runs_card_says_data_recipe_figures_samples_and_limits(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    said = say(
        capsys, "export", run, "--to", "folder", "--direction", "ba", "--out", out,
        "--licence", "cc-by-4.0",
    )  # fmt: skip
    assert said.code == 0
    names = sorted(p.name for p in out.iterdir())
    assert names == ["README.md", "config.json", "model.safetensors", "samples.png"]
    text = (out / "README.md").read_text("utf-8")
    front, body = text.removeprefix("---\n").split("\n---\n", 1)
    assert "library_name: hwan\npipeline_tag: image-to-image\n" in front
    assert "license: cc-by-4.0" in front
    assert "tags: [hwan, image-to-image, cyclegan, resnet]" in front
    for known in (
        "# run, B to A", "domain B to domain A", "`horses`", "train.seed 77",
        "| | hwan | input as it is |", "| SSIM ↑ | 0.471 | 0.533 |",
        "| sliced Wasserstein ↓ | 0.2500 |  |",
        "on 40 held-out images", "cycle L1 0.046", "- B to A: hwan loses.",
        "![samples](samples.png)", "## Limits", "each picture's own statistics",
    ):  # fmt: skip
        assert known in body
    assert "secret" not in text  # where the data lay is nobody's business
    assert (out / "samples.png").read_bytes() == (run / "samples" / "000016.png").read_bytes()
    assert licence(out) == "cc-by-4.0"
    assert body.strip() in say(capsys, "info", out).out
    spec = load_generator(run / "generator_ba")[1]
    assert load_generator(out)[1] == dataclasses.replace(spec, figures_at=7)


def test_what_is_not_known_is_not_said(tmp_path: Path) -> None:
    folder = generator(tmp_path / "g", norm="batch")
    out = export_folder(folder, tmp_path / "out")
    text = (out / "README.md").read_text("utf-8")
    assert "license:" not in text
    assert "Not stated" in text
    assert "Not tested" in text
    assert "# g\n" in text
    assert "Not known" in text
    assert "own statistics" not in text
    assert licence(out) == ""
    (out / "README.md").write_text("---\nlicense: mit\n---\nmine", "utf-8")
    again = export_folder(out, tmp_path / "again")  # an owner's words go along
    assert (again / "README.md").read_text("utf-8").endswith("mine")
    assert licence(again) == "mit"


def test_a_card_names_title_domains_and_when_the_figures_were_taken(
    run: Path, tmp_path: Path
) -> None:
    _, spec = load_generator(run / "generator_ba")
    named = dataclasses.replace(
        spec, title="Zebras to horses", domain_in="zebra", domain_out="horse", size=(24, 48),
        trained_against=("vgg16",), images=1200,
    )  # fmt: skip
    text = model_card(named, run)
    for words in (
        "# Zebras to horses\n", "of domain zebra to domain horse", "crops of 48x24 pixels",
        "48x24-pixel crops", "features of vgg16", "taken at 7 of 1,200 images seen", "hwan.load(FOLDER)",
        "import hwan\n\ntranslator = hwan.Translator.from_pretrained(",
    ):  # fmt: skip
        assert words in text
    assert "hwan.inference" not in text
    untitled = model_card(dataclasses.replace(named, title="", images=7), run)
    assert "# run, zebra to horse\n" in untitled
    assert "taken at" not in untitled
    out = export_folder(run / "generator_ba", tmp_path / "model")
    assert load_generator(out)[1].figures_at == 7
