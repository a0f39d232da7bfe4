"""An option that nothing reads is refused where it is given, and only there."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import pytest

import hwan.config
import tiny
from commands import say
from hwan.config import Config, DataConfig, GeneratorConfig, LossConfig
from hwan.config.applicability import (
    COMMON_OPTIONS,
    RULES,
    UnreadOption,
    options,
    refuse_unread,
    unread,
    warn_unread,
)
from hwan.config.recipes import RECIPES
from hwan.errors import UsageError


def test_the_table_is_of_options_and_no_recipe_offends() -> None:
    assert {name for name, _, _ in RULES} <= set(options(Config()))
    for recipe in RECIPES.values():
        assert unread(recipe(), Config()) == {}


@pytest.mark.parametrize(
    ("recipe", "given", "of"),
    [
        ("pix2pix", ["--loss.identity", "0.5"], "method cyclegan or gan or dcl for loss.identity"),
        ("cyclegan", ["--loss.l1", "10"], "method pix2pix for loss.l1"),
        # what nothing reads is refused also where it is turned off
        ("cyclegan", ["--loss.adversarial", "0"], "method pix2pix for loss.adversarial"),
        ("cyclegan", ["--loss.no-nce-identity"], "method cut for loss.nce_identity"),
        ("cut", ["--loss.cycle-a", "5"], "method cyclegan for loss.cycle_a"),
        ("cyclegan", ["--loss.gp", "5"], "loss.gan wgan-gp for loss.gp"),
        ("pix2pix", ["--generator.blocks", "4"], "generator.name resnet or plain for generator.blocks"),
        ("pix2pix", ["--generator.padding", "zero"],
         "generator.up nearest or bilinear or shuffle for generator.padding"),
        ("small", ["--discriminator.name", "pixel", "--discriminator.padding", "same"],
         "discriminator.name patchgan or image or multiscale for discriminator.padding"),
        ("small", ["--discriminator.groups", "8"], "discriminator.norm group for discriminator.groups"),
    ],
)  # fmt: skip
def test_what_nothing_reads_is_refused(
    recipe: str, given: list[str], of: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in ("train", "plan"):
        said = say(capsys, verb, recipe, "--data", tmp_path, *given)
        assert said.code == 2
        assert of in said.all
        assert f"leave {of.split()[-1]} out" in said.all


@pytest.mark.parametrize(
    "given",
    [
        # what a recipe has set for a network that is then exchanged is nobody's mistake
        ["small", "--generator.name", "unet", "--generator.downs", "6"],
        ["cyclegan", "--data.size", "128", "--generator.name", "unet", "--generator.downs", "7"],
        ["pix2pix", "--loss.identity", "0"],
        ["cyclegan", "--loss.gan", "wgan-gp", "--loss.gp", "5"],
        ["cyclegan", "--discriminator.norm", "group", "--discriminator.groups", "8"],
    ],
)
def test_what_is_read_or_off_or_a_recipes_passes(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "nothing would read" not in say(capsys, "train", *given, "--data", "nowhere").all


def test_a_file_is_warned_of_and_a_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = replace(tiny.config(), loss=LossConfig(l1=7.0))
    hwan.config.save(config, tmp_path / "mine.json")
    said = say(capsys, "train", tmp_path / "mine.json", "--data", "nowhere")
    assert "warning: loss.l1 in" in said.all
    assert "no --out" in said.all  # and it went on to the next question
    (tmp_path / "run").mkdir()
    hwan.config.save(config, tmp_path / "run" / "config.json")
    said = say(capsys, "train", tmp_path / "run", "--resume", "--data", "nowhere")
    assert "loss.l1" not in said.all


def test_values_that_differ_are_named_once() -> None:
    base = Config(data=DataConfig(size=256))
    config = replace(base, generator=GeneratorConfig(name="unet", downs=8, stem=3, blocks=2))
    assert list(unread(config, base)) == ["generator.blocks", "generator.stem"]
    with pytest.raises(UsageError, match=r"generator\.blocks 2"):
        refuse_unread(config, base)


def test_the_common_options_are_options() -> None:
    assert len(set(COMMON_OPTIONS)) == len(COMMON_OPTIONS) < 30
    assert set(COMMON_OPTIONS) <= set(options(Config()))


def test_a_configuration_from_python_is_warned_of() -> None:
    config = Config(method="gan", loss=LossConfig(cycle_a=5.0, identity=0.0))
    with pytest.warns(
        UnreadOption, match=r"mine: nothing reads loss.cycle_a 5.0: it needs method cyclegan"
    ):
        warn_unread(config, "mine")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_unread(Config(), "mine")
