"""Every claim, in the note's order."""

from __future__ import annotations

from hwan.study.claim import Claim
from hwan.study.claims import identity, padding

CLAIMS: dict[str, Claim] = {
    claim.name: claim
    for claim in (
        padding.CLAIM,
        identity.CLAIM,
    )
}
