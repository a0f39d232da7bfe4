"""The study's output: a page, JSON, and for each claim Markdown and a sheet of its pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hwan.study.cells import Setting
from hwan.study.claim import Claim
from hwan.study.engine import jobs
from hwan.study.results import Result, gather, index, markdown, sheet, write_json


def write_study(
    out: Path, seeds: int, setting: Setting, chosen: Sequence[Claim], command: str
) -> list[Result]:
    """Write ``out/study.html`` and ``out/claims/`` (README.md, NAME.{json,md,png}) of the claims
    ``chosen`` and all others whose cells of this setting are there; returns them in the note's order."""
    from hwan.files import write_atomic
    from hwan.imaging.pixels import save
    from hwan.study.claims import CLAIMS
    from hwan.study.page import write_page

    known = {**CLAIMS, **{claim.name: claim for claim in chosen}}
    found = []
    for claim in known.values():
        work = jobs(claim, seeds, setting)
        if all(job.folder.is_dir() for job in work):
            found.append(gather(claim, work, command.replace("NAME", claim.name), machine(setting)))
    for result in found:
        write_json(result, out / "claims")
        picture = sheet(result)
        if picture is not None:
            save(picture, out / "claims" / f"{result.claim.name}.png")
        name = f"{result.claim.name}.png" if picture is not None else ""
        write_atomic(out / "claims" / f"{result.claim.name}.md", markdown(result, name).encode())
    contents = index(found, command.replace("NAME", "all"))
    write_atomic(out / "claims" / "README.md", contents.encode())
    write_page(found, out / "study.html")
    return found


def machine(setting: Setting) -> str:
    """The machine in words."""
    import torch

    from hwan.runtime import describe

    return f"{describe(torch.device(setting.device))}, {os.cpu_count()} cores"
