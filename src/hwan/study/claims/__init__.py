"""Every claim, in the note's order."""

from __future__ import annotations

from hwan.study.claim import Claim
from hwan.study.claims import (
    buffer,
    collapse,
    cycle,
    gan_loss,
    generator,
    identity,
    norm,
    padding,
)

CLAIMS: dict[str, Claim] = {
    claim.name: claim
    for claim in (
        collapse.CLAIM,
        generator.CLAIM,
        padding.CLAIM,
        norm.CLAIM,
        gan_loss.CLAIM,
        cycle.CLAIM,
        identity.CLAIM,
        buffer.CLAIM,
    )
}
