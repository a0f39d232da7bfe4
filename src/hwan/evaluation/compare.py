"""Several tested runs side by side; those that differ in nothing but their seed as one, mean and
standard deviation. comparison.json, comparison.csv and comparison.html say the same."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from pydantic import TypeAdapter

from hwan.data.folders import evenly, list_images, locate
from hwan.errors import require
from hwan.evaluation.images import displayed, translation_path
from hwan.evaluation.results import BEST, CHOICE, HINTED, OURS, REAL, WORDS, Summary, columns, flat
from hwan.evaluation.source import EvaluationSource, GeneratorSource, direction_data, known_options
from hwan.files import write_csv, write_json
from hwan.imaging.pixels import grid, resize
from hwan.metrics.records import METRICS, leading_metrics
from hwan.report.page import write
from hwan.report.sections import Gallery, Report, Section, Table

SHOWN = 8  # test images
TALL = 128  # pixels of a picture in the comparison


@dataclass(frozen=True)
class Entry:
    """One run, or one generator, after its test."""

    run: Path
    data: tuple[Path, ...]
    config: EvaluationSource
    summaries: Mapping[str, Summary]


@dataclass(frozen=True)
class Spread:
    """A figure over the runs of a group: its mean, its standard deviation (n - 1; nan of one run)."""

    mean: float
    sd: float
    runs: int

    def text(self, metric: str) -> str:
        known = [value for value in (self.mean, self.sd) if not math.isnan(value)]
        return " ± ".join(map(METRICS[metric].text, known)) or "-"


Figures = dict[str, dict[str, dict[str, Spread]]]
"""By direction, system and metric. A system is a group, its best checkpoints, or a baseline."""


def groups(tested: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Runs of one configuration but for the seed, under the names of their folders. Runs on different
    data are one group only if their seeds differ, as those of `hwan demo --seed` do. A generator without
    its run is a group of its own: how it was trained is not known."""
    names = _names([one.run for one in tested])
    found: list[list[Entry]] = []
    for one in tested:
        group = next((runs for runs in found if _belongs(one, runs)), [])
        if not group:
            found.append(group)
        group.append(one)
    seeds = ("" if len(runs) == 1 else f" ({len(runs)} seeds)" for runs in found)
    return {names[runs[0].run] + many: runs for runs, many in zip(found, seeds, strict=True)}


def _belongs(one: Entry, runs: Sequence[Entry]) -> bool:
    """Whether a run is configured as those of a group are, but for the seed."""
    config, first = one.config, runs[0].config
    if isinstance(config, GeneratorSource) or isinstance(first, GeneratorSource):
        return False
    alike = replace(config, train=replace(config.train, seed=first.train.seed)) == first
    fresh = all(config != other.config for other in runs)
    return alike and (fresh or one.data == runs[0].data)


def _names(runs: Sequence[Path]) -> dict[Path, str]:
    """The shortest ends of the runs' paths that tell them apart."""
    paths = {run: run.resolve().parts for run in runs}
    different, received = len(set(paths.values())) == len(runs), ", ".join(map(str, runs))
    require(different, "different folders to compare", received, "name each once")
    depth = next(n for n in count(1) if len({parts[-n:] for parts in paths.values()}) == len(runs))
    return {run: "/".join(parts[-depth:]) for run, parts in paths.items()}


def figures(named: Mapping[str, Sequence[Entry]]) -> Figures:
    """Every figure of every group, and of the baselines: means over all runs that have them."""
    values: dict[tuple[str, str, str], list[float]] = {}
    for name, runs in named.items():
        titles = {OURS: name, BEST: f"{name}, best checkpoint"}
        for direction, summary in (pair for one in runs for pair in one.summaries.items()):
            for system, metric, value in flat(summary):
                if system == HINTED:  # it was told some of the truth
                    continue
                place = direction, titles.get(system, system), metric
                values.setdefault(place, []).append(value)
    found: Figures = {}
    for direction, system, metric in sorted(values, key=lambda place: _rank(place[1], named)):
        spread = _spread(values[direction, system, metric])
        found.setdefault(direction, {}).setdefault(system, {})[metric] = spread
    return found


def _rank(system: str, named: Mapping[str, object]) -> int:
    """Groups first, then the baselines, then the real pictures."""
    own = system.removesuffix(", best checkpoint") in named
    return 0 if own else 2 if system == REAL else 1


def _spread(values: Sequence[float]) -> Spread:
    known = [value for value in values if not math.isnan(value)]
    finite = len(known) > 1 and all(map(math.isfinite, known))
    mean = statistics.fmean(known) if known else math.nan
    return Spread(mean, statistics.stdev(known) if finite else math.nan, len(known))


def remarks(named: Mapping[str, Sequence[Entry]], found: Figures) -> list[str]:
    """What a reader must know: the best by each leading figure, and what makes figures incomparable."""
    sentences = []
    for direction, systems in found.items():
        for name in leading_metrics():
            metric = METRICS[name]
            known = {k: v[name] for k, v in systems.items() if name in v and v[name].runs}
            gains = {k: metric.gain(spread.mean) for k, spread in known.items()}
            ours, others = ([k for k in gains if _rank(k, named) == rank] for rank in (0, 1))
            if len(ours) < 2:
                continue
            top = max(ours, key=gains.__getitem__)
            words = (
                f"{WORDS[direction]}: {top} has the best {metric.title}, {known[top].text(name)}"
            )
            best = max(others, key=gains.__getitem__, default=top)
            if best != top and gains[best] >= gains[top]:
                words += f", and does not beat the baseline {best} ({known[best].text(name)})"
            sentences.append(f"{words}.")
    every = [one for runs in named.values() for one in runs]
    if len({one.data for one in every}) > 1:
        sentences.append(
            "The runs were tested on different data: a spread over seeds is of the data too, and groups "
            "cannot be compared unless their data are alike."
        )
    for direction in found:
        tests = [one.summaries[direction] for one in every if direction in one.summaries]
        sentences += [
            f"{WORDS[direction]}: {key} is not the same in every test; figures that depend on it cannot "
            "be compared."
            for key in dict.fromkeys(key for test in tests for key in test.protocol)
            if key != CHOICE and len({test.protocol.get(key) for test in tests}) > 1
        ]
    return sentences


def differences(named: Mapping[str, Sequence[Entry]]) -> dict[str, list[str]]:
    """The options in which the groups that know them differ, with the value of each group."""
    flats = [known_options(runs[0].config) for runs in named.values()]
    return {
        option: [flat.get(option, "not known") for flat in flats]
        for option in dict.fromkeys(option for flat in flats for option in flat)
        if option != "train.seed" and len({flat[option] for flat in flats if option in flat}) > 1
    }


def write_comparison(tested: Sequence[Entry], out: Path) -> tuple[Figures, list[str], Path]:
    """Compare and write the three files into ``out``; returns figures, remarks and the page."""
    named = groups(tested)
    found = figures(named)
    notes = remarks(named, found)
    differing = differences(named)
    content = {
        "groups": {name: [str(one.run) for one in runs] for name, runs in named.items()},
        "differences": {k: dict(zip(named, v, strict=True)) for k, v in differing.items()},
        "remarks": notes,
        "figures": TypeAdapter(Figures).dump_python(found),
    }
    write_json(out / "comparison.json", content)
    lines = [
        (direction, system, metric, spread.mean, spread.sd, spread.runs)
        for direction, systems in found.items()
        for system, metrics in systems.items()
        for metric, spread in metrics.items()
    ]
    header = ("direction", "system", "metric", "mean", "sd", "runs")
    write_csv(out / "comparison.csv", [header, *lines])
    sections: list[Section] = [_table(direction, found[direction]) for direction in found]
    if differing:
        rows = tuple((option, *values) for option, values in differing.items())
        sections.append(Table("What differs", ("option", *named), rows))
    sections += [_gallery(direction, named) for direction in found]
    report = Report("Comparison", "\n\n".join(notes), "none", tuple(sections))
    return found, notes, write(report, out / "comparison.html")


def _table(direction: str, systems: Mapping[str, Mapping[str, Spread]]) -> Table:
    names = columns({k: {m: s.mean for m, s in v.items()} for k, v in systems.items()})
    rows = tuple(
        (system, *(spreads[name].text(name) if name in spreads else None for name in names))
        for system, spreads in systems.items()
    )
    metrics = [METRICS[name] for name in names]
    ends = "; ".join(f"{metric.title}: {metric.better}er is better" for metric in metrics)
    note = f"Mean ± standard deviation over seeds. {ends}."
    return Table(WORDS[direction], ("system", *(metric.title for metric in metrics)), rows, note)


def _gallery(direction: str, named: Mapping[str, Sequence[Entry]]) -> Gallery:
    """Test images through the first run of each group, of those tested on the first one's data."""
    there = [(k, v[0]) for k, v in named.items() if direction in v[0].config.directions]
    shown = {name: one for name, one in there if one.data == there[0][1].data}
    runs = []
    for one in shown.values():
        layout = locate(one.data, one.config.data.pairs, one.config.data.swap)
        parts = direction_data(layout, one.config)
        runs += [(one.run, part) for part in parts if part.direction == direction]
    first = runs[0][1]
    pictures = []
    names = [file.relative_to(first.test.folder) for file in list_images(first.test.folder)]
    common = [name for name in names if all(translation_path(*own, name).is_file() for own in runs)]
    for name in evenly(common, SHOWN):
        every = [displayed(*own, name) for own in runs]
        before, _, truth = every[0]
        cells = [before, *(after for _, after, _ in every), *([] if truth is None else [truth])]
        widths = [max(1, round(cell.shape[1] * TALL / cell.shape[0])) for cell in cells]
        small = [resize(cell, TALL, width) for cell, width in zip(cells, widths, strict=True)]
        pictures.append((str(name), grid([small])))
    order = ", ".join(["input", *shown, *(["truth"] if first.truth else [])])
    note = f"From left to right: {order}."
    return Gallery(f"{WORDS[direction]}, test images", tuple(pictures), note)
