"""Several tested runs side by side; those that differ in nothing but their seed as one, mean and
standard deviation. comparison.json, comparison.csv and comparison.html say the same."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hwan.data.folders import list_images, locate
from hwan.errors import UsageError
from hwan.evaluation.evaluate import Side, sides, translation
from hwan.evaluation.results import (
    BEST,
    CHOICE,
    FIGURES,
    LEADING,
    OURS,
    REAL,
    WORDS,
    Summary,
    baselines,
    columns,
    flat,
)
from hwan.evaluation.source import EvaluationSource, GeneratorSource, known_options
from hwan.files import write_csv, write_json
from hwan.imaging.pixels import Pixels, decode, for_display, grid, resize
from hwan.report.page import Gallery, Report, Section, Table, write

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
        decimals = FIGURES[metric].decimals
        if math.isnan(self.mean):
            return "-"
        sd = "" if math.isnan(self.sd) else f" ± {self.sd:.{decimals}f}"
        return f"{self.mean:.{decimals}f}{sd}"


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
        raise UsageError("runs to compare are different folders", ", ".join(map(str, runs)),
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
    said = []
    for direction, systems in found.items():
        ours = {k: v for k, v in systems.items() if _rank(k, named) == 0}
        for metric in LEADING:
            means = {k: v[metric] for k, v in ours.items() if metric in v and v[metric].runs}
            baseline_outputs = {
                k: systems[k][metric] for k in baselines(systems)
                if k not in ours and metric in systems[k] and systems[k][metric].runs
            }  # fmt: skip
            if len(means) > 1:
                sign = 1 if FIGURES[metric].better == "high" else -1
                top = max(means, key=lambda k: sign * means[k].mean)
                words = f"{WORDS[direction]}: {top} has the best {FIGURES[metric].title}, "
                words += means[top].text(metric)
                best = max(
                    baseline_outputs, key=lambda k: sign * baseline_outputs[k].mean, default=None
                )
                if best and sign * baseline_outputs[best].mean >= sign * means[top].mean:
                    words += f", and does not beat the baseline {best} ({baseline_outputs[best].text(metric)})"
                said.append(words + ".")
    every = [one for runs in named.values() for one in runs]
    if len({one.data for one in every}) > 1:
        said.append(
            "The runs were tested on different data: a spread over seeds is of the data too, and groups "
            "cannot be compared unless their data are alike."
        )
    for direction in found:
        protocols = [
            one.summaries[direction].protocol for one in every if direction in one.summaries
        ]
        keys = dict.fromkeys(key for protocol in protocols for key in protocol)
        said += [
            f"{WORDS[direction]}: {key} is not the same in every test; figures that depend on it cannot "
            "be compared."
            for key in keys
            if key != CHOICE and len({protocol.get(key) for protocol in protocols}) > 1
        ]
    return said


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
    said = remarks(named, found)
    differing = differences(named)
    write_json(
        out / "comparison.json",
        {
            "groups": {name: [str(one.run) for one in runs] for name, runs in named.items()},
            "differences": {k: dict(zip(named, v, strict=True)) for k, v in differing.items()},
            "remarks": said,
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
    report = Report("Comparison", "\n\n".join(said), "none", tuple(sections))
    return found, said, write(report, out / "comparison.html")


def _table(direction: str, systems: Mapping[str, Mapping[str, Spread]]) -> Table:
    names = columns({k: {m: s.mean for m, s in v.items()} for k, v in systems.items()})
    rows = tuple(
        (system, *(metrics[name].text(name) if name in metrics else None for name in names))
        for system, metrics in systems.items()
    )
    ends = {"high": "higher is better", "low": "lower is better"}
    notes = (f"{FIGURES[name].title}: {ends[FIGURES[name].better]}" for name in names)
    note = "Mean ± standard deviation over seeds. " + "; ".join(notes) + "."
    titles = tuple(FIGURES[name].title for name in names)
    return Table(f"{WORDS[direction]}", ("system", *titles), rows, note)


def _gallery(direction: str, named: Mapping[str, Sequence[Entry]]) -> Gallery:
    """Test images through the first run of each group, of those tested on the first one's data."""
    there = {k: v[0] for k, v in named.items() if direction in v[0].config.directions}
    data = next(iter(there.values())).data
    shown = {name: one for name, one in there.items() if one.data == data}
    found: list[tuple[Side, Entry]] = []
    for one in shown.values():
        layout = locate(one.data, one.config.data.pairs, one.config.data.swap)
        found += [(s, one) for s in sides(layout, one.config) if s.direction == direction]
    side = found[0][0]
    pictures = []
    names = [file.relative_to(side.test.folder) for file in list_images(side.test.folder)]
    common = [n for n in names if all(translation(t.run, s, n).is_file() for s, t in found)]
    for name in common[:: max(1, len(common) // SHOWN)][:SHOWN]:
        row = [
            for_display(
                side.test.read(side.test.folder / name, side.format_in).pixels, side.format_in
            )
        ]
        for s, t in found:
            row.append(
                for_display(decode(translation(t.run, s, name), s.format_out).pixels, s.format_out)
            )
        truth = side.truth_of(name)
        row += [for_display(truth, side.format_out)] if truth is not None else []
        pictures.append((str(name), grid([[_small(p) for p in row]])))
    order = ", ".join(["input", *shown, *(["truth"] if side.truth else [])])
    return Gallery(
        f"{WORDS[direction]}, test images", tuple(pictures), f"From left to right: {order}."
    )


def _small(picture: Pixels) -> Pixels:
    """Of one height and three channels, to stand in a row."""
    height, width, channels = picture.shape
    shown = resize(picture, TALL, max(1, round(width * TALL / height)))
    return shown.repeat(3 // channels, axis=2)
