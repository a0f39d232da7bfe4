"""The study's output: a page, JSON, and for each claim Markdown and a sheet of its pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import accumulate, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hwan.files import write_atomic, write_json
from hwan.imaging.pixels import Pixels, decode, save
from hwan.runtime import describe
from hwan.study.cells import Settings
from hwan.study.claim import Claim
from hwan.study.claims import CLAIMS
from hwan.study.engine import jobs
from hwan.study.page import write_page
from hwan.study.results import Result, gather, machines, strips, total_seconds
from hwan.study.verdict import RULE

GAP = 6  # white pixels right of and below a picture of the sheet


def write_study(
    out: Path, seeds: int, settings: Settings, chosen: Sequence[Claim], command: str
) -> list[Result]:
    """Write ``out/study.html`` and ``out/claims/`` (README.md, NAME.{json,md,png}) of the ``chosen``
    claims and of all others whose cells with these settings exist; returns them in the note's order."""
    device = describe(torch.device(settings.device))
    machine, folder = f"{device}, {os.cpu_count()} cores", out / "claims"
    results = []
    for claim in {**CLAIMS, **{claim.name: claim for claim in chosen}}.values():
        work = jobs(claim, seeds, settings)
        if all(job.folder.is_dir() for job in work):
            results.append(gather(claim, work, command.replace("NAME", claim.name), machine))
    for result in results:
        name = result.claim.name
        write_json(folder / f"{name}.json", as_json(result))
        if (pictures := sheet(result)) is not None:
            save(pictures, folder / f"{name}.png")
        write_atomic(folder / f"{name}.md", markdown(result).encode())
    write_atomic(folder / "README.md", index(results, command.replace("NAME", "all")).encode())
    write_page(results, out / "study.html")
    return results


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
                "effect": c.mean,
                "interval": [c.low, c.high],
                "seeds": c.n,
            }
            for c in result.verdict.checks
        ],
        "variants": {
            name: {
                "about": result.about[name],
                "seeds": [{key: c[key] for key in ("values", "curves", "note")} for c in cells],
            }
            for name, cells in result.cells.items()
        },
        "figures": dict(claim.figures),
        "shows_not": claim.shows_not,
        "command": result.command,
        "machine": result.machine,
        "cpu_seconds": round(result.cpu_seconds, 1),
    }


def markdown(result: Result) -> str:
    """The claim's page for a repository."""
    claim, verdict = result.claim, result.verdict
    head = ["variant", *claim.figures]
    rows = [f"{name} ({', '.join(title for title, _ in own)})" for name, own in strips(result)]
    pictures = f"![the variants' pictures]({claim.name}.png)\n\nRows, seed 0: {'; '.join(rows)}.\n"
    lines = [
        f"# {claim.name}: {verdict.word}", "", f"> {claim.note}", ">", f"> {claim.english}", "",
        f"**Tested:** {claim.hypothesis}", "", f"**Theory.** {claim.theory}", "",
        f"    {claim.formula}", "", f"Source: {claim.source}", "",
        "| " + " | ".join(head) + " |", "|" + "---|" * len(head),
        *("| " + " | ".join([name, *texts]) + " |" for name, texts in result.table()),
        "", f"Mean ± sd over {result.seeds} seeds.", "",
        *(f"* {name}: {about}" for name, about in result.about.items()), "",
        *(f"* *{name}*: {meaning}" for name, meaning in claim.figures.items()), "",
        *([pictures] if rows else []),
        "| prediction | rule | effect | interval | outcome |", "|---|---|---|---|---|",
        *(
            f"| {c.prediction.text} | `{c.prediction.rule()}` | {c.effect} | {c.interval} | {c.outcome} |"
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
    remarks = [f"* **{r.claim.name}**: {r.claim.remark}" for r in results if r.claim.remark]
    lines = [
        "# The study's results", "",
        f"`{command}`: {total_seconds(results):.0f} CPU seconds, on {machines(results)}.", "",
        "| claim | verdict | what was tested |", "|---|---|---|",
        *(
            f"| [{r.claim.name}]({r.claim.name}.md) | **{r.verdict.word}** ({r.verdict.score}) "
            f"| {r.claim.hypothesis} |"
            for r in results
        ),
        "", RULE, "",
        *(["## Against the note or the papers", "", *remarks, ""] if remarks else []),
    ]  # fmt: skip
    return "\n".join(lines)


def sheet(result: Result) -> Pixels | None:
    """All strips as one picture, each variant's a row; None if there are none."""
    rows = [[decode(file).pixels for _, file in own] for _, own in strips(result)]
    if not rows:
        return None
    heights = [max(len(picture) for picture in row) + GAP for row in rows]
    columns = zip_longest(*rows, fillvalue=np.empty((0, 0, 3)))
    widths = [max(picture.shape[1] for picture in column) + GAP for column in columns]
    canvas = np.full((sum(heights), sum(widths), 3), 255, np.uint8)
    for y, row in zip(accumulate(heights, initial=0), rows, strict=False):
        for x, picture in zip(accumulate(widths, initial=0), row, strict=False):
            canvas[y : y + len(picture), x : x + picture.shape[1]] = picture
    return canvas
