"""Colour hints beside a picture: the Translator, files and folders, exports without hints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import hwan
from hwan.config import GeneratorConfig
from hwan.errors import UsageError
from hwan.exporting import export_onnx, onnx_engine
from hwan.imaging.pixels import Pixels
from hwan.inference.translate import Translator, load
from hwan.nets import build_generator
from hwan.nets.folder import GeneratorSpec, save_generator
from translators import TINY, noise

UNET = GeneratorConfig(name="unet", filters=2, downs=3)


def generator(
    folder: Path, config: GeneratorConfig = TINY, hints: bool = True, channels: int = 1
) -> Path:
    torch.manual_seed(0)
    net = build_generator(config, channels, 3, hints)
    for weight in net.parameters():
        nn.init.normal_(weight, 0.0, 0.3)
    spec = GeneratorSpec(config, channels, 3, "ab", (32, 32), 7, "pix2pix", hints=hints)
    save_generator(folder, net, spec)
    return folder


def spot(height: int, width: int, colour: tuple[int, int, int] = (255, 0, 0)) -> Pixels:
    hints = np.zeros((height, width, 4), np.uint8)
    hints[1:4, 1:4] = *colour, 255
    return hints


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return generator(tmp_path / "generator")


@pytest.mark.parametrize("config", [TINY, UNET])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_alone_has_empty_hints(
    tmp_path: Path, config: GeneratorConfig, channels: int
) -> None:
    translator = load(generator(tmp_path, config, channels=channels), "cpu")
    assert translator.spec.format_in.channels == channels
    picture, none = noise(21, 19, channels), np.zeros((21, 19, 4), np.uint8)
    alone = translator.pixels(picture)
    assert np.array_equal(alone, translator.pixels(picture, none))
    assert not np.array_equal(alone, translator.pixels(picture, spot(21, 19)))
    assert np.array_equal(np.asarray(translator(picture)), alone)


@pytest.mark.parametrize("config", [TINY, UNET])
@pytest.mark.parametrize("hinted", [True, False])
def test_strips_have_hints_too(tmp_path: Path, config: GeneratorConfig, hinted: bool) -> None:
    folder = generator(tmp_path, config)
    picture, hints = noise(90, 41, 1), spot(90, 41) if hinted else None
    whole, strips = (load(folder, "cpu", tile=tile).pixels(picture, hints) for tile in (0, 16))
    assert np.abs(whole.astype(int) - strips).max() <= 1


def test_paths_and_pictures_are_hints(folder: Path, tmp_path: Path) -> None:
    translator, picture, hints = load(folder, "cpu"), noise(12, 10, 1), spot(12, 10)
    expected = translator.pixels(picture, hints)
    Image.fromarray(hints).save(tmp_path / "hints.png")
    for given in (tmp_path / "hints.png", str(tmp_path / "hints.png"), Image.fromarray(hints)):
        assert np.array_equal(translator.array(picture, given), expected)


def test_what_cannot_take_hints_refuses_them(folder: Path, tmp_path: Path) -> None:
    plain = load(generator(tmp_path / "plain", hints=False), "cpu")
    with pytest.raises(UsageError, match=r"trained with data\.hints"):
        plain.pixels(noise(8, 8, 1), spot(8, 8))
    with pytest.raises(UsageError, match=r"pixels \(H, W, 1\)"):
        plain.pixels(noise(8, 8, 5))
    with pytest.raises(UsageError, match="no engine"):
        load(folder, "cpu", engine=onnx_engine).pixels(noise(8, 8, 1), spot(8, 8))


def test_onnx_has_empty_hints_inside(folder: Path, tmp_path: Path) -> None:
    path, _ = export_onnx(folder, tmp_path / "out", images=True)  # compared with the Translator
    assert path.is_file()
    with_engine = load(folder, "cpu", engine=onnx_engine).pixels(noise(13, 9, 1)).astype(int)
    assert np.abs(with_engine - load(folder, "cpu").pixels(noise(13, 9, 1))).max() <= 1


def test_the_reference_has_no_hints(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it takes colour hints"):
        hwan.export(folder, tmp_path / "out", "reference")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("photos/a.jpg", "photos/in/b.png", "hints/a.png", "hints/in/b.webp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        hinted = name.startswith("hints")
        picture = spot(12, 10) if hinted else noise(12, 10)
        Image.fromarray(picture).save(tmp_path / name, lossless=hinted)
    return tmp_path / "photos"


def read(path: Path) -> Any:
    return np.asarray(Image.open(path))


def test_a_file_with_its_hints(folder: Path, photos: Path, tmp_path: Path) -> None:
    hints, out = tmp_path / "hints" / "a.png", tmp_path / "out"
    hwan.translate(folder, photos / "a.jpg", out, hints=hints, format="png", device="cpu")
    expected = load(folder, "cpu").array(photos / "a.jpg", hints)
    assert np.array_equal(read(out / "a.png"), expected)


def test_a_folder_with_hints_of_the_same_names(folder: Path, photos: Path, tmp_path: Path) -> None:
    Image.fromarray(noise(12, 10)).save(photos / "alone.png")
    hints, out = tmp_path / "hints", tmp_path / "out"
    hwan.translate(folder, photos, out, hints=hints, format="png", device="cpu", batch=3)
    translator: Translator = load(folder, "cpu")
    expected = translator.array(photos / "in" / "b.png", hints / "in" / "b.webp")
    assert np.array_equal(read(out / "in" / "b.png"), expected)
    assert np.array_equal(read(out / "alone.png"), translator.array(photos / "alone.png"))


def test_wrong_hints_are_refused_before_anything_is_written(
    folder: Path, photos: Path, tmp_path: Path
) -> None:
    out, hints = tmp_path / "out", tmp_path / "hints"
    given: dict[str, Any] = {"inputs": photos, "out": out, "device": "cpu"}
    with pytest.raises(UsageError, match="one picture to translate for one file of hints"):
        hwan.translate(folder, hints=hints / "a.png", **given)
    with pytest.raises(UsageError, match="not there"):
        hwan.translate(folder, hints=tmp_path / "nowhere", **given)
    (hints / "in" / "b.webp").rename(hints / "in" / "c.webp")
    with pytest.raises(UsageError, match="without a picture"):
        hwan.translate(folder, hints=hints, **given)
    (hints / "in" / "c.webp").unlink()
    Image.fromarray(spot(9, 9)).save(hints / "a.png")
    with pytest.raises(UsageError, match="10x12"):
        hwan.translate(folder, hints=hints, **given)
    Image.fromarray(noise(12, 10)).save(hints / "a.png")
    with pytest.raises(UsageError, match="RGBA"):
        hwan.translate(folder, hints=hints, **given)
    (hints / "a.png").unlink()
    with pytest.raises(UsageError, match="none"):
        hwan.translate(folder, hints=hints, **given)
    assert not out.exists()
