"""evaluate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from hwan.cli.options import parse
from hwan.cli.tables import print_summaries, print_table
from hwan.config import Pairing
from hwan.errors import require

if TYPE_CHECKING:
    from hwan.evaluation.results import Summary


@dataclass(frozen=True)
class Evaluate:
    """Test runs and generators on held-out images: figures, baselines, every picture, and the report.
    Several are also compared side by side; runs that differ only in their seed are shown as mean and
    standard deviation."""

    runs: Annotated[Positional[tuple[Path, ...]], arg(name="RUN")]
    """The run folders, and generator folders, which need --data."""
    data: tuple[Path, ...] = ()
    """A data set with testA and testB; without it, the one that the run was trained on."""
    pairs: Pairing | None = None
    """How A and B of the data belong together, as --data.pairs of a training. Without it: as in the run;
    for a generator folder, not at all."""
    swap: bool = False
    """Exchange A and B, for a generator folder that was trained with --data.swap."""
    features: str = "auto"
    """The feature network of FID, KID, precision and recall: auto (Inception, where its weights are found),
    none, self (a small network trained on this data; no FID), lite2 (or lite1, lite0: EfficientNet-Lite, a
    classifier of ImageNet, and self beside it; no FID), or a weight file of Inception."""
    recognise: str = ""
    """Also the share of pictures that the classifier of --features lite2 calls by a name: zebra=340, where
    340 is its number among ImageNet's classes; of some, such as zebra, the name will do."""
    resizing: Literal["clean", "legacy"] = "clean"
    """How pictures are resized to 299x299 for Inception: clean (antialiased), or legacy, as in older
    papers' figures."""
    lpips: str = "auto"
    """LPIPS by AlexNet: auto (where its weights are found), none, or a weight file."""
    labels: str = "auto"
    """Accuracy by class of label maps: auto (where the target domain looks like them), none, or a file of
    the classes' colours, one R G B a line."""
    out: Path | None = None
    """With several runs: where their comparison goes; without it, the folder comparison beside the first
    run."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""


def evaluate(args: list[str]) -> int:
    options = dict(vars(parse(Evaluate, "evaluate", args)))
    runs, out = options.pop("runs"), options.pop("out")
    require(bool(runs), "a run to test", "none", "hwan evaluate RUN")
    expected = "several runs for --out, the folder of their comparison"
    fix = "leave it out: a test writes into RUN/evaluation"
    require(out is None or len(runs) > 1, expected, "one run", fix)
    from hwan import api

    def test(run: Path) -> Mapping[str, Summary]:
        summaries = api.evaluate(run, **options, progress=True)
        print_summaries(summaries)
        print(f"report: {run / 'report.html'}")
        return summaries

    if len(runs) == 1:
        test(runs[0])
        return 0
    from hwan.evaluation.compare import Entry, groups, write_comparison
    from hwan.evaluation.source import data_folders, read_source
    from hwan.metrics.records import METRICS

    data, pairs, swap = options["data"], options["pairs"], options["swap"]
    entries = [Entry(r, data_folders(r, data), read_source(r, pairs, swap), {}) for r in runs]
    groups(entries)  # what may be refused comes before what takes minutes
    for i, run in enumerate(runs):
        print(run, flush=True)
        entries[i] = replace(entries[i], summaries=test(run))
    out = out or runs[0].resolve().parent / "comparison"
    figures, remarks, page = write_comparison(entries, out)
    for direction, systems in figures.items():
        texts = {k: {m: v[m].text(m) for m in v if m in METRICS} for k, v in systems.items()}
        print_table(f"{direction}: runs side by side", texts)
    print("\n".join(remarks))
    print(f"comparison: {page}")
    return 0
