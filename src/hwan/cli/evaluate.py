"""evaluate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from hwan.cli import parse
from hwan.config import Pairing
from hwan.errors import UsageError

if TYPE_CHECKING:
    from hwan.evaluation.results import Summary


@dataclass(frozen=True)
class Evaluate:
    """Test runs and generators on held-out images: figures, baselines, every picture, and the report.
    Several are also set side by side; runs that differ in nothing but their seed as mean and standard
    deviation."""

    runs: Annotated[Positional[tuple[Path, ...]], arg(name="RUN")]
    """The run folders, and generator folders, which need --data."""
    data: tuple[Path, ...] = ()
    """Another data set than the one it was trained on, with testA and testB."""
    pairs: Pairing | None = None
    """How A and B of the data belong together, as --data.pairs of a training; else as in the run (of a
    generator folder: not at all)."""
    swap: bool = False
    """Exchange A and B, of a generator folder that was trained with --data.swap."""
    features: str = "auto"
    """What FID, KID, precision and recall see: auto (Inception, where its weights are found), none, self
    (a small network trained on this data; no FID), or a weight file of Inception."""
    resizing: Literal["clean", "legacy"] = "clean"
    """How pictures are made 299x299 for Inception: clean (antialiased), or legacy, as older figures."""
    lpips: str = "auto"
    """LPIPS by AlexNet: auto (where its weights are found), none, or a weight file."""
    labels: str = "auto"
    """Accuracy by class of label maps: auto (where the target domain looks like them), none, or a file of
    the classes' colours, one R G B a line."""
    out: Path | None = None
    """Of several runs: where the comparison goes; else comparison, beside the first run."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""


def evaluate(args: list[str]) -> int:
    given = parse(Evaluate, "evaluate", args)
    if not given.runs:
        raise UsageError("a test is of a run", "none", "hwan evaluate RUN")
    if len(given.runs) == 1:
        if given.out:
            raise UsageError("--out is where the comparison of several runs goes", "one run",
                             "leave it out: a test writes into RUN/evaluation")  # fmt: skip
        run_evaluation(given.runs[0], given)
        return 0
    from hwan.evaluation.compare import Entry, groups, write_comparison
    from hwan.evaluation.source import data_folders, read_source
    from hwan.metrics.records import METRICS

    tested = [
        Entry(r, data_folders(r, given.data), read_source(r, given.pairs, given.swap), {})
        for r in given.runs
    ]
    groups(tested)  # what may be refused comes before what takes minutes
    for i, one in enumerate(list(tested)):
        print(one.run, flush=True)
        tested[i] = replace(one, summaries=run_evaluation(one.run, given))
    out = given.out or given.runs[0].resolve().parent / "comparison"
    figures, remarks, page = write_comparison(tested, out)
    for direction, systems in figures.items():
        texts = {k: {m: v[m].text(m) for m in v if m in METRICS} for k, v in systems.items()}
        print_table(f"{direction}: runs side by side", texts)
    print("\n".join(remarks))
    print(f"comparison: {page}")
    return 0


def run_evaluation(run: Path, given: Evaluate) -> dict[str, Summary]:
    """Test one run or generator, write its results and its report, print the tables."""
    from hwan.evaluation import evaluate as test
    from hwan.evaluation.distributions import distributions
    from hwan.evaluation.feature_networks import find_lpips, find_palettes, pick_features
    from hwan.evaluation.results import summarise, write_results
    from hwan.evaluation.run_page import write_run_report
    from hwan.evaluation.source import read_source, run_data
    from hwan.metrics.health_limits import warnings
    from hwan.runtime import pick_device
    from hwan.training.progress import track
    from hwan.training.samples import measure_test_health

    layout, config = run_data(run, given.data, given.pairs, given.swap), read_source(run)
    device = str(pick_device(given.device))
    total = test.count(layout, config)
    # What may be refused comes before what takes minutes.
    palettes = find_palettes(given.labels, layout, config)
    features, without = pick_features(given.features, layout, config, given.resizing, device)
    lpips, weights, missing = find_lpips(given.lpips, device)
    tested = test.evaluate(run, layout, given.device, lpips, palettes)
    rows = list(track(tested, total, "testing"))
    if len(rows) < total:
        print(f"{total - len(rows)} unreadable test images left out; `hwan data check` names them")
    sets = distributions(run, layout, rows, features)
    known = any(row.figures for row in rows)
    left_out = [text for text in (without, missing if known else "") if text]
    protocol = test.describe_best(run)
    if weights and known:
        protocol["LPIPS, SHA-256 of AlexNet"] = weights
    health = measure_test_health(run, layout, given.device)
    thumbs = test.real_thumbs(layout, config)
    summaries = summarise(rows, thumbs, sets, left_out, protocol, health)
    write_results(rows, summaries, run / "evaluation")
    show(summaries)
    for alarm in warnings(health):
        print(f"warning: {alarm}")
    print(f"report: {write_run_report(run, layout, rows, summaries)}")
    return summaries


def show(summaries: Mapping[str, Summary]) -> None:
    """Print a table a direction and kind of figure, what was left out, and the verdict."""
    from hwan.evaluation.results import OURS, WORDS, shown
    from hwan.metrics.records import METRICS

    for direction, summary in summaries.items():
        parts = ((summary.systems, "against the truth"), (summary.distribution, "as a set"))
        for systems, kind in parts:
            texts = {k: {m: shown(m, v) for m, v in f.items()} for k, f in systems.items()}
            print_table(f"{WORDS[direction]}, {kind}", texts)
        alone = {"cycle_l1": summary.cycle_l1, "diversity": summary.diversity}
        last = ", ".join(f"{METRICS[k].title} {shown(k, v)}" for k, v in alone.items())
        print(f"{WORDS[direction]}: {summary.images} test images; {OURS}'s {last}\n")
    every = summaries.values()
    for text in dict.fromkeys(
        [t for s in every for t in s.words] + [t for s in every for t in s.left_out]
    ):
        print(text)


def print_table(title: str, systems: Mapping[str, Mapping[str, str]]) -> None:
    """A line a figure, a column a system; figures that none has are left out."""
    from rich.console import Console
    from rich.table import Table

    from hwan.metrics.records import METRICS

    table = Table("", *systems, title=title, title_justify="left")
    for name, figure in METRICS.items():
        cells = [figures.get(name, "-") for figures in systems.values()]
        if set(cells) - {"-"}:
            table.add_row(figure.title, *cells)
    if table.row_count:
        Console().print(table)
