"""Every claim of the note, a file each. A claim imports study/claim.py alone at its top, and what it
measures with inside ``measure``; only the report and the command line read CLAIMS."""

from __future__ import annotations

from importlib import import_module

from hwan.study.claim import Claim

FILES = (
    "pix2pix collapse shape generator init augmentation padding activation batch norm checkerboard "
    "skips gan_loss cycle identity buffer"
)
"""The claims' files, in the note's order."""
MODULES = [import_module(f"hwan.study.claims.{name}") for name in FILES.split()]
CLAIMS: dict[str, Claim] = {module.CLAIM.name: module.CLAIM for module in MODULES}
