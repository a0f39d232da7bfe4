"""A recipe and its options: the parser reads every spelling of them, and help shows the common ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tiny
from commands import say
from hwan.cli.options import parse_over
from hwan.cli.plan import Plan
from hwan.cli.train import Train
from hwan.config import Config, save
from hwan.config.applicability import COMMON_OPTIONS, options
from hwan.files import read_json, write_json

SIZES = [
    ("cyclegan", 128, {"generator.blocks": "6"}),
    ("cyclegan", 512, {"generator.blocks": "9"}),
    ("pix2pix", 128, {"generator.downs": "7"}),
    ("colourise", 64, {"generator.downs": "6", "data.pairs": "self"}),
    ("small", 32, {"generator.blocks": "3"}),
]
SPELLINGS = ["--data.size {}", "--data.size={}", "--train.batch 2 --data.size={} --data x y"]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    ("recipe", "size", "expected"), SIZES, ids=[f"{r} {s}" for r, s, _ in SIZES]
)
@pytest.mark.parametrize(("verb", "kind"), [("train", Train), ("plan", Plan)])
def test_a_recipes_networks_follow_the_size_however_it_is_written(
    verb: str, kind: Any, recipe: str, size: int, expected: dict[str, str], spelling: str
) -> None:
    given = parse_over(verb, [recipe, *spelling.format(size).split()], kind)
    found = {name: str(value) for name, value in options(given.config).items()}
    assert {"data.size": str(size), **expected}.items() <= found.items()


OPTIONS = [
    ("--generator.blocks 9 --data.size 128", "generator.blocks", "9"),
    ("--data.size=128 --generator.blocks=4", "generator.blocks", "4"),
    ("--data.size 64 --data.size 128", "data.size", "128"),
    ("--data.channels-a 1 --data.channels-b 1", "data.channels_a", "1"),
    ("--data.channels_a=1 --data.channels_b=1", "data.channels_b", "1"),
    ("--data.no-flip", "data.flip", "False"),
    ("--data.no_flip", "data.flip", "False"),
    ("--generator.norm_eps 1e-3", "generator.norm_eps", "0.001"),
]


@pytest.mark.parametrize(("line", "name", "value"), OPTIONS)
def test_options_over_a_recipe(line: str, name: str, value: str) -> None:
    found = options(parse_over("plan", ["cyclegan", *line.split()], Plan).config)
    assert str(found[name]) == value


@pytest.mark.parametrize(
    ("line", "note"),
    [
        (
            "cyclegan --method cut",
            "cut keeps the values of cyclegan; recipe cut or fastcut has its own",
        ),
        (
            "cyclegan --method gan --loss.identity 0.5",
            "gan keeps the values of cyclegan; recipe gan has its own",
        ),
        ("cut --method cut", ""),
        ("small", ""),
    ],
)
def test_a_method_over_the_recipe_of_another_is_noted(
    line: str, note: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parse_over("train", line.split(), Train)
    said = capsys.readouterr().err
    assert note in said
    assert bool(said) == bool(note)


def test_a_config_file_keeps_its_networks_at_another_size(tmp_path: Path) -> None:
    save(Config(), tmp_path / "mine.json")
    given = parse_over("plan", [str(tmp_path / "mine.json"), "--data.size=128"], Plan)
    assert (given.config.data.size, given.config.generator.blocks) == (128, 9)


@pytest.mark.parametrize("verb", ["train", "plan"])
def test_help_shows_the_common_options_and_help_all_every_one(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [say(capsys, verb, "pix2pix", flag) for flag in ("--help", "-h", "--help-all")]
    assert [said.code for said in asked] == [0, 0, 0]
    short, same, whole = (said.out.replace("-", "_") for said in asked)
    assert short == same
    for name in options(Config()):
        assert f"__{name}" in whole
        assert (f"__{name} " in short or f"__{name}," in short) == (name in COMMON_OPTIONS), name
    assert "__help_all" in short
    assert say(capsys, verb, "--help-all").code == 0  # as of the first recipe


def test_every_common_option_is_an_option() -> None:
    assert set(COMMON_OPTIONS) <= set(options(Config()))


def test_help_of_a_saved_run_shows_its_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tiny.config(seed=77), tmp_path / "config.json")
    said = say(capsys, "train", tmp_path, "--resume", "--help")
    assert (said.code, "(default: 77)" in said.out) == (0, True)


def test_an_old_name_in_a_saved_config_is_noted_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tiny.config(), tmp_path / "config.json")
    values = read_json(tmp_path / "config.json")
    values["speed"]["forms"] = values["speed"].pop("fast_kernels")
    write_json(tmp_path / "config.json", values)
    said = say(capsys, "info", tmp_path)
    assert said.code == 0
    assert said.err == (
        f"note: {tmp_path / 'config.json'}: speed.forms is now called speed.fast_kernels\n"
    )
