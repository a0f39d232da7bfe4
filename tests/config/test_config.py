"""Every rule of every option, and what a config file may and may not hold."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hwan.config
import tiny
from hwan.cli.main import main
from hwan.config import (
    Config,
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    LossConfig,
    SpeedConfig,
    TrainConfig,
    from_dict,
    load,
    recipes,
    save,
    to_dict,
)
from hwan.config.networks import NetworkConfig
from hwan.errors import UsageError

NAN, INF = float("nan"), float("inf")
# (section, option, value that breaks the rule, what the message must say)
BROKEN: list[tuple[type[Any], str, Any, str]] = [
    (SpeedConfig, "workers", -1, "speed.workers of at least 0"),
    (DataConfig, "size", 7, "data.size of at least 8"),
    (DataConfig, "resize", -1, "data.resize of at least 0"),
    (DataConfig, "resize", 255, "data.resize of at least data.size"),
    (DataConfig, "channels_a", 0, "data.channels_a of at least 1"),
    (DataConfig, "channels_b", -1, "data.channels_b of at least 1"),
    (DataConfig, "rotate", -1.0, "data.rotate of at least 0"),
    (DataConfig, "jitter", -0.1, "data.jitter of at least 0"),
    (DataConfig, "val", -0.1, "data.val of at least 0 and below 1"),
    (DataConfig, "val", 1.0, "data.val of at least 0 and below 1"),
    (DataConfig, "jitter", 1.1, "data.jitter of at least 0 and of at most 1"),
    (GeneratorConfig, "groups", 0, "generator.groups of at least 1"),
    (GeneratorConfig, "whitening_channels", 0, "generator.whitening_channels of at least 1"),
    (GeneratorConfig, "norm_eps", 0.0, "generator.norm_eps above 0"),
    (GeneratorConfig, "gamma_mean", NAN, "a finite number for generator.gamma_mean"),
    (GeneratorConfig, "gamma_std", -0.1, "generator.gamma_std of at least 0"),
    (DiscriminatorConfig, "scales", 0, "discriminator.scales of at least 1"),
    (DiscriminatorConfig, "members", 0, "discriminator.members of at least 1"),
    (DiscriminatorConfig, "groups", 0, "discriminator.groups of at least 1"),
    (
        DiscriminatorConfig,
        "whitening_channels",
        0,
        "discriminator.whitening_channels of at least 1",
    ),
    (DiscriminatorConfig, "norm_eps", -1.0, "discriminator.norm_eps above 0"),
    (DiscriminatorConfig, "gamma_mean", INF, "a finite number for discriminator.gamma_mean"),
    (DiscriminatorConfig, "gamma_std", -0.1, "discriminator.gamma_std of at least 0"),
    (LossConfig, "gp", -1.0, "loss.gp of at least 0"),
    (LossConfig, "r1", -1.0, "loss.r1 of at least 0"),
    (LossConfig, "adversarial", -1.0, "loss.adversarial of at least 0"),
    (LossConfig, "l1", -1.0, "loss.l1 of at least 0"),
    (LossConfig, "paired", -1.0, "loss.paired of at least 0"),
    (LossConfig, "nce", -1.0, "loss.nce of at least 0"),
    (LossConfig, "nce_patches", 1, "loss.nce_patches of at least 2"),
    (GeneratorConfig, "filters", 0, "generator.filters of at least 1"),
    (GeneratorConfig, "blocks", -1, "generator.blocks of at least 0"),
    (GeneratorConfig, "downs", -1, "generator.downs of at least 0"),
    (GeneratorConfig, "dropout", -0.1, "generator.dropout of at least 0"),
    (GeneratorConfig, "dropout", 1.0, "generator.dropout of at least 0 and below 1"),
    (GeneratorConfig, "gain", -0.02, "generator.gain of at least 0"),
    (GeneratorConfig, "gain", NAN, "a finite number for generator.gain"),
    (GeneratorConfig, "stem", 4, "an odd generator.stem"),
    (GeneratorConfig, "stem", -3, "generator.stem of at least 0"),
    (DiscriminatorConfig, "filters", 0, "discriminator.filters of at least 1"),
    (DiscriminatorConfig, "layers", 0, "discriminator.layers of at least 1"),
    (DiscriminatorConfig, "gain", -1.0, "discriminator.gain of at least 0"),
    (LossConfig, "cycle_a", -1.0, "loss.cycle_a of at least 0"),
    (LossConfig, "cycle_b", -1.0, "loss.cycle_b of at least 0"),
    (LossConfig, "identity", -0.5, "loss.identity of at least 0"),
    (TrainConfig, "epochs", 0.0, "train.epochs above 0"),
    (TrainConfig, "epochs", INF, "a finite number for train.epochs"),
    (TrainConfig, "epochs", NAN, "a finite number for train.epochs"),
    (TrainConfig, "batch", 0, "train.batch of at least 1"),
    (TrainConfig, "accumulate", 0, "train.accumulate of at least 1"),
    (TrainConfig, "pool", -1, "train.pool of at least 0"),
    (TrainConfig, "ema", -1.0, "train.ema of at least 0"),
    (TrainConfig, "ticks", 0, "train.ticks of at least 1"),
    (TrainConfig, "seed", -1, "train.seed of at least 0"),
    (TrainConfig, "lr", 0.0, "train.lr above 0 and below 1"),
    (TrainConfig, "lr", 1.0, "train.lr above 0 and below 1"),
    (TrainConfig, "beta1", 1.0, "train.beta1 of at least 0 and below 1"),
    (TrainConfig, "beta2", -0.1, "train.beta2 of at least 0 and below 1"),
    (TrainConfig, "decay", 1.1, "train.decay of at least 0 and of at most 1"),
    (TrainConfig, "decay", -0.1, "train.decay of at least 0 and of at most 1"),
    (GeneratorConfig, "norm", "pixel", "a known name for generator.norm"),
    (DiscriminatorConfig, "name", "patch", "a known name for discriminator.name"),
    (DataConfig, "pairs", "name", "a known name for data.pairs"),
    (LossConfig, "gan", "wgan", "a known name for loss.gan"),
    (TrainConfig, "precision", "fp8", "a known name for train.precision"),
    (SpeedConfig, "data", "gpu", "a known name for speed.data"),
    (Config, "method", "cycle", "a known name for method"),
    # What is not of its option's type passes in no section.
    (DataConfig, "flip", "no", "True or False for data.flip"),
    (DataConfig, "rotate", INF, "a finite number for data.rotate"),
    (GeneratorConfig, "filters", 2.5, "a whole number for generator.filters"),
    (GeneratorConfig, "dropout", NAN, "a finite number for generator.dropout"),
    (DiscriminatorConfig, "gain", INF, "a finite number for discriminator.gain"),
    (LossConfig, "cycle_a", NAN, "a finite number for loss.cycle_a"),
    (LossConfig, "identity", "0.5", "a finite number for loss.identity"),
    (LossConfig, "r1", INF, "a finite number for loss.r1"),
    (LossConfig, "gp", NAN, "a finite number for loss.gp"),
    (TrainConfig, "batch", 1.5, "a whole number for train.batch"),
    (TrainConfig, "ema", INF, "a finite number for train.ema"),
    (TrainConfig, "lr", NAN, "a finite number for train.lr"),
]
# Rules between sections: (the config, what the message must say)
CROSSED: list[tuple[Callable[[], Config], str]] = [
    (
        lambda: Config(data=DataConfig(size=66)),
        "a data.size of at least 8, a multiple of 4, with this resnet (downs 2, blocks 9, stem 7)\n"
        "  received: 66\n  fix: give --data.size 64",
    ),
    (
        lambda: Config(data=DataConfig(size=8), generator=GeneratorConfig(downs=4)),
        "a data.size of at least 32, a multiple of 16, with this resnet (downs 4, blocks 9, stem 7)\n"
        "  received: 8\n  fix: give --data.size 32",
    ),
    (
        lambda: Config(
            data=DataConfig(size=8),
            generator=GeneratorConfig(downs=3),
            discriminator=DiscriminatorConfig(layers=1),
        ),
        "of at least 16, a multiple of 8, with this resnet (downs 3, blocks 9, stem 7)",
    ),
    (
        lambda: Config(
            data=DataConfig(size=8),
            generator=GeneratorConfig(stem=17),
            discriminator=DiscriminatorConfig(layers=1),
        ),
        "of at least 12, a multiple of 4, with this resnet",
    ),
    (
        lambda: Config(data=DataConfig(channels_a=1)),
        "in A as in B for the identity loss\n  received: A 1, B 3\n  fix: give --loss.identity 0",
    ),
    (
        lambda: Config(data=DataConfig(size=32), discriminator=DiscriminatorConfig(layers=4)),
        "data.size of at least 48 for a patchgan discriminator of 4 layers\n  received: 32\n"
        "  fix: give a larger size or --discriminator.layers 3",
    ),
    # An option that nothing reads, and that is off unless somebody turns it on.
    (lambda: Config(method="gan", loss=LossConfig(paired=1)), "method cyclegan for loss.paired"),
    (
        lambda: Config(method="gan", loss=LossConfig(partial_cycle=True)),
        "method cyclegan for loss.partial_cycle",
    ),
    (
        lambda: Config(loss=LossConfig(flip_equivariance=True)),
        "method cut for loss.flip_equivariance",
    ),
    (
        lambda: Config(
            generator=GeneratorConfig(name="unet", downs=8),
            speed=SpeedConfig(gradient_checkpointing=True),
        ),
        "generator.name resnet or plain, and a norm without running estimates, "
        "for speed.gradient_checkpointing\n  received: generator.name unet",
    ),
    (
        lambda: Config(
            generator=GeneratorConfig(norm="batch"), speed=SpeedConfig(gradient_checkpointing=True)
        ),
        "for speed.gradient_checkpointing\n  received: generator.name resnet, generator.norm batch",
    ),
    (
        lambda: Config(generator=GeneratorConfig(blocks=0, dropout=0.5)),
        "generator.blocks of at least 1 for generator.dropout\n"
        "  received: generator.name resnet, blocks 0, downs 2, dropout 0.5",
    ),
    (
        lambda: Config(generator=GeneratorConfig(name="bottleneck", downs=5, dropout=0.5)),
        "generator.downs of at least 6 for generator.dropout",
    ),
    (lambda: Config(method="pix2pix"), "data.pairs names or sides or self for method pix2pix"),
    (
        lambda: Config(method="cut", generator=GeneratorConfig(name="unet", downs=8)),
        "whose features method cut reads\n  received: generator.name unet\n"
        "  fix: give --generator.name resnet or plain",
    ),
]


@pytest.mark.parametrize(
    ("section", "option", "value", "rule"), BROKEN, ids=[f"{b[1]}={b[2]}" for b in BROKEN]
)
def test_a_broken_rule_says_rule_value_and_fix(
    section: type[Any], option: str, value: Any, rule: str
) -> None:
    with pytest.raises(UsageError) as caught:
        section(**{option: value})
    text = str(caught.value)
    assert text.startswith(f"expected: {rule}")
    received = text.split("\n  received: ")[1].split("\n")[0]
    assert str(value) in received
    assert len(text.split("\n  fix: ")[1]) > 4


@pytest.mark.parametrize(("make", "text"), CROSSED)
def test_sections_must_fit_one_another(make: Callable[[], Config], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        make()
    assert text in str(caught.value)


def test_following_the_advice_helps() -> None:
    """What the messages above tell to give is accepted."""
    generator = GeneratorConfig(downs=4)
    assert Config(data=DataConfig(size=32), generator=generator).data.size == 32
    data = DataConfig(channels_a=1)
    assert Config(data=data, loss=LossConfig(identity=0)).data.channels_a == 1
    assert DataConfig(size=256, resize=256).resized == 256


def test_every_number_is_checked() -> None:
    """Options of the future too: a number without a rule would be found out hours into a training."""
    for section in sections():
        for option in dataclasses.fields(section):
            if type(option.default) not in (int, float):
                continue
            negative = [-1] if section is LossConfig else []
            for wrong in (NAN, INF, "1", *negative):
                with pytest.raises(UsageError, match=option.name):
                    section(**{option.name: wrong})


def sections() -> Iterator[type[Any]]:
    for field in dataclasses.fields(Config):
        if dataclasses.is_dataclass(field.default_factory):
            assert isinstance(field.default_factory, type)
            yield field.default_factory


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_recipe_makes_a_config_that_a_file_keeps(name: str, tmp_path: Path) -> None:
    config = recipes.RECIPES[name]()
    save(config, tmp_path / "config.json")
    assert load(tmp_path / "config.json") == config


def test_a_recipe_for_a_size_suits_it() -> None:
    assert recipes.recipe("cyclegan", 128) == recipes.cyclegan(128)
    assert recipes.recipe("cyclegan", 128).generator.blocks == 6
    assert recipes.recipe("pix2pix", 64).generator.downs == 6
    assert recipes.recipe("small") == recipes.small()
    assert recipes.recipe("small", 128).data.size == 128
    assert recipes.recipe("demo-webtoon", 32).data.resized == 32
    assert recipes.SIZED == ("cyclegan", "pix2pix", "colourise")


@pytest.mark.parametrize(
    ("name", "size", "text"),
    [
        ("cyclgan", None, "perhaps you meant 'cyclegan'"),
        ("cyclegan", 4, "data.size of at least 8"),
        ("small", 66, "a multiple of 4"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(name: str, size: int | None, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        recipes.recipe(name, size)
    assert text in str(caught.value)


def test_a_changed_value_is_kept_and_a_missing_one_is_the_default(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    config = tiny.config(lr=3e-3, seed=9)
    save(config, path)
    assert load(path) == config
    values = json.loads(path.read_text())
    assert values == to_dict(config)
    del values["train"]["lr"], values["loss"]
    path.write_text(json.dumps(values))
    assert load(path).train.lr == TrainConfig().lr
    assert load(path).train.seed == 9
    assert load(path).loss == LossConfig()


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ({"train": {"epoch": 3}}, ["received: train.epoch", "perhaps you meant 'epochs'"]),
        ({"trian": {}}, ["received: trian", "perhaps you meant 'train'"]),
        ({"train": {"epochs": "many"}}, ["train.epochs", "received: many"]),
        ({"train": {"batch": 1.5}}, ["train.batch", "received: 1.5"]),
        ({"data": {"flip": "perhaps"}}, ["data.flip", "received: perhaps"]),
        ({"generator": {"norm": "layr"}}, ["generator.norm", "'instance'", "received: layr"]),
        ({"method": "gun"}, ["method", "'cyclegan'", "received: gun"]),
        ({"train": 3}, ["a JSON object as train in", "received: 3"]),
        ({"train": {"lr": 7}}, ["train.lr above 0 and below 1", "received: 7"]),
        ([], ["a JSON object in", "received: []"]),
    ],
)
def test_a_wrong_file_is_refused_by_its_key(tmp_path: Path, values: Any, texts: list[str]) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(values))
    with pytest.raises(UsageError) as caught:
        load(path)
    for text in texts:
        assert text in str(caught.value)


def test_a_wrong_key_names_the_file() -> None:
    with pytest.raises(UsageError, match=r"names of options as keys in somewhere"):
        from_dict(Config, {"epochs": 3}, "somewhere")


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a file at .*none.json\n  received: no such file"):
        load(tmp_path / "none.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(UsageError, match=r"a readable file at .*folder.json"):
        load(tmp_path / "folder.json")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    with pytest.raises(UsageError, match=r"at .*picture.png.config.json"):
        load(tmp_path / "picture.png" / "config.json")
    with pytest.raises(UsageError, match=r"JSON in .*picture.png"):
        load(tmp_path / "picture.png")
    (tmp_path / "cut.json").write_text('{"train": {')
    with pytest.raises(UsageError, match=r"JSON in .*cut.json\n  received: .*line 1"):
        load(tmp_path / "cut.json")


def texts() -> Iterator[tuple[str, str]]:
    """Each option's flag, and the text under it in the source."""
    everything: list[type[Any]] = [Config, *sections()]
    for section in everything:
        prefix = "" if section is Config else f"{section.__name__.removesuffix('Config').lower()}."
        found: dict[str, str] = {}
        for cls in reversed(section.__mro__[:-1]):  # a network's options are partly its base's
            found |= _texts_of(cls)
        yield from ((f"--{prefix}{name}".replace("_", "-"), text) for name, text in found.items())


def _texts_of(cls: type[Any]) -> dict[str, str]:
    body = ast.parse(inspect.getsource(cls)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign) and not ast.unparse(field.annotation).endswith(
            "Config"
        ):
            assert isinstance(field.target, ast.Name)
            name = field.target.id
            if cls is NetworkConfig and name == "name":
                continue  # each kind of network has its own names
            assert isinstance(below, ast.Expr), f"{name} has no text"
            assert isinstance(below.value, ast.Constant)
            found[name] = str(below.value.value)
    return found


def test_the_help_of_train_has_every_option_and_its_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as left:
        main(["train", "small", "--help-all"])
    assert left.value.code == 0
    shown = " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().out).split())
    found = list(texts())
    assert len(found) == sum(len(dataclasses.fields(s)) for s in sections()) + 1
    for flag, text in found:
        assert f"{flag} " in shown.replace(",", " "), flag
        assert " ".join(text.split()) in shown, flag
    assert "(default: 0.0004)" in shown  # the recipe's, not the section's


def test_the_module_imports_no_torch() -> None:
    tree = ast.parse(inspect.getsource(hwan.config))
    top = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    assert not any("torch" in ast.unparse(n) or "pydantic" in ast.unparse(n) for n in top)
