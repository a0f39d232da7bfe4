"""The generator folder: what was saved is loaded exactly; what is damaged, torn or unknown is not."""

from __future__ import annotations

import dataclasses
import json
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

import hwan
import tiny
from hwan.config import GeneratorConfig
from hwan.config.networks import Norm
from hwan.config.renamed import RenamedOption
from hwan.errors import IgnoredFile, UsageError
from hwan.imaging.pixels import decode
from hwan.inference.model_card import export_folder
from hwan.inference.translate import Translator, load
from hwan.nets.folder import (
    GeneratorSpec,
    OldGeneratorFormat,
    direction_of,
    load_generator,
    read_spec,
    save_generator,
)
from translators import make, noise

SAVED = Path(__file__).parents[1] / "saved" / "version1.zip"
AGAIN = "copy the whole generator folder again"


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_a_saved_generator_is_loaded_exactly(norm: Norm, tmp_path: Path) -> None:
    config = GeneratorConfig(filters=2, blocks=1, stem=3, norm=norm, dropout=0.5)
    net, spec = make(config, 1, 3)
    spec = dataclasses.replace(
        spec, size=(32, 48), title="Zebras", domain_in="horses", domain_out="zebras",
        trained_against=("vgg16", "inception"), figures_at=5,
    )  # fmt: skip
    with torch.no_grad():
        net.train()(torch.randn(2, 1, 16, 16))  # moves batch norm's statistics
    save_generator(tmp_path / "g", net, spec)
    loaded, read = load_generator(tmp_path / "g")
    assert read == read_spec(tmp_path / "g") == spec
    assert len(read.checksum) == 64
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    for (name, mine), (other, theirs) in zip(
        net.state_dict().items(), loaded.state_dict().items(), strict=True
    ):
        assert name == other
        assert torch.equal(mine, theirs)
    pixels = noise(7, 9, 1)
    expected = Translator(net, spec).pixels(pixels)
    np.testing.assert_array_equal(load(tmp_path / "g", "cpu").pixels(pixels), expected)
    np.testing.assert_array_equal(hwan.load(str(tmp_path / "g"), "cpu").pixels(pixels), expected)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_generator(tmp_path / "generator", *make())
    return tmp_path / "generator"


def edit(folder: Path, **change: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))


def test_the_folder_holds_two_files_and_nothing_pickled(folder: Path, tmp_path: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors"]
    spec = json.loads((folder / "config.json").read_text())
    assert spec["generator"]["filters"] == 2
    assert (spec["direction"], spec["images"], spec["size"]) == ("ab", 7, [32, 32])
    assert (spec["format"], spec["domain_in"], spec["domain_out"]) == ("hwan-generator-2", "A", "B")
    save_generator(tmp_path / "again", *load_generator(folder))  # the same bytes
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_missing_files(folder: Path) -> None:
    (folder / "config.json").unlink()  # a kill before it was first written
    assert load_generator(folder)[1] == make()[1]
    (folder / "model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"model\.safetensors"):
        load_generator(folder)
    with pytest.raises(UsageError, match="a generator folder"):
        load(folder)


@pytest.mark.filterwarnings("ignore::hwan.errors.IgnoredFile")  # of a checksum in the header
def test_any_flipped_bit_of_the_weights_is_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    data = path.read_bytes()
    random = np.random.default_rng(0)
    length = int.from_bytes(data[:8], "little")
    header = random.integers(8 * 8, 8 * (8 + length), 150)
    for place in [*header, *random.integers(8 * (8 + length), 8 * len(data), 150)]:
        byte = int(place) // 8
        if data[byte : byte + 1] == b" ":  # between the header's parts
            continue
        flipped = bytes([data[byte] ^ (1 << int(place) % 8)])
        path.write_bytes(data[:byte] + flipped + data[byte + 1 :])
        with pytest.raises(UsageError):
            load(folder)


@pytest.mark.parametrize("at", [0.0, 0.0001, 0.01, 0.5, 0.999])
def test_weights_cut_short_are_refused(folder: Path, at: float) -> None:
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * at)])
    with pytest.raises(UsageError, match=AGAIN):
        load(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    net, spec = make()
    with torch.no_grad():
        next(net.parameters()).view(-1)[3] = value
    save_generator(tmp_path / "g", net, spec)
    with pytest.raises(UsageError, match="not a finite number"):
        load(tmp_path / "g")


def other(images: int, filters: int = 2) -> tuple[Any, GeneratorSpec]:
    net, spec = make(GeneratorConfig(filters=filters, blocks=1, stem=3))
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(images)
    return net, dataclasses.replace(spec, images=images, direction="ba")


@pytest.mark.parametrize("images", [3, 9])
@pytest.mark.parametrize("filters", [2, 4])
@pytest.mark.parametrize("torn", ["config.json", "model.safetensors"])
def test_a_pair_that_a_kill_tore_is_what_the_weights_are(
    torn: str, images: int, filters: int, folder: Path, tmp_path: Path
) -> None:
    """An older or a newer config.json beside the weights, also of another network."""
    save_generator(tmp_path / "other", *other(images, filters))
    expected = make() if torn == "config.json" else other(images, filters)
    shutil.copy(tmp_path / "other" / torn, folder / torn)
    note = rf"{folder / 'config.json'} belongs to other weights"
    with pytest.warns(IgnoredFile, match=note):
        assert read_spec(folder) == expected[1]
    with pytest.warns(IgnoredFile, match=note):
        net, spec = load_generator(folder)
    assert spec == expected[1]
    assert all(
        torch.equal(net.state_dict()[name], value)
        for name, value in expected[0].state_dict().items()
    )


def test_an_edited_config_counts(folder: Path) -> None:
    edit(folder, title="Mine", domain_in="day", domain_out="night")
    spec = load_generator(folder)[1]
    assert (spec.title, spec.domain_in, spec.domain_out) == ("Mine", "day", "night")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"channels_out": 1}, "model.safetensors"),
        ({"channels_in": -1}, "channels_in of at least 1"),
        ({"generator": {"filters": 4}}, "model.safetensors"),
        ({"generator": {"filters": 2, "stem": 4}}, "an odd generator.stem"),
        ({"generator": {"filter": 2}}, "perhaps you meant 'filters'"),
        ({"generator": {"name": "unnet"}}, "'resnet'"),
        ({"chanels_in": 3}, "perhaps you meant 'channels_in'"),
        ({"size": "large"}, "size"),
        ({"size": 32}, "size"),
        ({"size": [32]}, "size"),
        ({"size": [32, 0]}, "(height, width)"),
        ({"direction": "ac"}, "ab or ba"),
        ({"trained_against": "vgg"}, "trained_against"),
        ({"figures_at": -1}, "figures_at"),
        ({"format": "hwan-generator-3"}, "update hwan"),
        ({"format": None}, "hwan-generator-2"),
    ],
)  # fmt: skip
def test_a_config_that_does_not_fit_is_refused(
    folder: Path, change: dict[str, object], text: str
) -> None:
    edit(folder, **change)
    with pytest.raises(UsageError) as caught:
        load(folder)
    assert text in str(caught.value)


def test_a_config_without_a_fact_is_refused(folder: Path) -> None:
    path = folder / "config.json"
    spec = json.loads(path.read_text())
    del spec["channels_in"]
    path.write_text(json.dumps(spec))
    with pytest.raises(UsageError, match="channels_in"):
        load(folder)


@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_sizes(size: tuple[int, int], tmp_path: Path) -> None:
    net, spec = make()
    save_generator(tmp_path / "g", net, dataclasses.replace(spec, size=size))
    assert load_generator(tmp_path / "g")[1].size == size
    with pytest.raises(UsageError, match="height, width"):
        dataclasses.replace(spec, size=(0, 32))


@pytest.mark.parametrize(
    ("name", "direction"),
    [("generator_ab", "ab"), ("generator_ba", "ba"), ("ab", ""), ("zebra", ""), ("generator_", "")],
)
def test_direction_of(name: str, direction: str) -> None:
    assert direction_of(name) == direction


# Other formats


def as_version_1(folder: Path) -> None:
    weights, config = folder / "model.safetensors", folder / "config.json"
    safetensors.torch.save_file(safetensors.torch.load_file(weights), weights)
    values = json.loads(config.read_text())
    for key in ("checksum", "title", "domain_in", "domain_out", "trained_against", "figures_at"):
        del values[key]
    config.write_text(json.dumps({**values, "format": "hwan-generator-1", "size": 32}))


def test_version_1_is_read_with_a_note_and_written_as_version_2(
    folder: Path, tmp_path: Path
) -> None:
    as_version_1(folder)
    with pytest.warns(OldGeneratorFormat, match="hwan export --to folder"):
        net, spec = load_generator(folder)
    assert spec == make()[1]
    with pytest.warns(OldGeneratorFormat):
        export_folder(folder, tmp_path / "new")
    assert load_generator(tmp_path / "new")[1] == spec
    assert all(
        torch.equal(value, net.state_dict()[name]) for name, value in make()[0].state_dict().items()
    )


@pytest.mark.parametrize("torn", [True, False])
@pytest.mark.parametrize(("key", "value"), [("format", "hwan-generator-3"), ("format", "other")])
def test_weights_of_a_later_version_are_refused(
    key: str, value: str, torn: bool, folder: Path
) -> None:
    weights = folder / "model.safetensors"
    values = json.loads((folder / "config.json").read_text()) | {key: value}
    tensors = safetensors.torch.load_file(weights)
    safetensors.torch.save_file(tensors, weights, {"hwan": json.dumps(values)})
    if not torn:
        edit(folder, **{key: value})
    with pytest.raises(UsageError, match="update hwan"):
        load(folder)


@pytest.mark.filterwarnings("ignore::hwan.errors.IgnoredFile")
@pytest.mark.parametrize("header", ["{", "[]", "7", '{"format": "hwan-generator-2"}'])
def test_a_broken_header_is_refused(header: str, folder: Path) -> None:
    weights = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(weights)
    safetensors.torch.save_file(tensors, weights, {"hwan": header})
    with pytest.raises(UsageError):
        load(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda old, new: shutil.copy(new / "config.json", old / "config.json"),
        lambda old, new: edit(old, format="hwan-generator-0"),
        lambda old, new: edit(old, format="hwan-generator-3"),
        lambda old, new: (old / "config.json").unlink(),
        lambda old, new: (old / "config.json").write_text("[]"),
    ],
)
def test_old_weights_without_their_config_are_refused(
    change: Callable[[Path, Path], object], folder: Path, tmp_path: Path
) -> None:
    save_generator(tmp_path / "new", *make())
    as_version_1(folder)
    change(folder, tmp_path / "new")
    with pytest.raises(UsageError):
        load(folder)


def test_new_weights_beside_an_old_config_are_what_they_say(folder: Path, tmp_path: Path) -> None:
    save_generator(tmp_path / "new", *other(9))
    as_version_1(folder)
    shutil.copy(tmp_path / "new" / "model.safetensors", folder)
    with pytest.warns(IgnoredFile):
        assert load_generator(folder)[1] == other(9)[1]


def test_generators_that_version_1_saved_translate_as_they_did(tmp_path: Path) -> None:
    with zipfile.ZipFile(SAVED) as file:
        file.extractall(tmp_path)
    picture = decode(tiny.write_data(tmp_path / "data", truth=True) / "testA" / "0000.png").pixels
    expected = json.loads((tmp_path / "expected.json").read_text())
    found = sorted(p.parent for p in tmp_path.rglob("model.safetensors"))
    assert len(found) == 7
    for folder in found:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RenamedOption)
            with pytest.warns(OldGeneratorFormat):
                translator = load(folder, "cpu")
        assert translator.spec.size == (32, 32)
        if folder.name == "generator_ab" and folder.parent.name in expected:
            made = translator.pixels(picture)
            wanted = expected[folder.parent.name]["translation"]
            assert made[::8, ::8].flatten().tolist() == wanted
