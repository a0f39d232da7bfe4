"""What a claim's cells say together: the table, the verdict, the pictures, and the cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from hwan.study.cells import Job, read_cell
from hwan.study.claim import Claim
from hwan.study.verdict import Verdict, deviation, verdict_on


@dataclass(frozen=True)
class Result:
    """A claim with everything measured of it. ``cells[variant]`` are in the seeds' order."""

    claim: Claim
    about: Mapping[str, str]
    cells: Mapping[str, Sequence[Mapping[str, Any]]]
    verdict: Verdict
    command: str
    machine: str

    @property
    def cpu_seconds(self) -> float:
        """What the claim costs by itself."""
        return total_seconds([self])

    @property
    def seeds(self) -> int:
        return len(next(iter(self.cells.values())))

    def of(self, variant: str, figure: str) -> list[float]:
        """The figure in every seed that has it."""
        values = [cell["values"].get(figure, math.nan) for cell in self.cells[variant]]
        return [value for value in values if math.isfinite(value)]

    def text_of(self, variant: str, figure: str) -> str:
        """Mean ± sample standard deviation over the seeds, to the digits that the deviation leaves."""
        values = self.of(variant, figure)
        if not values:
            return "—"
        mean, sd = fmean(values), deviation(values)
        if mean == 0 and sd == 0:
            return "0"
        size = abs(mean) or sd
        if not 1e-3 <= size < 1e5:
            return f"{mean:.1e} ± {sd:.0e}"
        digits = min(6, max(0, 2 - math.floor(math.log10(size))))
        return f"{mean:.{digits}f} ± {sd:.{digits}f}"

    def table(self) -> list[tuple[str, list[str]]]:
        """Every variant with the text of each figure."""
        figures = self.claim.figures
        return [(name, [self.text_of(name, figure) for figure in figures]) for name in self.cells]


def gather(claim: Claim, work: Sequence[Job], command: str, machine: str) -> Result:
    """The result of ``claim`` from its finished cells."""
    cells: dict[str, list[dict[str, Any]]] = {}
    for job in work:
        cells.setdefault(job.variant.name, []).append(read_cell(job))
    about = {job.variant.name: job.variant.about for job in work}
    values = {name: [cell["values"] for cell in own] for name, own in cells.items()}
    return Result(claim, about, cells, verdict_on(claim.predictions, values), command, machine)


def total_seconds(results: Sequence[Result]) -> float:
    """CPU seconds of several claims; a training that several share counts once."""
    every = [cell for result in results for cells in result.cells.values() for cell in cells]
    trainings = {c["training"]: c["training_cpu_seconds"] for c in every if c["training"]}
    return math.fsum([*trainings.values(), *(c["measuring_cpu_seconds"] for c in every)])


def machines(results: Sequence[Result]) -> str:
    """The machines on which the results were made."""
    return "; ".join(sorted({result.machine for result in results}))


def strips(result: Result) -> list[tuple[str, list[tuple[str, Path]]]]:
    """The first seed's pictures by variant: (title, file). Those that all variants share, the inputs
    and the truth, come first and once."""
    own = {name: dict(cells[0]["pictures"]) for name, cells in result.cells.items()}
    shared: dict[str, Path] = {}
    for title in dict.fromkeys(title for pictures in own.values() for title in pictures):
        files = [pictures[title] for pictures in own.values() if title in pictures]
        if len(files) > 1 and len({file.read_bytes() for file in files}) == 1:
            shared[title] = files[0]
    rows = [("every variant", list(shared.items()))]
    rows += [(n, [(t, f) for t, f in p.items() if t not in shared]) for n, p in own.items()]
    return [(name, pictures) for name, pictures in rows if pictures]
