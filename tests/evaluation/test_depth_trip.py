"""The whole trip at other depths: five 16-bit channels in TIFF to one float channel in NPY."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

import tiny
from hwan.cli.main import main
from hwan.config import DataConfig, PixelFormat
from hwan.data.cache import open_cache
from hwan.data.check import check, describe
from hwan.data.folders import ImageFolder, locate
from hwan.errors import UsageError
from hwan.evaluation import evaluate as test
from hwan.evaluation.results import OURS, summarise
from hwan.evaluation.run_page import write_run_report
from hwan.evaluation.source import run_data
from hwan.imaging.pixels import decode
from hwan.inference.batch import translate_files
from hwan.inference.outputs import plan_outputs
from hwan.inference.translate import Translator, load
from hwan.nets import build_generator
from hwan.nets.folder import GeneratorSpec, load_generator, save_generator
from hwan.training.run import train

CT = (-1000.0, 2000.0)
DATA = DataConfig(size=32, channels_a=5, depth_a="16", channels_b=1, depth_b="float", range_b=CT)


def write_data(root: Path, n: int = 4, size: int = 40) -> Path:
    """A: five bands of one ramp with noise, 16 bit; B: Hounsfield units of the same ramp."""
    for seed, part in enumerate(("train", "test")):
        rng = np.random.default_rng(seed)
        for k in range(n):
            ramp = np.linspace(0, 1, size)[:, None] * rng.random()
            bands = ramp[..., None] * rng.random(5) * 60000 + rng.integers(0, 500, (size, size, 5))
            units = (ramp * 3000 - 1000 + rng.random((size, size))).astype(np.float32)
            sides: dict[str, np.ndarray] = {f"{part}A": bands.astype(np.uint16), f"{part}B": units}
            if part == "test":
                sides |= {"truthA": bands.astype(np.uint16), "truthB": units}
            for folder, values in sides.items():
                path = root / folder / f"{k}"
                path.parent.mkdir(parents=True, exist_ok=True)
                if values.ndim == 3:
                    tifffile.imwrite(
                        path.with_suffix(".tif"), values,
                        photometric="minisblack", planarconfig="contig",
                    )  # fmt: skip
                else:
                    np.save(path.with_suffix(".npy"), values)
    return root


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("deep")
    base = tiny.config(epochs=2)
    loss = dataclasses.replace(base.loss, identity=0)
    config = dataclasses.replace(base, data=DATA, loss=loss)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HWAN_CACHE", str(root / "cache"))
        assert list(train(config, [write_data(root / "data")], root / "run", "cpu"))
    return root / "run"


def test_the_cache_holds_each_domain_in_its_depth(run: Path) -> None:
    layout = locate([run.parent / "data"])
    for folder, kind, dtype in (
        (layout.train_a, DATA.format_a, np.uint16),
        (layout.train_b, DATA.format_b, np.float32),
    ):
        same = dataclasses.replace(DATA, resize=40)
        cache = open_cache(folder, same, kind)
        assert cache[0].dtype == dtype
        assert cache.index.notes == {}
        for i, name in enumerate(cache.index.names):
            np.testing.assert_array_equal(cache[i], decode(folder.folder / name, kind).pixels)


def test_the_generators_say_what_they_read_and_write(run: Path) -> None:
    cards = [load_generator(run / f"generator_{d}")[1] for d in ("ab", "ba")]
    assert (cards[0].format_in, cards[0].format_out) == (DATA.format_a, DATA.format_b)
    assert (cards[1].format_in, cards[1].format_out) == (DATA.format_b, DATA.format_a)


def test_it_is_translated_in_the_exact_depth(run: Path, tmp_path: Path) -> None:
    data = run.parent / "data"
    for direction, source, kind, ending in (
        ("ab", "testA", DATA.format_b, ".tif"),
        ("ba", "testB", DATA.format_a, ".npy"),
    ):
        translator = load(run / f"generator_{direction}", "cpu")
        pairs = plan_outputs([data / source], tmp_path / direction, pixel_format=kind)
        outcomes = list(translate_files(translator, pairs))
        assert [(o.error, o.notes) for o in outcomes] == [("", ())] * 4
        for outcome in outcomes:
            assert outcome.target.suffix == ending
            read = decode(outcome.target, kind)
            assert read.notes == ()
            np.testing.assert_array_equal(read.pixels, translator.array(outcome.source))


def test_it_is_translated_by_the_command(run: Path, tmp_path: Path) -> None:
    source = run.parent / "data" / "testA"
    assert (
        main(["translate", str(run), str(source), "--out", str(tmp_path), "--format", "npy"]) == 0
    )
    values = np.load(tmp_path / "0.npy")
    assert (values.shape, values.dtype) == ((40, 40), np.float32)
    assert -1000 <= values.min() < values.max() <= 2000
    assert (
        main(["translate", str(run), str(source), "--out", str(tmp_path), "--format", "jpg"]) == 2
    )


def test_it_is_evaluated_and_reported(run: Path) -> None:
    layout = run_data(run)
    rows = list(test.evaluate(run, layout, "cpu"))
    assert len(rows) == 8
    assert {path.suffix for path in (run / "evaluation").rglob("*.*")} == {".tiff"}
    summaries = summarise(rows)
    assert set(summaries["ab"].systems) == {OURS, "mean picture", "Reinhard"}
    assert all(0 < s["l1"] < 1 for d in summaries.values() for s in d.systems.values())
    # The metric is of the file as written: a share of Hounsfield's 3000.
    own = decode(run / "evaluation/ab/0.tif.tiff", DATA.format_b).pixels
    true = decode(run.parent / "data/truthB/0.npy", DATA.format_b)
    first = next(r for r in rows if (r.direction, r.name) == ("ab", "0.tif"))
    expected = np.abs(own - true.pixels).mean() / 3000
    assert first.figures[OURS]["l1"] == pytest.approx(expected, rel=1e-4)
    assert write_run_report(run, layout, rows, summaries).is_file()


def test_the_data_check_says_what_is_there(run: Path) -> None:
    findings = check(locate([run.parent / "data"]))
    text = describe(findings)
    assert "channels and depth: 5 x 16 bit (4)" in text
    assert "channels and depth: 1 x float (4)" in text
    ranges = [look.pixel_format.range for look in findings.folders[1].readable]
    assert all(-1000 <= low < high <= 2000 for low, high in ranges)
    assert findings.clean


def test_the_wrong_options_say_what_the_files_have(run: Path) -> None:
    train_a = run.parent / "data" / "trainA"
    with pytest.raises(UsageError, match="5 x uint16, where the domain has 3 channels"):
        open_cache(ImageFolder(train_a), DATA, PixelFormat())
    with pytest.raises(UsageError, match="where the range is 0 to 1"):
        open_cache(ImageFolder(train_a), DATA, PixelFormat(5, "float"))


@pytest.mark.parametrize(
    ("name", "pixel_format", "suffix", "target"),
    [
        ("x.jpg", PixelFormat(1, "16"), "", "x.png"),
        ("x.jpg", PixelFormat(), "", "x.jpg"),
        ("x.png", PixelFormat(3, "16"), "", "x.png"),
        ("x.png", PixelFormat(1, "float"), "", "x.tiff"),
        ("x.png", PixelFormat(5), "", "x.tiff"),
        ("x.npy", PixelFormat(5, "float"), "", "x.npy"),
        ("x.tif", PixelFormat(5, "float"), "", "x.tif"),
        ("x.tif", PixelFormat(5, "float"), ".npy", "x.npy"),
    ],
)
def test_a_translation_goes_into_a_format_that_holds_it(
    tmp_path: Path, name: str, pixel_format: PixelFormat, suffix: str, target: str
) -> None:
    (tmp_path / name).touch()
    planned = plan_outputs([tmp_path / name], tmp_path / "out", suffix, pixel_format=pixel_format)
    assert planned == [(tmp_path / name, tmp_path / "out" / target)]


@pytest.mark.parametrize(
    ("pixel_format", "suffix"),
    [
        (PixelFormat(1, "16"), ".jpg"),
        (PixelFormat(5), ".png"),
        (PixelFormat(1, "float"), ".png"),
        (PixelFormat(2), ".bmp"),
    ],
)
def test_a_format_that_does_not_hold_it_is_refused(
    tmp_path: Path, pixel_format: PixelFormat, suffix: str
) -> None:
    (tmp_path / "x.png").touch()
    with pytest.raises(UsageError, match="--format that holds what the generator writes"):
        plan_outputs([tmp_path / "x.png"], tmp_path / "out", suffix, pixel_format=pixel_format)


def test_a_translator_gives_a_pillow_image_where_there_is_one(tmp_path: Path) -> None:
    config = tiny.config().generator
    spec = GeneratorSpec(config, 5, 1, "ab", (32, 32), 0, "cyclegan", depth_out="16")
    net = torch.nn.Conv2d(5, 1, 1)
    bands = np.random.default_rng(0).integers(0, 256, (33, 35, 5), dtype=np.uint8)
    picture = Translator(net, spec)(bands)
    assert (picture.mode, picture.size) == ("I;16", (35, 33))
    spec = dataclasses.replace(spec, channels_out=2)
    with pytest.raises(UsageError, match="for a Pillow image"):
        Translator(torch.nn.Conv2d(5, 2, 1), spec)(bands)
    with pytest.raises(UsageError, match=r"pixels \(H, W, 5\) of uint8"):
        Translator(net, spec).pixels(bands.astype(np.uint16))


def test_a_card_without_depths_is_an_8_bit_one(tmp_path: Path) -> None:
    config = tiny.config().generator
    spec = GeneratorSpec(config, 3, 1, "ab", (32, 32), 0, "cyclegan")
    save_generator(tmp_path, build_generator(config, 3, 1), spec)
    text = (tmp_path / "config.json").read_text()
    old = {k: v for k, v in json.loads(text).items() if not k.startswith(("depth", "range"))}
    (tmp_path / "config.json").write_text(json.dumps(old))
    assert load_generator(tmp_path)[1] == spec
    assert (spec.format_in, spec.format_out) == (PixelFormat(), PixelFormat(1))
