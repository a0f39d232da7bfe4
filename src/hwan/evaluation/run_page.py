"""What a run folder holds, as one page: verdict, samples over time, health, figures, every test image,
curves, settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from hwan import __version__
from hwan import config as configs
from hwan.config.methods import record_of
from hwan.data.folders import Layout
from hwan.evaluation.images import displayed
from hwan.evaluation.results import HINTED, OURS, REAL, WORDS, ImageRow, Summary, columns, shown
from hwan.evaluation.source import (
    DirectionData,
    EvaluationSource,
    GeneratorSource,
    direction_data,
    known_options,
    read_source,
)
from hwan.evaluation.training_sections import Log, checks, curves, health, read_log
from hwan.evaluation.verdict import overall_verdict
from hwan.files import read_json
from hwan.imaging.pixels import decode
from hwan.inference.model_card import README
from hwan.inference.translate import is_generator, located
from hwan.metrics.health_limits import findings
from hwan.metrics.records import METRICS, leading_metrics, title
from hwan.nets.folder import load_generator
from hwan.report.page import write
from hwan.report.sections import Compare, CompareItem, Facts, Frames, Report, Section, Table
from hwan.runtime import describe, pick_device

EXTREMES = 3  # of the best and of the worst test images


def write_run_report(
    run: Path, layout: Layout, rows: Sequence[ImageRow] = (), summaries: Mapping[str, Summary] = {}
) -> Path:
    """Write ``run/report.html`` from the run folder (or the generator folder, which has no log and no
    samples) and, after a test, its rows and summaries."""
    config, log = read_source(run), read_log(run)
    lone = isinstance(config, GeneratorSource)
    found = findings(health(log, summaries))
    alarms = [finding for finding in found if finding.light == "bad"]
    sections: list[Section] = [] if lone else [_samples(run, config)]
    if found:
        sections.append(checks(found, log, summaries))
    if summaries:
        sections.append(_alone(summaries))
    for data in direction_data(layout, config) if summaries else ():
        arrow, summary = WORDS[data.direction], summaries[data.direction]
        means = f"Means over {summary.images} held-out images, as they are written."
        protocol = "; ".join(f"{name}: {value}" for name, value in summary.protocol.items())
        if summary.systems:
            sections.append(_table(f"{arrow}, against the truth", summary.systems, means))
        if summary.changed:
            note = "Means over the test images that have a mask."
            sections.append(
                _table(f"{arrow}, what was changed, by the masks", summary.changed, note)
            )
        if summary.distribution:
            sections.append(
                _table(f"{arrow}, as a set of pictures", summary.distribution, protocol)
            )
        items = tuple(_item(run, data, row) for row in rows if row.direction == data.direction)
        sections += _extremes(arrow, items)
        if items:
            sections.append(Compare(f"{arrow}, every test image", items))
    sections += [*([] if lone else [curves(log)]), *_facts(run, config, summaries)]
    words, verdict = overall_verdict(summaries, alarms)
    facts, alerts = _strip(config, log, summaries), tuple(map(str, alarms))
    name = run.resolve().name
    return write(Report(name, words, verdict, tuple(sections), facts, alerts), run / "report.html")


def _strip(config: EvaluationSource, log: Log, summaries: Mapping[str, Summary]) -> dict[str, str]:
    """The few facts under the title."""
    found = {"method": config.method, "crops": f"{config.data.size} px"}
    if isinstance(config, GeneratorSource):
        found["images seen"] = f"{config.spec.images:,}" if config.spec.images else "not known"
    else:
        found["seed"] = f"{config.train.seed}"
    if log:
        seen, total = log[-1]["images"], log[-1]["total"]
        found["images seen"] = f"{seen:,}" if seen >= total else f"{seen:,} of {total:,}"
        starts = [0, *(row["images"] for row in log)]
        seconds = math.fsum(
            (row["images"] - start) / row["images_per_second"]
            for start, row in zip(starts, log, strict=False)
            if row["images_per_second"] > 0
        )
        found["time"] = f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
    return found | _tested_on(summaries)


def _tested_on(summaries: Mapping[str, Summary]) -> dict[str, str]:
    tested = ", ".join(f"{summary.images} {WORDS[d]}" for d, summary in summaries.items())
    return {"tested on": tested} if summaries else {}


def _alone(summaries: Mapping[str, Summary]) -> Table:
    rows = tuple(
        (WORDS[d], s.images, None if math.isnan(s.cycle_l1) else s.cycle_l1, s.diversity)
        for d, s in summaries.items()
    )
    left_out = " ".join(dict.fromkeys(words for s in summaries.values() for words in s.left_out))
    figures = {METRICS[name].title: METRICS[name] for name in ("cycle_l1", "diversity")}
    decimals = {name: figure.decimals for name, figure in figures.items()}
    meanings = {name: figure.meaning for name, figure in figures.items()}
    names = ("direction", "test images", *figures)
    return Table("Without a truth", names, rows, left_out, {}, decimals, meanings)


def _table(name: str, systems: Mapping[str, Mapping[str, float]], note: str) -> Table:
    """One line a system, one column a figure, whatever figures there are."""
    every = dict.fromkeys(metric for figures in systems.values() for metric in figures)
    # Scales of one metric are left out.
    unrecorded = [m for m in every if m not in METRICS and not m.startswith("swd_")]
    metrics = [*columns(systems), *unrecorded]
    known = {m: METRICS[m] for m in metrics if m in METRICS}
    rows = tuple((k, *(figures.get(m) for m in metrics)) for k, figures in systems.items())
    better = {title(m): f.better for m, f in known.items() if not m.endswith("_se")}
    decimals = {title(m): f.decimals for m, f in known.items()}
    meanings = {title(m): f.meaning for m, f in known.items() if f.meaning}
    heads = ("system", *map(title, metrics))
    return Table(name, heads, rows, note, better, decimals, meanings, aside=(HINTED, REAL))


def _samples(run: Path, config: EvaluationSource) -> Frames:
    files = sorted((run / "samples").glob("[0-9]*.png"), key=lambda file: int(file.stem))
    frames = tuple((f"{int(file.stem):,} images", decode(file).pixels) for file in files)
    heads: tuple[str, ...] = ("real A", "to B", "real B")
    if "ba" in config.directions:
        heads = ("real A", "to B", "back to A", "real B", "to A", "back to B")
    paired = " The real B is the truth." if record_of(config.method).draws_pairs else ""
    note = f"The same held-out images at every tick, drawn by the generators that are kept.{paired}"
    return Frames("Samples over time", frames, note, heads)


def _item(run: Path, data: DirectionData, row: ImageRow) -> CompareItem:
    every = {**row.figures.get(OURS, {}), "cycle_l1": row.cycle_l1}
    figures = {metric: value for metric, value in every.items() if not math.isnan(value)}
    some = [m for m in ("ssim", "lpips", "pixel_accuracy", "cycle_l1") if m in figures]
    caption = ", ".join(f"{title(m)} {shown(m, figures[m])}" for m in some)
    named = {title(metric): value for metric, value in figures.items()}
    return CompareItem(row.name, *displayed(run, data, Path(row.name)), caption, named)


def _extremes(arrow: str, items: Sequence[CompareItem]) -> list[Section]:
    """The best and the worst images by the first leading figure they have, else by the cycle error."""
    there = {name for item in items for name in item.figures}
    metric = next((m for m in (*leading_metrics(), "cycle_l1") if title(m) in there), "")
    known = [item for item in items if title(metric) in item.figures]
    if len(known) < 2 * EXTREMES:
        return []
    step = -1 if METRICS[metric].better == "high" else 1
    known = sorted(known, key=lambda item: item.figures[title(metric)])[::step]
    ends = {"best": known[:EXTREMES], "worst": known[: -EXTREMES - 1 : -1]}
    chosen = tuple(replace(i, caption=f"{end}: {i.caption}") for end in ends for i in ends[end])
    but = "a low error may also mean that little was changed"
    note = f"No truth is known, so by the way there and back: {but}."
    name = f"{arrow}, best and worst by {title(metric)}"
    return [Compare(name, chosen, note if metric == "cycle_l1" else "")]


def _facts(run: Path, config: EvaluationSource, summaries: Mapping[str, Summary]) -> list[Section]:
    facts = _tested_on(summaries)
    if not isinstance(config, GeneratorSource):
        recorded = read_json(run / "data.json")
        counts = recorded.get("counts", {})
        facts = {
            "data": ", ".join(recorded["data"]),
            **{f"trained on, {d.upper()}": f"{count:,} images" for d, count in counts.items()},
            **facts,
            "seed": str(config.train.seed),
            **{name: str(value) for name, value in recorded.get("environment", {}).items()},
        }
    facts["this page"] = f"hwan {__version__}, {describe(pick_device())}"
    return [Facts("Configuration", known_options(config)), Facts("Environment", facts)]


def describe_folder(folder: Path) -> str:
    """What ``hwan info`` prints of a run folder or a generator folder: what it is, and what its test found.

    Raises ``UsageError`` for a folder that is neither.
    """
    folder = located(folder)
    if is_generator(folder):
        net, spec = load_generator(folder)
        # Without a title, figures and the like there is nothing to say of them.
        facts = {k: v for k, v in asdict(spec).items() if v or k == "images"}
        facts |= {"parameters": f"{sum(p.numel() for p in net.parameters()):,}"}
        lines = [f"{folder}: a generator", *(f"  {k:14}{v}" for k, v in facts.items())]
        lines += _tested(folder)
        if (folder / README).is_file():
            lines += ["", (folder / README).read_text("utf-8")]
        return "\n".join(lines)
    config = configs.load(folder / "config.json")
    lines = [f"{folder}: a run of {config.method}"]
    if log := read_log(folder):
        lines.append(f"  {log[-1]['images']} of {log[-1]['total']} images seen")
    lines += [f"  {key:34}{value}" for key, value in known_options(config).items()]
    return "\n".join(lines + _tested(folder))


def _tested(folder: Path) -> list[str]:
    """What the last test found; earlier versions' results lack some of it."""
    path = folder / "evaluation" / "results.json"
    if not path.is_file():
        return []
    lines = ["", f"tested (`hwan evaluate`, {folder / 'report.html'}):"]
    for direction, found in read_json(path).items():
        parts = [
            found.get(part, {}).get(OURS, {}) for part in ("systems", "changed", "distribution")
        ]
        ours = {**parts[0], **parts[1], **parts[2], **found}
        texts = [f"{title(m)} {shown(m, ours[m])}" for m in METRICS if ours.get(m) is not None]
        lines.append(f"  {WORDS[direction]}, {found.get('images')} images: {', '.join(texts)}")
        lines += [f"  {sentence}" for sentence in found.get("words", ())]
    return lines
