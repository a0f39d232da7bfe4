"""What was made before stays valid: cells and trainings are found under their keys, and the published
figures (docs/study) give the published verdicts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hwan.study.cells import Job, Settings
from hwan.study.claim import SMALL
from hwan.study.claims import CLAIMS
from hwan.study.verdict import RULE, verdict_on

DOCS = Path(__file__).parents[2] / "docs" / "study"
KEYS = {
    "pix2pix": ("61d1a9647244c15f", "509c0dedea492402"),
    "collapse": ("e2359fdbe2124c57", "daa624e0e954fa2d"),
    "shape": ("cba2aa147d132004", "c8366bff7fdf9f27"),
    "generator": ("4a39898c757e3032", "a1c2be38309d5814"),
    "init": ("fd8e0c9ef913dffc", "5e940f2546784d27"),
    "augmentation": ("2b8d054939aad9b5", ""),
    "padding": ("b5f188b65c05bcf3", "7bbb1f1158884701"),
    "activation": ("7751448a44d8848c", ""),
    "batch": ("4a39898c757e3032", "bd358260e1eca924"),
    "norm": ("65349cd5bf934ce9", ""),
    "checkerboard": ("6bb4ce7f29bf017d", "601583af8b146aec"),
    "skips": ("107f3a9bc8b535f7", "11c54233b99cd833"),
    "gan-loss": ("9991fa964ed2e65b", ""),
    "cycle": ("a629746fbeb06411", "792d68bed7c95f94"),
    "identity": ("4a39898c757e3032", "143948776ef4b62c"),
    "buffer": ("287acb2c67286dab", ""),
}
"""(training, cell) of each claim's first variant, seed 0, small scale. A cell's key also hashes the code of
the claim's ``measure``; where that code has changed since the published results, the cell is measured again
and has no key here. Trainings, which cost the minutes, are found either way."""


@pytest.mark.parametrize("name", CLAIMS)
def test_cells_made_before_are_found(name: str) -> None:
    claim = CLAIMS[name]
    job = Job(claim, claim.variants(SMALL)[0], 0, Settings(Path("study"), SMALL))
    training, cell = KEYS[name]
    assert job.training_key() == training
    if cell and sys.version_info < (3, 12):  # later versions print the code's tree differently
        assert job.key() == cell


@pytest.mark.parametrize("name", CLAIMS)
def test_published_figures_give_the_published_verdict(name: str) -> None:
    claim, found = CLAIMS[name], json.loads((DOCS / f"{name}.json").read_text("utf-8"))
    seeds = {variant: own["seeds"] for variant, own in found["variants"].items()}
    values = {variant: [seed["values"] for seed in own] for variant, own in seeds.items()}
    verdict = verdict_on(claim.predictions, values)
    assert (verdict.word, verdict.score) == (found["verdict"], found["score"])
    for check, published in zip(verdict.checks, found["predictions"], strict=True):
        assert check.outcome == published["outcome"]
        assert check.mean == pytest.approx(published["effect"], rel=1e-9)
        assert [check.low, check.high] == pytest.approx(published["interval"], rel=1e-9)


@pytest.mark.parametrize("name", CLAIMS)
def test_published_texts_are_the_claims(name: str) -> None:
    claim, found = CLAIMS[name], json.loads((DOCS / f"{name}.json").read_text("utf-8"))
    for field in ("note", "english", "hypothesis", "remark", "shows_not"):
        assert found[field] == getattr(claim, field)
    assert found["figures"] == claim.figures
    assert [p["text"] for p in found["predictions"]] == [p.text for p in claim.predictions]
    assert [p["rule"] for p in found["predictions"]] == [p.rule() for p in claim.predictions]
    assert {n: v["about"] for n, v in found["variants"].items()} == {
        variant.name: variant.about for variant in claim.variants(SMALL)
    }
    text = (DOCS / f"{name}.md").read_text("utf-8")
    for part in (claim.theory, claim.formula, claim.source, RULE):
        assert part in text
