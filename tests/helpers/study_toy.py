"""A study of one claim that takes seconds: study_toy.py OUT [--resume] [--processes N]."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from hwan.study.cells import Settings
from hwan.study.claim import (
    SMALL,
    Cell,
    Claim,
    Measurement,
    Prediction,
    Scale,
    Variant,
    base,
    vary,
)

TINY = dataclasses.replace(
    SMALL, filters=2, blocks=1, discriminator_filters=2, images=24, train=4, test=2
)


def variants(scale: Scale) -> tuple[Variant, ...]:
    plain = base(scale)
    return (
        Variant("a", "as it is", plain),
        Variant("b", "no pool", vary(plain, train={"pool": 0})),
    )


def measure(cell: Cell) -> Measurement:
    from hwan.study.measure import against_truth, outputs, row

    found = outputs(cell)
    curve = ((0.0, 1.0), (1.0, 2.0 + cell.seed))
    return Measurement(against_truth(found), {"line": curve}, row(found))


CLAIM = Claim(
    name="toy", note="장난감 <b>", english="A toy & no more", hypothesis="Nothing.",
    formula="a < b", source="nobody", variants=variants, measure=measure,
    figures={"SSIM": "against the truth", "L1": "share of the range", "absent": "never measured"},
    predictions=(
        Prediction("sure", "SSIM", "a", ">", -2), Prediction("never", "absent", "a", ">", 0),
    ),
    shows_not="Anything.", plots={"line": ("x", "y", False)},
)  # fmt: skip


def main() -> None:
    from hwan.study.engine import jobs, make
    from hwan.study.report import write_study

    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    settings = Settings(given.out.resolve(), TINY)
    work = jobs(CLAIM, 2, settings)
    for done in make(work, given.processes, given.resume):
        print(done.count, done.total, done.job.variant.name, done.job.seed, done.reused, flush=True)
    write_study(given.out, 2, settings, (CLAIM,), "toy NAME")


if __name__ == "__main__":
    main()
