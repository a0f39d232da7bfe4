"""Identity loss: does it keep the colours?

The GAN loss asks only that G(x) looks like the domain B, and the cycle only that F undoes it: a
change of colour that F undoes costs nothing. The identity loss ties G on pictures of B. (The note
says 'the reconstructed image against the original', which is the cycle loss; the identity loss
compares G(y) with y.)
"""

from __future__ import annotations

from hwan.study.claim import Cell, Claim, Measurement, Prediction, Scale, Variant, base, vary


def variants(scale: Scale) -> tuple[Variant, ...]:
    plain = base(scale)
    return (
        Variant("without", "no identity loss", plain),
        Variant("with", "identity 0.5 of the cycle's weight", vary(plain, loss={"identity": 0.5})),
    )


def measure(cell: Cell) -> Measurement:
    import torch

    from hwan.metrics.pairwise import l1
    from hwan.study.measure import against_truth, outputs, row, strip, trained

    found = outputs(cell)
    net = trained(cell)
    with torch.no_grad():
        same = torch.cat([net(image[None].to(cell.device)) for image in found.target]).cpu()
    tint = (same.mean((2, 3)) - found.target.mean((2, 3))).abs().mean() / 2
    values = {
        **against_truth(found),
        "own domain L1": float(l1(same, found.target).mean()),
        "own domain tint": float(tint),
    }
    shown = {"of its own domain": strip(found.target), "given back": strip(same)}
    return Measurement(values, pictures={**row(found), **shown})


CLAIM = Claim(
    name="identity",
    note="원본 이미지와의 loss를 최소화하기 위해 l1 loss(identity loss)를 사용했음(x와 y를 빼주는 것)",
    english="To minimise the loss against the original image an L1 loss (identity loss) is used: x and y "
    "are subtracted.",
    hypothesis="With the identity loss a generator returns a picture that is already in its target domain "
    "unchanged, above all its colours; without it, colours are free to change.",
    formula="L_idt(G, F) = E_y[‖G(y) − y‖₁] + E_x[‖F(x) − x‖₁]",
    source="Zhu et al. 2017, section 5.2 and figure 9",
    variants=variants,
    measure=measure,
    figures={
        "own domain L1": "a picture of the target domain against its output, share of the range (0: equal)",
        "own domain tint": "the same for the mean colour of each picture",
        "SSIM": "of translations against the truth (1: equal)",
        "L1": "of translations against the truth, share of the range",
        "cycle L1": "there and back against the input, share of the range",
        "diversity": "of outputs, as a share of real pictures' (0: all alike)",
    },
    predictions=(
        Prediction("pictures of the target domain are kept better with it", "own domain L1",
                   "with", "<", 0.67, "without", ratio=True),
        Prediction("their mean colour is kept better with it", "own domain tint",
                   "with", "<", 0.67, "without", ratio=True),
        Prediction("translations do not get worse with it", "SSIM", "with", ">", -0.03, "without"),
    ),
    remark="The note describes the identity loss as one on the reconstructed image; that is the cycle loss.",
    shows_not="That colours of translations are kept: from day to night they must not be. On tasks whose "
    "colours should stay (paintings to photographs) it matters more than here.",
)  # fmt: skip
