"""What a run folder holds, as one page: figures, samples over time, every test image, settings."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch

from hwan import __version__
from hwan import config as configs
from hwan.card import README
from hwan.chart import Curves
from hwan.config import Config
from hwan.data.folders import Layout
from hwan.evaluate import OURS, Row, Summary, sides, translation
from hwan.image import decode, view
from hwan.nets.folder import load_generator
from hwan.report import Compare, CompareItem, Facts, Frames, Report, Section, Table, write
from hwan.runtime import describe, pick_device
from hwan.translate import is_generator

WORDS = {"ab": "A to B", "ba": "B to A"}
Verdict = Literal["good", "mixed", "bad", "none"]


def write_run_report(
    run: Path,
    layout: Layout,
    rows: Sequence[Row] = (),
    summaries: Mapping[str, Summary] | None = None,
) -> Path:
    """Write ``run/report.html`` from the run folder and, after a test, its rows and summaries."""
    config = configs.load(run / "config.json")
    summaries = summaries or {}
    log = [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]
    sections: list[Section] = [_paired(d, s) for d, s in summaries.items() if s.systems]
    if summaries:
        sections.append(_without_truth(summaries))
    sections.append(_samples(run))
    if rows:
        sections += [_compare(run, layout, config, d, rows) for d in summaries]
    sections += [*_curves(log), *_facts(config)]
    text, verdict = judge(summaries)
    images = f"{log[-1]['images']} images seen. " if log else ""
    return write(
        Report(run.resolve().name, images + text, verdict, tuple(sections)), run / "report.html"
    )


def judge(summaries: Mapping[str, Summary]) -> tuple[str, Verdict]:
    """The verdict in a sentence: does hwan's SSIM beat every baseline, where truth is known?"""
    known = {d: s for d, s in summaries.items() if s.beaten is not None}
    if not summaries:
        return "Not tested yet: `hwan evaluate` adds the test.", "none"
    if not known:
        return (
            "No true pictures are known for the test images, so look at them; the figures below "
            "say only whether something broke.",
            "none",
        )
    sentences = []
    for direction, summary in known.items():
        best = max((s["ssim"], name) for name, s in summary.systems.items() if name != OURS)
        verb = "beats" if summary.beaten else "does not beat"
        sentences.append(
            f"{WORDS[direction]}: SSIM {summary.systems[OURS]['ssim']:.3f} {verb} the best "
            f"baseline, {best[1]} ({best[0]:.3f})."
        )
    won = [s.beaten for s in known.values()]
    return " ".join(sentences), "good" if all(won) else "mixed" if any(won) else "bad"


def _paired(direction: str, summary: Summary) -> Table:
    rows = tuple((name, s["ssim"], s["psnr"], s["l1"]) for name, s in summary.systems.items())
    return Table(
        f"{WORDS[direction]}, against the truth",
        ("system", "SSIM", "PSNR (dB)", "L1"),
        rows,
        f"Means over {summary.images} held-out images as they are written; L1 as a share of the "
        "range. PSNR favours blur: read it last.",
        {"SSIM": "high", "PSNR (dB)": "high", "L1": "low"},
    )


def _without_truth(summaries: Mapping[str, Summary]) -> Table:
    rows = tuple(
        (WORDS[d], s.images, None if math.isnan(s.cycle_l1) else s.cycle_l1, s.diversity)
        for d, s in summaries.items()
    )
    return Table(
        "Without a truth",
        ("direction", "test images", "cycle L1", "diversity"),
        rows,
        "Cycle L1: error there and back, a share of the range. Diversity: how much outputs "
        "differ from one another over how much real pictures do; near 0 is mode collapse.",
    )


def _samples(run: Path) -> Frames:
    files = sorted((run / "samples").glob("[0-9]*.png"), key=lambda file: int(file.stem))
    frames = tuple((f"{int(file.stem)} images", decode(file).pixels) for file in files)
    return Frames(
        "Samples over time",
        frames,
        "Held-out images at every tick. Left three columns: real A, "
        "its translation to B, and back; right three: real B, its translation to A, and back. Of a "
        "one-way method: real A, its translation to B, a real B (the truth, where pairs teach).",
    )


def _compare(
    run: Path, layout: Layout, config: Config, direction: str, rows: Sequence[Row]
) -> Compare:
    side = next(s for s in sides(layout, config) if s.direction == direction)
    items = []
    for row in (r for r in rows if r.direction == direction):
        name = Path(row.name)
        before, truth = side.test.read(side.test.folder / name, side.kind_in), side.truth_of(name)
        after = decode(translation(run, side, name), side.kind_out)
        figures = [f"SSIM {row.figures[OURS]['ssim']:.3f}"] if row.figures else []
        figures += [] if math.isnan(row.cycle_l1) else [f"cycle L1 {row.cycle_l1:.3f}"]
        items.append(
            CompareItem(
                row.name,
                view(before.pixels, side.kind_in),
                view(after.pixels, side.kind_out),
                None if truth is None else view(truth, side.kind_out),
                ", ".join(figures),
            )
        )
    return Compare(f"{WORDS[direction]}, every test image", tuple(items))


def _curves(log: Sequence[Mapping[str, Any]]) -> list[Section]:
    def series(key: str, names: Sequence[str]) -> dict[str, tuple[tuple[float, float], ...]]:
        return {
            name: tuple((r["images"], r[key][name]) for r in log if name in r[key])
            for name in names
        }

    losses = sorted({name for row in log for name in row["losses"]})
    health = sorted({name for row in log for name in row["health"]})
    groups = {
        "Adversarial losses": [n for n in losses if n.startswith(("gan", "d_"))],
        "Gradient penalties": [n for n in losses if n.startswith(("gp_", "r1_"))],
        "What ties output to input": [
            n for n in losses if not n.startswith(("gan", "d_", "gp_", "r1_"))
        ],
    }
    found: list[Section] = [
        Curves(title, series("losses", names), y_label="weighted loss")
        for title, names in groups.items()
        if names
    ]
    if health:
        found.append(
            Curves(
                "Health",
                series("health", health),
                y_label="diversity",
                threshold=(0.0, "collapsed: every input gives one output"),
            )
        )
    return found


def _facts(config: Config) -> list[Section]:
    machine = {"hwan": __version__, "torch": torch.__version__, "machine": describe(pick_device())}
    return [
        Facts("Configuration", _flat(config)),
        Facts("Environment", machine, "Where this page was written."),
    ]


def describe_folder(folder: Path) -> str:
    """What ``hwan info`` prints of a run folder or a generator folder.

    Raises ``UsageError`` for a folder that is neither.
    """
    if is_generator(folder):
        net, card = load_generator(folder)
        weights = sum(p.numel() for p in net.parameters())
        facts = {**asdict(card), "parameters": f"{weights:,}"}
        lines = [f"{folder}: a generator", *(f"  {k:14}{v}" for k, v in facts.items())]
        if (folder / README).is_file():
            lines += ["", (folder / README).read_text("utf-8")]
        return "\n".join(lines)
    config = configs.load(folder / "config.json")
    lines = [f"{folder}: a run of {config.method}"]
    log = folder / "log.jsonl"
    if log.is_file() and (rows := log.read_text("utf-8").splitlines()):
        last = json.loads(rows[-1])
        lines.append(f"  {last['images']} of {last['total']} images seen")
    lines += [f"  {key:24}{value}" for key, value in _flat(config).items()]
    return "\n".join(lines)


def _flat(config: Config) -> dict[str, str]:
    """Every option by its dotted name."""
    return {
        f"{section}.{key}" if key else section: str(inner)
        for section, value in asdict(config).items()
        for key, inner in (value.items() if isinstance(value, dict) else [("", value)])
    }
