"""Several tested runs side by side; those that differ in nothing but their seed as one, mean and
standard deviation. comparison.json, comparison.csv and comparison.html say the same."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hwan.data.folders import evenly, list_images, locate
from hwan.errors import UsageError
from hwan.evaluation.images import translation_path
from hwan.evaluation.results import (
    BEST,
    CHOICE,
    OURS,
    REAL,
    WORDS,
    Summary,
    baselines,
    columns,
    flat,
)
from hwan.evaluation.source import (
    DirectionData,
    EvaluationSource,
    GeneratorSource,
    direction_data,
    known_options,
)
from hwan.files import write_csv, write_json
from hwan.imaging.pixels import Pixels, decode, for_display, grid, resize
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
        text = METRICS[metric].text
        if math.isnan(self.mean):
            return "-"
        return text(self.mean) + ("" if math.isnan(self.sd) else f" ± {text(self.sd)}")


Figures = dict[str, dict[str, dict[str, Spread]]]
"""By direction, system and metric. A system is a group, its best checkpoints, or a baseline."""


def groups(tested: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Runs of one configuration but for the seed, under the names of their folders. Runs on different
    data are one group only if their seeds differ, as those of `hwan demo --seed` do. A generator without
    its run is a group of its own: how it was trained is not known."""
    found: list[list[Entry]] = []
    for one in tested:
        for runs in found:
            seeds = [_seed(other.config) for other in runs]
            fresh = _seed(one.config) not in seeds or one.data == runs[0].data
            if fresh and _same(one.config, runs[0].config):
                runs.append(one)
                break
        else:
            found.append([one])
    names = _names([one.run for one in tested])
    named = {}
    for runs in found:
        name = names[runs[0].run]
        named[name if len(runs) == 1 else f"{name} ({len(runs)} seeds)"] = runs
    return named


def _seed(config: EvaluationSource) -> int | None:
    return None if isinstance(config, GeneratorSource) else config.train.seed


def _same(one: EvaluationSource, other: EvaluationSource) -> bool:
    """Whether two are configured alike, but for the seed."""
    if isinstance(one, GeneratorSource) or isinstance(other, GeneratorSource):
        return False
    return replace(one, train=replace(one.train, seed=other.train.seed)) == other


def _names(runs: Sequence[Path]) -> dict[Path, str]:
    """The shortest ends of the runs' paths that tell them apart."""
    paths = {run: run.resolve() for run in runs}
    if len(set(paths.values())) < len(runs):
        raise UsageError("different folders to compare", ", ".join(map(str, runs)),
                         "name each once")  # fmt: skip
    for depth in range(1, 1 + max(len(path.parts) for path in paths.values())):
        names = {run: "/".join(path.parts[-depth:]) for run, path in paths.items()}
        if len(set(names.values())) == len(runs):
            break
    return names


def figures(named: Mapping[str, Sequence[Entry]]) -> Figures:
    """Every figure of every group, and of the baselines: means over all runs that have them."""
    values: dict[str, dict[str, dict[str, list[float]]]] = {}
    for name, runs in named.items():
        for one in runs:
            for direction, summary in one.summaries.items():
                there = values.setdefault(direction, {})
                for system, metric, value in flat(summary):
                    title = {OURS: name, BEST: f"{name}, best checkpoint"}.get(system, system)
                    there.setdefault(title, {}).setdefault(metric, []).append(value)
    return {
        direction: {
            system: {metric: _spread(found) for metric, found in metrics.items()}
            for system, metrics in sorted(systems.items(), key=lambda item: _rank(item[0], named))
        }
        for direction, systems in values.items()
    }


def _rank(system: str, named: Mapping[str, object]) -> int:
    """Groups first, then the baselines, then the real pictures."""
    own = any(system in (name, f"{name}, best checkpoint") for name in named)
    return 0 if own else 2 if system == REAL else 1


def _spread(values: Sequence[float]) -> Spread:
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return Spread(math.nan, math.nan, 0)
    finite = len(known) > 1 and all(map(math.isfinite, known))
    return Spread(
        statistics.fmean(known), statistics.stdev(known) if finite else math.nan, len(known)
    )


def remarks(named: Mapping[str, Sequence[Entry]], found: Figures) -> list[str]:
    """What a reader must know: the best by each leading figure, and what makes figures incomparable."""
    sentences = []
    for direction, systems in found.items():
        for name in leading_metrics():
            means = {k: v[name] for k, v in systems.items() if name in v and v[name].runs}
            ours = [system for system in means if _rank(system, named) == 0]
            others = [system for system in baselines(means) if system not in ours]
            if len(ours) < 2:
                continue

            def gain(system: str, name: str = name, means: Mapping[str, Spread] = means) -> float:
                return METRICS[name].gain(means[system].mean)

            top, baseline = max(ours, key=gain), max(others, key=gain, default=None)
            words = f"{WORDS[direction]}: {top} has the best {METRICS[name].title}, "
            words += means[top].text(name)
            if baseline and gain(baseline) >= gain(top):
                words += (
                    f", and does not beat the baseline {baseline} ({means[baseline].text(name)})"
                )
            sentences.append(f"{words}.")
    every = [one for runs in named.values() for one in runs]
    if len({one.data for one in every}) > 1:
        sentences.append(
            "The runs were tested on different data: a spread over seeds is of the data too, and groups "
            "cannot be compared unless their data are alike."
        )
    for direction in found:
        protocols = [
            one.summaries[direction].protocol for one in every if direction in one.summaries
        ]
        keys = dict.fromkeys(key for protocol in protocols for key in protocol)
        sentences += [
            f"{WORDS[direction]}: {key} is not the same in every test; figures that depend on it cannot "
            "be compared."
            for key in keys
            if key != CHOICE and len({protocol.get(key) for protocol in protocols}) > 1
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
    write_json(
        out / "comparison.json",
        {
            "groups": {name: [str(one.run) for one in runs] for name, runs in named.items()},
            "differences": {k: dict(zip(named, v, strict=True)) for k, v in differing.items()},
            "remarks": notes,
            "figures": {
                direction: {
                    system: {metric: vars(spread) for metric, spread in metrics.items()}
                    for system, metrics in systems.items()
                }
                for direction, systems in found.items()
            },
        },
    )
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
        (system, *(metrics[name].text(name) if name in metrics else None for name in names))
        for system, metrics in systems.items()
    )
    ends = {"high": "higher is better", "low": "lower is better"}
    notes = (f"{METRICS[name].title}: {ends[METRICS[name].better]}" for name in names)
    note = "Mean ± standard deviation over seeds. " + "; ".join(notes) + "."
    titles = tuple(METRICS[name].title for name in names)
    return Table(f"{WORDS[direction]}", ("system", *titles), rows, note)


def _gallery(direction: str, named: Mapping[str, Sequence[Entry]]) -> Gallery:
    """Test images through the first run of each group, of those tested on the first one's data."""
    there = {k: v[0] for k, v in named.items() if direction in v[0].config.directions}
    data = next(iter(there.values())).data
    shown = {name: one for name, one in there.items() if one.data == data}
    columns_of: list[tuple[DirectionData, Entry]] = []
    for one in shown.values():
        layout = locate(one.data, one.config.data.pairs, one.config.data.swap)
        parts = direction_data(layout, one.config)
        columns_of += [(part, one) for part in parts if part.direction == direction]
    first = columns_of[0][0]
    names = [file.relative_to(first.test.folder) for file in list_images(first.test.folder)]
    common = [
        name for name in names
        if all(translation_path(one.run, part, name).is_file() for part, one in columns_of)
    ]  # fmt: skip
    pictures = []
    for name in evenly(common, SHOWN):
        source = first.test.read(first.test.folder / name, first.format_in)
        row = [for_display(source.pixels, first.format_in)]
        for part, one in columns_of:
            picture = decode(translation_path(one.run, part, name), part.format_out)
            row.append(for_display(picture.pixels, part.format_out))
        truth = first.truth_of(name)
        row += [for_display(truth, first.format_out)] if truth is not None else []
        pictures.append((str(name), grid([[_small(cell) for cell in row]])))
    order = ", ".join(["input", *shown, *(["truth"] if first.truth else [])])
    return Gallery(
        f"{WORDS[direction]}, test images", tuple(pictures), f"From left to right: {order}."
    )


def _small(picture: Pixels) -> Pixels:
    """The picture in one height and three channels, to stand in a row."""
    height, width, channels = picture.shape
    shown = resize(picture, TALL, max(1, round(width * TALL / height)))
    return shown.repeat(3 // channels, axis=2)
