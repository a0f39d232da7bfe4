"""Every claim, in the note's order."""

from __future__ import annotations

from hwan.study.claim import Claim
from hwan.study.claims import buffer, collapse, cycle, gan_loss, identity, padding

CLAIMS: dict[str, Claim] = {
    claim.name: claim
    for claim in (
        collapse.CLAIM,
        padding.CLAIM,
        gan_loss.CLAIM,
        cycle.CLAIM,
        identity.CLAIM,
        buffer.CLAIM,
    )
}
