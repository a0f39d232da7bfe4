"""Every claim, in the note's order."""

from __future__ import annotations

from hwan.study.claim import Claim
from hwan.study.claims import (
    activation,
    augmentation,
    batch,
    buffer,
    checkerboard,
    collapse,
    cycle,
    gan_loss,
    generator,
    identity,
    init,
    norm,
    padding,
    pix2pix,
    shape,
    skips,
)

CLAIMS: dict[str, Claim] = {
    claim.name: claim
    for claim in (
        pix2pix.CLAIM,
        collapse.CLAIM,
        shape.CLAIM,
        generator.CLAIM,
        init.CLAIM,
        augmentation.CLAIM,
        padding.CLAIM,
        activation.CLAIM,
        batch.CLAIM,
        norm.CLAIM,
        checkerboard.CLAIM,
        skips.CLAIM,
        gan_loss.CLAIM,
        cycle.CLAIM,
        identity.CLAIM,
        buffer.CLAIM,
    )
}
