"""The trips of the paired, one-way and semi-paired methods through run, test and report; CUT's parts."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import tiny
from hwan.config import Config, DataConfig, GeneratorConfig, LossConfig
from hwan.config.recipes import RECIPES
from hwan.data.check import check
from hwan.data.folders import locate
from hwan.errors import UsageError
from hwan.evaluation.evaluate import evaluate
from hwan.evaluation.results import summarise
from hwan.evaluation.run_page import write_run_report
from hwan.evaluation.source import run_data
from hwan.methods.cut import CUT
from hwan.methods.losses import l1
from hwan.training import run as runs
from hwan.training.recorder import LogRow, Note
from hwan.training.state import Training


def small(method: str, data: dict[str, Any], loss: dict[str, Any] | None = None) -> Config:
    base = tiny.config(epochs=1, ticks=1, pool=0)
    options: dict[str, Any] = {
        "method": method,
        "data": dataclasses.replace(base.data, **data),
        "loss": LossConfig(**{"identity": 0.0, **(loss or {})}),
    }
    return dataclasses.replace(base, **options)


def sides(root: Path, n: int = 5) -> Path:
    """A on the left; B on the right is its negative."""
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        (root / part).mkdir(parents=True)
        for i in range(n):
            a = rng.integers(0, 256, (10, 10, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
            Image.fromarray(np.concatenate([a, 255 - a], 1)).save(root / part / f"{i}.png")
    return root


def trip(config: Config, data: Path, out: Path) -> dict[str, Any]:
    events = list(runs.train(config, [data], out, "cpu"))
    assert any(isinstance(event, LogRow) for event in events)
    rows = list(evaluate(out, run_data(out), "cpu"))
    summaries = summarise(rows)
    page = write_run_report(out, run_data(out), rows, summaries).read_text(encoding="utf-8")
    assert all(row.name in page for row in rows)
    return summaries


@pytest.mark.parametrize("swap", [False, True])
def test_pix2pix_on_pairs_side_by_side_either_way(tmp_path: Path, swap: bool) -> None:
    data = sides(tmp_path / "data")
    found = trip(small("pix2pix", {"pairs": "sides", "swap": swap}), data, tmp_path / "run")
    assert list(found) == ["ab"]
    assert found["ab"].images == 5
    assert set(found["ab"].systems) == {"hwan", "mean picture", "Reinhard", "input as it is"}
    left = np.asarray(Image.open(data / "test" / "0.png"))[:, :40]
    sheet = np.asarray(Image.open(tmp_path / "run" / "samples" / "000005.png"))
    assert sheet.shape[1] == 3 * 34 + 2  # real_a, fake_b and the truth
    shown = sheet[2:34, 2:34].mean()
    assert abs(shown - (255 - left if swap else left).mean()) < 12


def test_pix2pix_on_two_folders_by_name(tmp_path: Path) -> None:
    data = tiny.write_data(tmp_path / "data")
    (data / "trainB" / "0003.png").unlink()
    config = small("pix2pix", {"pairs": "names"})
    notes = [
        e.text for e in runs.train(config, [data], tmp_path / "a", "cpu") if isinstance(e, Note)
    ]
    assert any("1 images have no partner" in note for note in notes)
    found = trip(config, data, tmp_path / "b")
    assert found["ab"].beaten is not None  # testB is the truth of testA


def test_colourise_makes_its_own_grey(tmp_path: Path) -> None:
    data = tmp_path / "photos"
    data.mkdir()
    tiny.write_data(tmp_path / "made")
    (tmp_path / "made" / "trainA").rename(data / "train")
    (tmp_path / "made" / "testA").rename(data / "test")
    config = small("pix2pix", {"pairs": "self", "channels_a": 1})
    found = trip(config, data, tmp_path / "run")
    card = json.loads((tmp_path / "run" / "generator_ab" / "config.json").read_text())
    assert (card["channels_in"], card["channels_out"]) == (1, 3)
    assert found["ab"].systems["input as it is"]["ssim"] < 1


@pytest.mark.parametrize("method", ["gan", "cut"])
def test_one_way_methods_have_one_direction(tmp_path: Path, method: str) -> None:
    data = tiny.write_data(tmp_path / "data", truth=True)
    loss = {"nce_patches": 8}
    found = trip(small(method, {}, loss), data, tmp_path / "run")
    assert list(found) == ["ab"]
    assert not (tmp_path / "run" / "generator_ba").exists()
    assert np.isnan(found["ab"].cycle_l1)


def test_pairs_beside_unpaired_images_add_their_l1(tmp_path: Path) -> None:
    data = tiny.write_data(tmp_path / "data")
    for name in ("A", "B"):
        (data / f"test{name}").rename(data / f"paired{name}")
    config = small("cyclegan", {}, {"paired": 4.0})
    events = list(runs.train(config, [data], tmp_path / "run", "cpu"))
    rows = [event for event in events if isinstance(event, LogRow)]
    assert {"paired_a", "paired_b"} <= set(rows[-1].losses["generators"])
    assert any("6 pairs beside" in e.text for e in events if isinstance(e, Note))
    method = Training(config, torch.device("cpu")).method
    images = [torch.rand(1, 3, 32, 32) * 2 - 1 for _ in range(4)]
    with torch.no_grad():
        made = method(*images)
        losses = method.groups[0].losses(made)
    assert float(losses["paired_b"]) == pytest.approx(
        4 * float(l1(made["paired_fake_b"], images[3]))
    )
    assert float(losses["paired_a"]) == pytest.approx(
        4 * float(l1(made["paired_fake_a"], images[2]))
    )
    for folder in ("pairedA", "pairedB"):
        for file in (data / folder).iterdir():
            file.unlink()
        (data / folder).rmdir()
    with pytest.raises(UsageError, match="pairedA and pairedB"):
        list(runs.train(config, [data], tmp_path / "other", "cpu"))


def test_what_would_leak_or_mispair_is_refused(tmp_path: Path) -> None:
    data = sides(tmp_path / "data")
    for file in (data / "train").iterdir():
        file.rename(data / file.name)
    (data / "train").rmdir()
    with pytest.raises(UsageError, match=r"training images in .*train"):
        trip(small("pix2pix", {"pairs": "sides"}), data, tmp_path / "run")
    named = tiny.write_data(tmp_path / "named")
    Image.open(named / "trainA" / "0000.png").save(named / "trainA" / "0000.bmp")
    with pytest.raises(UsageError, match="images of different names"):
        trip(small("pix2pix", {"pairs": "names"}), named, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_empty_test_folder_is_said_before_anything_is_written(tmp_path: Path) -> None:
    data = tiny.write_data(tmp_path / "data")
    for file in (data / "testA").iterdir():
        file.unlink()
    with pytest.raises(UsageError, match="readable images to draw samples from"):
        list(runs.train(tiny.config(), [data], tmp_path / "run", "cpu"))
    assert not (tmp_path / "run").exists()


def test_pairs_stretched_to_one_shape_can_be_tested(tmp_path: Path) -> None:
    data = tiny.write_data(tmp_path / "data")
    for folder in ("trainB", "testB"):
        for file in (data / folder).iterdir():
            Image.open(file).resize((48, 40)).save(file)
    found = trip(small("pix2pix", {"pairs": "names", "fit": "stretch"}), data, tmp_path / "run")
    assert found["ab"].systems["hwan"]["ssim"] < 1


def test_one_tiny_test_image_does_not_stop_the_test(tmp_path: Path) -> None:
    data = tiny.write_data(tmp_path / "data", truth=True)
    for folder in ("testA", "truthB"):
        Image.new("RGB", (8, 8)).save(data / folder / "tiny.png")
    found = trip(tiny.config(epochs=0.2), data, tmp_path / "run")
    assert found["ab"].images == 7
    assert np.isfinite(found["ab"].systems["hwan"]["ssim"])


def test_pairs_beside_are_checked_too(tmp_path: Path) -> None:
    data = tiny.write_data(tmp_path / "data")
    (data / "pairedA").mkdir()
    (data / "testA" / "0001.png").rename(data / "pairedA" / "x.png")
    Image.open(data / "pairedA" / "x.png").save(data / "testA" / "copy.bmp")
    findings = check(locate([data]))
    assert not findings.clean
    assert any("x.png" in str(path) for leak in findings.leaks for path in leak)


def test_probing_the_generator_for_cut_leaves_no_trace() -> None:
    config = Config(
        method="cut",
        data=DataConfig(size=32),
        generator=GeneratorConfig(filters=4, blocks=1, stem=3, norm="batch"),
        loss=LossConfig(identity=0),
    )
    for name, value in CUT(config).generator_ab.named_buffers():
        if name.endswith("running_var"):
            assert value.equal(torch.ones_like(value))


def cut(**loss: Any) -> CUT:
    torch.manual_seed(0)
    config = Config(
        method="cut",
        data=DataConfig(size=32),
        generator=GeneratorConfig(filters=4, blocks=2, stem=3),
        loss=LossConfig(identity=0, nce_patches=16, **loss),
    )
    return CUT(config).train()


def test_a_patch_is_nearest_to_its_own_place() -> None:
    method = cut()
    image = torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        same = float(method.contrast(image, image))
        other = float(method.contrast(image, torch.rand(1, 3, 32, 32) * 2 - 1))
    assert same < other


def test_mirrored_output_is_compared_mirrored_back() -> None:
    """A generator that does nothing to its features' geometry would score the same either way."""
    method = cut()
    image = torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        right = float(method.contrast(image, image.flip(3), mirrored=True))
        wrong = float(method.contrast(image, image.flip(3)))
    assert right < wrong


def test_fastcut_mirrors_half_of_the_time() -> None:
    method = cut(flip_equivariance=True, nce_identity=False)
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        mirrored = sum("mirrored" in method(image, image) for _ in range(60))
    assert 15 < mirrored < 45
    assert "mirrored" not in method.eval()(image, image)


def test_cuts_draws_are_part_of_its_state() -> None:
    first, second = cut(), cut()
    layers = [torch.rand(1, 4, 8, 8)]
    first.projections.draw(layers)
    second.load_state_dict(first.state_dict())
    assert first.projections.draw(layers)[0].equal(second.projections.draw(layers)[0])


def test_cut_teaches_the_projections_and_the_generator_together() -> None:
    method = cut()
    images = method(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))
    torch.stack(list(method.generator_loss(images).values())).sum().backward()  # type: ignore[no-untyped-call]
    for network in method.groups[1].networks:
        assert all(weight.grad is not None for weight in network.parameters())


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_makes_its_networks(name: str) -> None:
    """At its own width; a smaller image does for one step forward."""
    config = RECIPES[name]()
    training = Training(config, torch.device("cpu"))
    assert set(training.generators) == {f"generator_{d}" for d in config.directions}
