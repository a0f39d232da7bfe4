"""What a claim's cells say together: table, verdict, what it cost; as JSON, Markdown and a picture."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwan.study.cells import Job, record
from hwan.study.claim import Claim
from hwan.study.verdict import RULE, Verdict, deviation, judge


@dataclass(frozen=True)
class Result:
    """A claim with everything measured of it. ``records[variant]`` are the cells by seed."""

    claim: Claim
    about: Mapping[str, str]
    records: Mapping[str, Sequence[Mapping[str, Any]]]
    folders: Mapping[str, Sequence[Path]]
    verdict: Verdict
    command: str
    machine: str
    device: str
    trainings: Mapping[str, float]
    """CPU seconds of each training the cells used; other claims may share them."""
    measuring: float
    """CPU seconds of everything else."""

    @property
    def cpu_seconds(self) -> float:
        """What the claim costs by itself."""
        return total_seconds([self])

    @property
    def seeds(self) -> int:
        return len(next(iter(self.records.values())))

    def of(self, variant: str, figure: str) -> list[float]:
        """The figure in every seed that has it."""
        values = [cell["values"].get(figure, math.nan) for cell in self.records[variant]]
        return [value for value in values if math.isfinite(value)]

    def mean_sd(self, variant: str, figure: str) -> tuple[float, float] | None:
        """Mean and sample standard deviation over the seeds; None if nobody measured it."""
        values = self.of(variant, figure)
        return (math.fsum(values) / len(values), deviation(values)) if values else None


def gather(claim: Claim, work: Sequence[Job], command: str, machine: str) -> Result:
    """The result of ``claim`` from its finished cells."""
    records: dict[str, list[dict[str, Any]]] = {}
    folders: dict[str, list[Path]] = {}
    for job in work:
        records.setdefault(job.variant.name, []).append(record(job))
        folders.setdefault(job.variant.name, []).append(job.folder)
    values = {name: [cell["values"] for cell in cells] for name, cells in records.items()}
    every = [cell for cells in records.values() for cell in cells]
    trainings = {c["training"]: c["training_cpu_seconds"] for c in every if c["training"]}
    measuring = math.fsum(c["measuring_cpu_seconds"] for c in every)
    about = {job.variant.name: job.variant.about for job in work}
    verdict = judge(claim.predictions, values)
    device = work[0].setting.device
    return Result(
        claim, about, records, folders, verdict, command, machine, device, trainings, measuring
    )


def total_seconds(results: Sequence[Result]) -> float:
    """CPU seconds of several claims, a training that several share counted once."""
    trainings = {key: spent for result in results for key, spent in result.trainings.items()}
    return math.fsum(trainings.values()) + math.fsum(result.measuring for result in results)


def as_json(result: Result) -> dict[str, Any]:
    """Everything but the pictures, as plain JSON values."""
    claim = result.claim
    return {
        "claim": claim.name,
        "note": claim.note,
        "english": claim.english,
        "hypothesis": claim.hypothesis,
        "verdict": result.verdict.word,
        "score": result.verdict.score,
        "remark": claim.remark,
        "predictions": [
            {
                "text": c.prediction.text,
                "rule": c.prediction.rule(),
                "outcome": c.outcome,
                "effect": _number(c.mean),
                "interval": [_number(c.low), _number(c.high)],
                "seeds": c.n,
            }
            for c in result.verdict.checks
        ],
        "variants": {
            name: {
                "about": result.about[name],
                "seeds": [
                    {key: cell[key] for key in ("values", "curves", "note")} for cell in cells
                ],
            }
            for name, cells in result.records.items()
        },
        "figures": dict(claim.figures),
        "shows_not": claim.shows_not,
        "command": result.command,
        "machine": result.machine,
        "cpu_seconds": round(result.cpu_seconds, 1),
    }


def write_json(result: Result, folder: Path) -> None:
    """``folder/NAME.json``."""
    from hwan.files import write_atomic

    text = json.dumps(as_json(result), indent=1, ensure_ascii=False)
    write_atomic(folder / f"{result.claim.name}.json", (text + "\n").encode())


def rows(result: Result) -> list[tuple[str, list[tuple[float, float] | None]]]:
    """The table: of every variant mean and sd of every figure."""
    return [
        (name, [result.mean_sd(name, figure) for figure in result.claim.figures])
        for name in result.records
    ]


def text_of(value: tuple[float, float] | None) -> str:
    """Mean ± sd, to the digits the sd leaves."""
    if value is None:
        return "—"
    mean, sd = value
    if mean == 0 and sd == 0:
        return "0"
    size = abs(mean) or sd
    if not 1e-3 <= size < 1e5:
        return f"{mean:.1e} ± {sd:.0e}"
    digits = min(6, max(0, 2 - math.floor(math.log10(size))))
    return f"{mean:.{digits}f} ± {sd:.{digits}f}"


def markdown(result: Result, picture: str) -> str:
    """The claim's page for a repository."""
    claim, verdict = result.claim, result.verdict
    head = ["variant", *claim.figures]
    lines = [
        f"# {claim.name}: {verdict.word}", "", f"> {claim.note}", ">", f"> {claim.english}", "",
        f"**Tested:** {claim.hypothesis}", "", f"**Theory.** {claim.theory.text}", "",
        f"    {claim.theory.formula}", "", f"Source: {claim.theory.source}", "",
        "| " + " | ".join(head) + " |", "|" + "---|" * len(head),
        *("| " + " | ".join([name, *map(text_of, values)]) + " |" for name, values in rows(result)),
        "", f"Mean ± sd over {result.seeds} seeds.", "",
        *(f"* {name}: {about}" for name, about in result.about.items()), "",
        *(f"* *{name}*: {meaning}" for name, meaning in claim.figures.items()), "",
        *_legend(result, picture),
        "| prediction | rule | effect | interval | outcome |", "|---|---|---|---|---|",
        *(
            f"| {c.prediction.text} | `{c.prediction.rule()}` | {c.mean:.3g} | "
            f"{c.low:.3g} to {c.high:.3g} | {c.outcome} |"
            for c in verdict.checks
        ),
        "", f"**Verdict: {verdict.word}** ({verdict.score}). {RULE}", "",
        *([claim.remark, ""] if claim.remark else []),
        f"**Not shown.** {claim.shows_not}", "",
        f"Repeat: `{result.command}`. {result.cpu_seconds:.0f} CPU seconds on {result.machine}.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def index(results: Sequence[Result], command: str) -> str:
    """The claims' table of contents, for a repository."""
    machines = "; ".join(sorted({result.machine for result in results}))
    total = total_seconds(results)
    lines = [
        "# The study's results", "", f"`{command}`: {total:.0f} CPU seconds, on {machines}.", "",
        "| claim | verdict | what was tested |", "|---|---|---|",
        *(
            f"| [{r.claim.name}]({r.claim.name}.md) | **{r.verdict.word}** ({r.verdict.score}) "
            f"| {r.claim.hypothesis} |"
            for r in results
        ),
        "", RULE, "",
    ]  # fmt: skip
    remarks = [f"* **{r.claim.name}**: {r.claim.remark}" for r in results if r.claim.remark]
    return "\n".join(
        lines + (["## Against the note or the papers", "", *remarks, ""] if remarks else [])
    )


def _legend(result: Result, picture: str) -> list[str]:
    rows = [f"{name} ({', '.join(title for title, _ in own)})" for name, own in strips(result)]
    if not picture:
        return []
    return [
        f"![the variants' pictures]({picture})",
        "",
        "Rows, seed 0: " + "; ".join(rows) + ".",
        "",
    ]


def strips(result: Result) -> list[tuple[str, list[tuple[str, Path]]]]:
    """The first seed's pictures, variant by variant: (title, file). What all variants share, the inputs
    and the truth, comes first and once."""
    found = {
        name: {title: result.folders[name][0] / file for title, file in cells[0]["pictures"]}
        for name, cells in result.records.items()
    }
    by_title: dict[str, list[Path]] = {}
    for own in found.values():
        for title, file in own.items():
            by_title.setdefault(title, []).append(file)
    first = {title: files[0] for title, files in by_title.items()}
    shared = {
        title
        for title, files in by_title.items()
        if len(files) > 1 and len({file.read_bytes() for file in files}) == 1
    }
    rows = [("every variant", [(t, file) for t, file in first.items() if t in shared])]
    rows += [
        (n, [(t, file) for t, file in own.items() if t not in shared]) for n, own in found.items()
    ]
    return [(name, pictures) for name, pictures in rows if pictures]


def sheet(result: Result) -> Any:
    """All strips as one picture, each variant's a row; None if there are none."""
    import numpy as np

    from hwan.imaging.pixels import decode

    rows = [[decode(file).pixels for _, file in own] for _, own in strips(result)]
    if not rows:
        return None

    def box(pixels: Any, height: int, width: int) -> Any:
        canvas = np.full((height, width, 3), 255, np.uint8)
        canvas[: pixels.shape[0], : pixels.shape[1]] = pixels
        return canvas

    wide = [max(r[i].shape[1] for r in rows if i < len(r)) + 6 for i in range(max(map(len, rows)))]
    lines = []
    for row in rows:
        high = max(pixels.shape[0] for pixels in row) + 6
        line = np.concatenate([box(p, high, wide[i]) for i, p in enumerate(row)], axis=1)
        lines.append(box(line, high, sum(wide)))
    return np.concatenate(lines)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
