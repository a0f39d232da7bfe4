"""Any size, any folder: what comes out has the size, the name and the place of what went in."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import hwan
from hwan.config import GeneratorConfig
from hwan.config.networks import Norm
from hwan.errors import UsageError
from hwan.imaging.pixels import decode, save, to_pixels, to_tensor
from hwan.inference.batch import plan, translate_files
from hwan.inference.translate import Translator, find_generator, load, pad_to
from hwan.nets.folder import load_generator, save_generator
from translators import NETS, make, noise, write

# Sizes and padding


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from(sorted(NETS)),
)
def test_any_size_is_kept(height: int, width: int, channels: tuple[int, int]) -> None:
    out = NETS[channels].pixels(noise(height, width, channels[0]))
    assert out.shape == (height, width, channels[1])
    assert out.dtype == np.uint8


@pytest.mark.parametrize("downs", [0, 1, 3])
@pytest.mark.parametrize("stem", [1, 3, 15])
def test_the_least_size_of_every_generator_is_enough(downs: int, stem: int) -> None:
    config = GeneratorConfig(filters=1, blocks=1, downs=downs, stem=stem)
    translator = Translator(*make(config))
    least = translator.least
    assert translator.tensor(torch.zeros(1, 3, least, least)).shape == (1, 3, least, least)
    assert translator.pixels(noise(1, 1)).shape == (1, 1, 3)


def test_a_size_that_fits_goes_through_the_network_as_it_is() -> None:
    net, spec = make()
    pixels = noise(12, 20)
    with torch.no_grad():
        expected = to_pixels(net.eval()(to_tensor(torch.from_numpy(pixels)[None])))[0]
    out = Translator(net, spec).pixels(pixels)
    np.testing.assert_array_equal(out, expected)


def test_another_size_is_padded_evenly_by_reflection_and_cropped_back() -> None:
    net, spec = make()
    pixels = noise(13, 22)
    padded = np.pad(pixels, ((1, 2), (1, 1), (0, 0)), mode="reflect")
    translator = Translator(net, spec)
    np.testing.assert_array_equal(translator.pixels(pixels), translator.pixels(padded)[1:-2, 1:-1])


@pytest.mark.parametrize(
    ("side", "multiple", "least", "padded"),
    [
        ([1, 2, 3, 4], 4, 4, [1, 2, 3, 4]),
        ([1, 2, 3], 4, 4, [1, 2, 3, 2]),
        ([1, 2, 3, 4, 5, 6], 4, 4, [2, 1, 2, 3, 4, 5, 6, 5]),
        ([1, 2, 3, 4, 5], 4, 4, [2, 1, 2, 3, 4, 5, 4, 3]),
        ([1, 2], 4, 8, [1, 1, 1, 1, 2, 2, 2, 2]),  # too short to reflect
        ([1], 2, 4, [1, 1, 1, 1]),
    ],
)
def test_pad_to(side: list[int], multiple: int, least: int, padded: list[int]) -> None:
    row = torch.tensor(side).float()[None, None, None, :].expand(2, 3, 4, -1)
    out = pad_to(row, multiple, least)
    assert out.shape[2] >= 4
    assert out[1, 2, 0].tolist() == padded
    assert torch.equal(pad_to(row.mT, multiple, least), out.mT)


def test_what_is_read() -> None:
    """One picture, however it is handed over, becomes one translation."""
    translator = NETS[3, 3]
    pixels = noise(9, 11)
    image = Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, "PNG")
    expected = translator.pixels(pixels)
    for source in (pixels, image, file.getvalue()):
        out = translator(source)
        assert (out.mode, out.size) == ("RGB", (11, 9))
        np.testing.assert_array_equal(np.asarray(out), expected)


def test_paths_are_read_as_text_too(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    save(noise(9, 11), path)
    np.testing.assert_array_equal(np.asarray(NETS[3, 3](path)), np.asarray(NETS[3, 3](str(path))))
    with pytest.raises(UsageError, match="nowhere"):
        NETS[3, 3](str(tmp_path / "nowhere.png"))


def test_grey_generators_read_and_write_grey() -> None:
    colour = Image.fromarray(noise(8, 8))
    assert NETS[1, 1](colour).mode == "L"
    assert NETS[3, 1](colour).mode == "L"
    out = NETS[1, 3](colour)
    assert out.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(out), np.asarray(NETS[1, 3](colour.convert("L"))))


def test_arrays_of_another_kind_are_refused_not_guessed() -> None:
    with pytest.raises(UsageError, match=r"reads 3 channels\n  received: .*\(8, 8, 1\)"):
        NETS[3, 3](noise(8, 8, 1))
    with pytest.raises(UsageError, match=r"uint8 \(H, W, C\).*\n  received: float32 \(8, 8, 3\)"):
        NETS[3, 3](np.zeros((8, 8, 3), np.float32))
    with pytest.raises(UsageError, match=r"received: uint8 \(8, 8\)"):
        NETS[1, 1](np.zeros((8, 8), np.uint8))


def test_the_input_is_not_changed() -> None:
    pixels = noise(8, 8)
    NETS[3, 3].pixels(pixels)
    np.testing.assert_array_equal(pixels, noise(8, 8))


def test_half_precision_is_near() -> None:
    config = GeneratorConfig(filters=8, blocks=2)
    net, spec = make(config)
    pixels = noise(32, 40)
    full, half = Translator(net, spec), Translator(net, spec, precision="bf16")
    error = np.abs(half.pixels(pixels).astype(int) - full.pixels(pixels))
    assert half.pixels(pixels).dtype == np.uint8
    assert 0 < error.mean() < 3
    assert Translator(net, spec, precision="auto").half is None  # on a CPU


# The generator folder


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_a_saved_generator_is_loaded_exactly(norm: Norm, tmp_path: Path) -> None:
    config = GeneratorConfig(filters=2, blocks=1, stem=3, norm=norm, dropout=0.5)
    net, spec = make(config, 1, 3)
    with torch.no_grad():
        net.train()(torch.randn(2, 1, 16, 16))  # moves batch norm's statistics
    save_generator(tmp_path / "g", net, spec)
    loaded, read = load_generator(tmp_path / "g")
    assert read == spec
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


def test_the_folder_holds_two_files_and_nothing_pickled(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors"]
    spec = json.loads((folder / "config.json").read_text())
    assert spec["generator"]["filters"] == 2
    assert (spec["direction"], spec["images"], spec["size"]) == ("ab", 7, 32)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(UsageError, match=name):
        load(folder)


@pytest.mark.parametrize("at", [0.01, 0.5, 0.999])
def test_weights_cut_short_are_refused(folder: Path, at: float) -> None:
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * at)])
    with pytest.raises(UsageError, match="copy the whole generator folder again"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"channels_out": 1}, "model.safetensors"),
        ({"channels_in": -1}, "model.safetensors"),
        ({"generator": {"filters": 4}}, "model.safetensors"),
        ({"generator": {"filters": 2, "stem": 4}}, "an odd generator.stem"),
        ({"generator": {"filter": 2}}, "perhaps you meant 'filters'"),
        ({"generator": {"name": "unnet"}}, "'resnet'"),
        ({"chanels_in": 3}, "perhaps you meant 'channels_in'"),
        ({"size": "large"}, "size"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(
    folder: Path, change: dict[str, object], text: str
) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UsageError) as caught:
        load(folder)
    assert text in str(caught.value)
    assert str(folder) in str(caught.value) or "generator." in text


def test_a_card_without_a_fact_is_refused(folder: Path) -> None:
    path = folder / "config.json"
    spec = json.loads(path.read_text())
    del spec["channels_in"]
    path.write_text(json.dumps(spec))
    with pytest.raises(UsageError, match="channels_in"):
        load(folder)


def test_find_generator(tmp_path: Path, folder: Path) -> None:
    assert find_generator(folder) == folder
    for direction in ("ab", "ba"):
        save_generator(tmp_path / "run" / f"generator_{direction}", *make())
        found = find_generator(tmp_path / "run", direction)
        assert found == tmp_path / "run" / f"generator_{direction}"
    (tmp_path / "junk").mkdir()
    for junk in (tmp_path / "junk", tmp_path / "nowhere", folder / "config.json"):
        with pytest.raises(UsageError, match="RUN is a run folder"):
            find_generator(junk)


# Where translations go


def targets(pairs: list[tuple[Path, Path]], out: Path) -> dict[str, str]:
    return {
        source.as_posix().rsplit("in/", 1)[1]: target.relative_to(out).as_posix()
        for source, target in pairs
    }


def test_a_folder_keeps_its_structure_and_names(tmp_path: Path) -> None:
    write(tmp_path / "in", "a.png", "B.JPG", "deep/er/c.webp", "deep/a.png")
    out = tmp_path / "out"
    expected = {n: n for n in ("a.png", "B.JPG", "deep/er/c.webp", "deep/a.png")}
    assert targets(plan([tmp_path / "in"], out), out) == expected
    assert not out.exists()


def test_gif_becomes_png(tmp_path: Path) -> None:
    write(tmp_path / "in", "a.gif", "b.gif", "b.png", "c.tif")
    out = tmp_path / "out"
    assert targets(plan([tmp_path / "in"], out), out) == {
        "a.gif": "a.png",
        "b.gif": "b.gif.png",
        "b.png": "b.png",
        "c.tif": "c.tif",
    }


def test_one_format_for_all_keeps_names_apart(tmp_path: Path) -> None:
    write(tmp_path / "in", "a.jpg", "a.png", "a.v2.png", "b.bmp", "sub/a.jpg")
    out = tmp_path / "out"
    assert targets(plan([tmp_path / "in"], out, ".webp"), out) == {
        "a.jpg": "a.jpg.webp",
        "a.png": "a.png.webp",
        "a.v2.png": "a.v2.webp",
        "b.bmp": "b.webp",
        "sub/a.jpg": "sub/a.webp",
    }
    with pytest.raises(UsageError, match=r"--format is one of .*\n  received: .gif"):
        plan([tmp_path / "in"], out, ".gif")


def test_two_inputs_of_one_name_are_refused(tmp_path: Path) -> None:
    files = write(tmp_path, "x/a.png", "y/a.png")
    with pytest.raises(UsageError, match="every input has a name of its own"):
        plan(files, tmp_path / "out")
    assert len(plan(files[:1], tmp_path / "out")) == 1


def test_files_are_overwritten_only_when_asked(tmp_path: Path) -> None:
    write(tmp_path / "in", "a.png", "b.png")
    out = tmp_path / "out"
    write(out, "b.png")
    with pytest.raises(UsageError, match=r"b.png is there already\n  fix: .*--overwrite"):
        plan([tmp_path / "in"], out)
    assert len(plan([tmp_path / "in"], out, overwrite=True)) == 2


def test_a_source_is_never_written_over(tmp_path: Path) -> None:
    files = write(tmp_path / "in", "a.png", "b.gif")
    for inputs in ([tmp_path / "in"], files):
        for overwrite in (False, True):
            with pytest.raises(UsageError, match=r"a.png is there already"):
                plan(inputs, tmp_path / "in", overwrite=overwrite)
    (tmp_path / "link").symlink_to(tmp_path / "in", target_is_directory=True)
    with pytest.raises(UsageError, match="does not replace a file"):
        plan([tmp_path / "in"], tmp_path / "link", overwrite=True)


def test_inputs_that_are_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("x")
    out = tmp_path / "out"
    with pytest.raises(UsageError, match=r"nowhere.png: not there"):
        plan([tmp_path / "nowhere.png"], out)
    with pytest.raises(UsageError, match="empty: none"):
        plan([tmp_path / "empty"], out)
    with pytest.raises(UsageError, match="received: none"):
        plan([], out)


# Doing it


def test_every_image_of_a_folder_is_translated(tmp_path: Path) -> None:
    """(The reference code stops at fifty.)"""
    write(tmp_path / "in", *(f"{i:03d}.png" for i in range(60)))
    outcomes = list(translate_files(NETS[3, 3], plan([tmp_path / "in"], tmp_path / "out")))
    assert [o.error for o in outcomes] == [""] * 60
    for source in (tmp_path / "in").iterdir():
        written = decode(tmp_path / "out" / source.name).pixels
        np.testing.assert_array_equal(written, NETS[3, 3].pixels(decode(source).pixels))


def test_a_broken_file_does_not_stop_the_others(tmp_path: Path) -> None:
    write(tmp_path / "in", "a.png", "b.png", "c.png")
    (tmp_path / "in" / "b.png").write_bytes(b"no image")
    Image.new("RGBA", (3, 2), (0, 0, 0, 9)).save(tmp_path / "in" / "c.png")
    outcomes = list(translate_files(NETS[3, 3], plan([tmp_path / "in"], tmp_path / "out")))
    assert [o.error for o in outcomes] == ["", "not an image, or cut short", ""]
    assert outcomes[2].notes == ("alpha composited over white",)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


def test_a_target_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    write(tmp_path / "in", "a/x.png", "b.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("a file where a folder should be")
    outcomes = list(translate_files(NETS[3, 3], plan([tmp_path / "in"], tmp_path / "out")))
    assert ["" if not o.error else o.source.name for o in outcomes] == ["x.png", ""]
    assert (tmp_path / "out" / "b.png").is_file()


@pytest.mark.parametrize("method", ["gan", "pix2pix", "cut"])
def test_a_direction_that_the_method_does_not_train_is_refused(tmp_path: Path, method: str) -> None:
    (tmp_path / "config.json").write_text(f'{{"method": "{method}"}}')
    with pytest.raises(UsageError, match=f"a direction that method {method} trains: ab"):
        find_generator(tmp_path, "ba")
