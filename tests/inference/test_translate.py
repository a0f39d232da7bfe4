"""Any size, any folder: what comes out has the size, the name and the place of what went in."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hwan.config import GeneratorConfig
from hwan.errors import UsageError
from hwan.imaging.pixels import decode, save, to_pixels, to_tensor
from hwan.inference.batch import translate_files
from hwan.inference.outputs import plan_outputs
from hwan.inference.padding import (
    crop_pixels,
    crop_to,
    margins,
    pad_pixels,
    pad_to,
    padded_side,
    places,
)
from hwan.inference.translate import Translator, find_generator
from hwan.nets.folder import save_generator
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


def test_pictures_of_one_size_once_padded_go_together() -> None:
    translator = Translator(*make())
    pictures = [noise(13, 22), noise(16, 24), noise(15, 21)]
    for together, pixels in zip(translator.whole(pictures), pictures, strict=True):
        alone = translator.pixels(pixels)
        assert together.shape == alone.shape
        assert np.abs(together.astype(int) - alone).max() <= 1  # sums in another order


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


SIDES = [(1, 4, 8), (2, 4, 8), (3, 4, 4), (5, 4, 4), (5, 4, 8), (8, 4, 8), (37, 16, 32), (9, 1, 2)]


@pytest.mark.parametrize("side", SIDES)
def test_one_rule_for_padding_and_cropping(side: tuple[int, int, int]) -> None:
    length, multiple, least = side
    before, after = margins(*side)
    assert 0 <= after - before <= 1
    row = torch.arange(length).float()[None, None, None]
    padded = pad_to(row, multiple, least)
    assert padded.shape[3] == before + length + after == padded_side(*side)
    assert padded[0, 0, 0].tolist() == places(*side).tolist()
    assert torch.equal(crop_to(padded, 1, length), row)
    pixels = row[0].permute(1, 2, 0).numpy()
    grown = pad_pixels(pixels, multiple, least)
    np.testing.assert_array_equal(grown, padded[0].permute(1, 2, 0))
    np.testing.assert_array_equal(crop_pixels(grown, 1, length), pixels)


@pytest.mark.skipif(not shutil.which("node"), reason="no node")
def test_the_pages_rule_is_the_same() -> None:
    script = resources.files("hwan.web") / "site" / "pixels.js"
    code = f"import('{script}').then(({{grown, places}}) => console.log(JSON.stringify("
    code += f"{json.dumps(SIDES)}.map("
    code += "([side, multiple, least]) => [...places(side, grown(side, multiple, least))]))))"
    run = subprocess.run(
        ["node", "--input-type=module", "-e", code], capture_output=True, text=True
    )
    assert json.loads(run.stdout) == [places(*side).tolist() for side in SIDES], run.stderr


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
    with pytest.raises(UsageError, match=r"\(H, W, 3\) of uint8.*\n  received: .*\(8, 8, 1\)"):
        NETS[3, 3](noise(8, 8, 1))
    with pytest.raises(UsageError, match=r"of uint8, 0 to 255\n  received: float32 \(8, 8, 3\)"):
        NETS[3, 3](np.zeros((8, 8, 3), np.float32))
    with pytest.raises(UsageError, match=r"received: uint8 \(8, 8\)"):
        NETS[1, 1](np.zeros((8, 8), np.uint8))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_not_finite_are_refused(value: float) -> None:
    net, spec = make()
    translator = Translator(net, dataclasses.replace(spec, depth_in="float"))
    pixels = np.zeros((8, 8, 3), np.float32)
    translator.pixels(pixels)
    pixels[3, 4, 1] = value
    with pytest.raises(UsageError, match="nan or infinity"):
        translator.pixels(pixels)


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
    assert Translator(net, spec, precision="auto").precision == "fp32"  # on a CPU


# Finding a generator


def test_find_generator(tmp_path: Path) -> None:
    folder = tmp_path / "generator"
    net, spec = make()
    save_generator(folder, net, spec)
    assert find_generator(folder) == find_generator(folder, "ab") == folder
    for direction in ("ab", "ba"):
        own = dataclasses.replace(spec, direction=direction)
        save_generator(tmp_path / "run" / f"generator_{direction}", net, own)
        found = find_generator(tmp_path / "run", direction)
        assert found == tmp_path / "run" / f"generator_{direction}"
    (tmp_path / "junk").mkdir()
    for junk in (tmp_path / "junk", tmp_path / "nowhere", folder / "config.json"):
        with pytest.raises(UsageError, match="a run folder with a trained generator"):
            find_generator(junk)
    with pytest.raises(UsageError, match="a run folder with a trained generator"):
        find_generator(tmp_path / "junk", "ba")


def test_a_generator_of_the_other_direction_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "run"
    save_generator(run / "generator_ba", *make())  # ab, under the other's name
    for place, direction in (
        (run, "ba"), (run / "generator_ba", ""), (run / "generator_ba", "ab"), (run / "generator_ba", "ba")
    ):  # fmt: skip
        if direction == "ab":
            assert find_generator(place, direction) == place
            continue
        with pytest.raises(UsageError, match="a generator of direction ba"):
            find_generator(place, direction)


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
    assert targets(plan_outputs([tmp_path / "in"], out), out) == expected
    assert not out.exists()


def test_gif_becomes_png(tmp_path: Path) -> None:
    write(tmp_path / "in", "a.gif", "b.gif", "b.png", "c.tif")
    out = tmp_path / "out"
    assert targets(plan_outputs([tmp_path / "in"], out), out) == {
        "a.gif": "a.png",
        "b.gif": "b.gif.png",
        "b.png": "b.png",
        "c.tif": "c.tif",
    }


def test_one_format_for_all_keeps_names_apart(tmp_path: Path) -> None:
    write(tmp_path / "in", "a.jpg", "a.png", "a.v2.png", "b.bmp", "sub/a.jpg")
    out = tmp_path / "out"
    assert targets(plan_outputs([tmp_path / "in"], out, ".webp"), out) == {
        "a.jpg": "a.jpg.webp",
        "a.png": "a.png.webp",
        "a.v2.png": "a.v2.webp",
        "b.bmp": "b.webp",
        "sub/a.jpg": "sub/a.webp",
    }
    with pytest.raises(UsageError, match=r"a --format of .*\n  received: .gif"):
        plan_outputs([tmp_path / "in"], out, ".gif")


def test_two_inputs_of_one_name_are_refused(tmp_path: Path) -> None:
    files = write(tmp_path, "x/a.png", "y/a.png")
    with pytest.raises(UsageError, match="a name of their own"):
        plan_outputs(files, tmp_path / "out")
    assert len(plan_outputs(files[:1], tmp_path / "out")) == 1


def test_files_are_overwritten_only_when_asked(tmp_path: Path) -> None:
    write(tmp_path / "in", "a.png", "b.png")
    out = tmp_path / "out"
    write(out, "b.png")
    with pytest.raises(UsageError, match=r"b.png is there already\n  fix: .*--overwrite"):
        plan_outputs([tmp_path / "in"], out)
    assert len(plan_outputs([tmp_path / "in"], out, overwrite=True)) == 2


def test_a_source_is_never_written_over(tmp_path: Path) -> None:
    files = write(tmp_path / "in", "a.png", "b.gif")
    for inputs in ([tmp_path / "in"], files):
        for overwrite in (False, True):
            with pytest.raises(UsageError, match=r"a.png is there already"):
                plan_outputs(inputs, tmp_path / "in", overwrite=overwrite)
    (tmp_path / "link").symlink_to(tmp_path / "in", target_is_directory=True)
    with pytest.raises(UsageError, match="does not replace a file"):
        plan_outputs([tmp_path / "in"], tmp_path / "link", overwrite=True)


def test_inputs_that_are_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("x")
    out = tmp_path / "out"
    with pytest.raises(UsageError, match=r"nowhere.png: not there"):
        plan_outputs([tmp_path / "nowhere.png"], out)
    with pytest.raises(UsageError, match="empty: none"):
        plan_outputs([tmp_path / "empty"], out)
    with pytest.raises(UsageError, match="received: none"):
        plan_outputs([], out)


# Doing it


def test_every_image_of_a_folder_is_translated(tmp_path: Path) -> None:
    """(The reference code stops at fifty.)"""
    write(tmp_path / "in", *(f"{i:03d}.png" for i in range(60)))
    outcomes = list(translate_files(NETS[3, 3], plan_outputs([tmp_path / "in"], tmp_path / "out")))
    assert [o.error for o in outcomes] == [""] * 60
    for source in (tmp_path / "in").iterdir():
        written = decode(tmp_path / "out" / source.name).pixels
        np.testing.assert_array_equal(written, NETS[3, 3].pixels(decode(source).pixels))


def test_a_broken_file_does_not_stop_the_others(tmp_path: Path) -> None:
    write(tmp_path / "in", "a.png", "b.png", "c.png")
    (tmp_path / "in" / "b.png").write_bytes(b"no image")
    Image.new("RGBA", (3, 2), (0, 0, 0, 9)).save(tmp_path / "in" / "c.png")
    outcomes = list(translate_files(NETS[3, 3], plan_outputs([tmp_path / "in"], tmp_path / "out")))
    assert [o.error for o in outcomes] == ["", "not an image, or cut short", ""]
    assert outcomes[2].notes == ("alpha composited over white",)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


def test_a_target_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    write(tmp_path / "in", "a/x.png", "b.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("a file where a folder should be")
    outcomes = list(translate_files(NETS[3, 3], plan_outputs([tmp_path / "in"], tmp_path / "out")))
    assert ["" if not o.error else o.source.name for o in outcomes] == ["x.png", ""]
    assert (tmp_path / "out" / "b.png").is_file()


@pytest.mark.parametrize("method", ["gan", "pix2pix", "cut"])
def test_a_direction_that_the_method_does_not_train_is_refused(tmp_path: Path, method: str) -> None:
    (tmp_path / "config.json").write_text(f'{{"method": "{method}"}}')
    with pytest.raises(UsageError, match=f"a direction that method {method} trains: ab"):
        find_generator(tmp_path, "ba")
