"""Each claim: that its variants can be made, its predictions speak of what it measures, and its
analytic parts agree with closed forms."""

from __future__ import annotations

import ast
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import hwan.study.claims
from hwan.config import Config, Gan
from hwan.data.scenes import hills, shapes, stripes
from hwan.imaging.pixels import Pixels
from hwan.nets import build_generator
from hwan.study.cells import Job, Settings, read_cell, run
from hwan.study.claim import FULL, SCALES, SMALL, Claim, Scale, base, vary
from hwan.study.claims import CLAIMS
from hwan.study.claims import generator as generator_claim
from hwan.study.claims.gan_loss import slope
from hwan.study.measure import by_distance, edges, recognised, sharpness, untrained

TOY = dataclasses.replace(SMALL, images=8, train=4, test=3)
EVERY = pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))


@EVERY
def test_a_claim_is_whole(claim: Claim) -> None:
    for scale in SCALES.values():
        names = [variant.name for variant in claim.variants(scale)]
        assert len(set(names)) == len(names) >= 2
        for prediction in claim.predictions:
            assert prediction.variant in names
            assert prediction.than in ["", *names]
            assert prediction.figure in claim.figures
            assert math.isfinite(prediction.bound)
    assert claim.predictions
    for text in (
        claim.note,
        claim.english,
        claim.hypothesis,
        claim.theory,
        claim.source,
        claim.shows_not,
    ):
        assert text == text.strip() != ""
    assert any("가" <= letter <= "힣" for letter in claim.note)


@EVERY
def test_variants_differ_in_their_configuration(claim: Claim) -> None:
    for scale in SCALES.values():
        seen = [(v.config, v.task) for v in claim.variants(scale)]
        assert len(set(map(repr, seen))) == len(seen)


def test_claim_files_import_no_torch() -> None:
    folder = Path(hwan.study.claims.__file__).parent
    for path in [*folder.glob("*.py"), folder.parent / "claim.py", folder.parent / "verdict.py"]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        text = "\n".join(map(ast.unparse, top))
        assert "torch" not in text, path
        assert "study.measure" not in text, path


@pytest.mark.slow
@EVERY
def test_every_cell_runs(claim: Claim, tmp_path: Path) -> None:
    drawn: set[str] = set()
    for variant in claim.variants(TOY):
        job = Job(claim, variant, 0, Settings(tmp_path, TOY))
        run(job)
        found = read_cell(job)
        assert found["note"] == ""
        assert set(found["values"]) <= set(claim.figures)
        assert found["values"]
        drawn |= set(found["curves"])
    assert drawn == set(claim.plots)


def test_keys_hold_what_determines_a_cell(tmp_path: Path) -> None:
    claim = CLAIMS["identity"]
    without, with_ = claim.variants(SMALL)
    settings = Settings(tmp_path, SMALL)
    job = Job(claim, without, 0, settings)
    padding = next(v for v in CLAIMS["padding"].variants(SMALL) if v.name == "reflect")
    assert Job(CLAIMS["padding"], padding, 0, settings).training_key() == job.training_key()
    longer = dataclasses.replace(SMALL, test=30)
    others = [
        Job(claim, with_, 0, settings),
        Job(claim, without, 1, settings),
        Job(claim, without, 0, Settings(tmp_path, longer)),
        Job(claim, without, 0, Settings(tmp_path, SMALL, device="cuda")),
        Job(claim, dataclasses.replace(without, task="daynight"), 0, settings),
    ]
    assert len({job.key(), *(other.key() for other in others)}) == 6
    assert Job(dataclasses.replace(claim, version=2), without, 0, settings).key() != job.key()
    assert Job(dataclasses.replace(claim, remark="so"), without, 0, settings).key() == job.key()


@pytest.mark.parametrize("draw", [hills, shapes, stripes])
def test_a_scene_is_the_same_in_both_domains(draw: Callable[[int, int, bool], Pixels]) -> None:
    a, b = draw(3, 32, False), draw(3, 32, True)
    assert a.shape == b.shape == (32, 32, 3)
    assert a.dtype == b.dtype == np.uint8
    assert np.array_equal(a, draw(3, 32, False))
    assert not np.array_equal(a, b)
    assert not np.array_equal(a, draw(4, 32, False))
    if draw is not hills:  # the ground is the same
        assert np.array_equal(a[0, 0], b[0, 0])


def test_a_diamond_has_the_discs_area() -> None:
    def area(square: bool) -> float:
        image = shapes(5, 128, square).astype(float)
        return float((np.abs(image - image[0, 0]).sum(2) > 0).mean())

    assert area(True) == pytest.approx(area(False), rel=0.06)


@pytest.mark.parametrize(
    ("name", "sure", "ratio"),
    [("minimax", 0.01, 0.02), ("nonsaturating", 0.99, 1.98), ("lsgan", 1.98, 1.98)],
)
def test_the_slopes_of_the_gan_losses(name: Gan, sure: float, ratio: float) -> None:
    """Where D says 0.01, and over that where it says 0.5: by the derivatives on paper."""
    assert slope(name, 0.01) == pytest.approx(sure, rel=1e-4)
    assert slope(name, 0.01) / slope(name, 0.5) == pytest.approx(ratio, rel=1e-4)


def test_padding_by_hand() -> None:
    """A 1-layer check of the claim's figure: zeros change a constant's response, reflection does not."""
    image = torch.full((1, 1, 8, 8), 2.0)
    kernel = torch.ones(1, 1, 3, 3)
    response = torch.nn.functional.conv2d(
        image, kernel, padding=1
    )  # 6 of 9 at an edge, 4 in a corner
    off = by_distance((response - 18).abs() / 18)
    assert off[0] == pytest.approx((24 / 3 + 4 * 5 / 9) / 28, rel=1e-5)
    assert off[1:] == [0, 0, 0]


@pytest.mark.parametrize("norm", ["instance", "group", "layer", "weight", "none"])
def test_norms_of_one_image_are_independent(norm: str) -> None:
    config = vary(base(SMALL), generator={"norm": norm, "groups": 4})
    net = untrained(config, 0)
    x = torch.rand(4, 3, 32, 32) * 2 - 1
    alone = net(x[:1])
    assert torch.allclose(net(x)[:1], alone, atol=1e-5)


def test_a_contrast_is_lost_under_instance_norm() -> None:
    net = untrained(vary(base(SMALL), generator={"norm_eps": 1e-12}), 0)
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    assert torch.allclose(
        net(x), net(0.5 * x), atol=1e-3
    )  # exact but for eps and zeros at halvings


@pytest.mark.parametrize("scale", [SMALL, FULL], ids=["small", "full"])
def test_weights_are_counted_right(scale: Scale) -> None:
    for variant in generator_claim.variants(scale):
        config = variant.config
        with torch.device("meta"):
            net = build_generator(config.generator, 3, 3)
        assert generator_claim.weights(config) == sum(p.numel() for p in net.parameters())
    counts = [generator_claim.weights(v.config) for v in generator_claim.variants(scale)]
    assert max(counts) / min(counts) < 1.15


def test_recognised_and_sharpness() -> None:
    truth = torch.rand(6, 3, 8, 8) * 2 - 1
    assert recognised(truth + 0.01, truth) == 1
    assert recognised(truth[:1].expand_as(truth), truth) == pytest.approx(1 / 6)
    ramp = torch.linspace(0, 1, 11)[None, None, None].expand(1, 3, 11, 11)
    assert sharpness(ramp) == pytest.approx(0.05)
    assert edges(0.3 * truth, truth) == pytest.approx(1)
    assert edges(-truth, truth) == pytest.approx(-1)
    assert abs(edges(torch.rand(64, 3, 8, 8), torch.rand(64, 3, 8, 8))) < 0.05


def test_base_is_a_valid_configuration() -> None:
    for scale in SCALES.values():
        config = base(scale)
        assert isinstance(config, Config)
        assert config.train.epochs * scale.train == pytest.approx(scale.images)
