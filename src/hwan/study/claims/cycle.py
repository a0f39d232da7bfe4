"""The cycle loss: none of it, one direction, both, and the Keras example's half of its gradient.

Each direction requires one composition to be the identity: the forward cycle keeps G one to one on
A, the backward cycle keeps F one to one on B. The gradient of |F(G(x)) − x| reaches F directly and
G through F. The Keras example applies it to F alone (its G learns from the other cycle), so G has
to undo F, but need not stay undoable itself.
"""

from __future__ import annotations

from hwan.study.claim import Cell, Claim, Measurement, Prediction, Scale, Variant, base, vary


def variants(scale: Scale) -> tuple[Variant, ...]:
    plain = base(scale)
    half = vary(plain, loss={"partial_cycle": True})
    return (
        Variant("none", "two GANs side by side", vary(plain, loss={"cycle_a": 0, "cycle_b": 0})),
        Variant("forward only", "A to B and back to A", vary(plain, loss={"cycle_b": 0})),
        Variant("backward only", "B to A and back to B", vary(plain, loss={"cycle_a": 0})),
        Variant("both", "the paper's", plain),
        Variant("both, half gradient", "as Keras: each learns only from the cycle it closes", half),
    )


def measure(cell: Cell) -> Measurement:
    from hwan.study.measure import against_truth, outputs, recognised, row

    there, back = outputs(cell), outputs(cell, "ba")
    ab, ba = against_truth(there), against_truth(back)
    values = {"cycle L1 A": ab["cycle L1"], "cycle L1 B": ba["cycle L1"]}
    for name, found, figures in (("AB", there, ab), ("BA", back, ba)):
        if found.truth is not None:
            values[f"SSIM {name}"] = figures["SSIM"]
            values[f"recognised {name}"] = recognised(found.fake, found.truth)
    shown = {f"B to A: {name}": strip for name, strip in row(back).items() if name != "and back"}
    return Measurement(values, pictures={**row(there), **shown})


CLAIM = Claim(
    name="cycle",
    note="CycleGAN에서는 Cycle Consistency Loss라고 하는 G와 F를 동시에 계산하는 loss를 사용함",
    english="CycleGAN uses a loss called cycle consistency loss, which computes G and F at once.",
    hypothesis="Both directions are needed: without one direction of the cycle, its way back is lost and "
    "the translation is worse; and G and F must learn from the loss jointly.",
    formula="L_cyc(G, F) = E_x‖F(G(x)) − x‖₁ + E_y‖G(F(y)) − y‖₁",
    source="Zhu et al. 2017, equation 2, and section 5.1.4 (tables 4 and 5: the ablation)",
    variants=variants,
    measure=measure,
    figures={
        "SSIM AB": "day to night against the truth",
        "SSIM BA": "night to day against the truth",
        "recognised AB": "share of outputs whose nearest true picture is their own",
        "recognised BA": "the same, night to day",
        "cycle L1 A": "A there and back, share of the range",
        "cycle L1 B": "B there and back",
    },
    predictions=(
        Prediction("both cycles beat none, A to B", "SSIM AB", "both", ">", 0.02, "none"),
        Prediction("both cycles beat none, B to A", "SSIM BA", "both", ">", 0.02, "none"),
        Prediction("without the backward cycle B does not come back", "cycle L1 B",
                   "forward only", ">", 1.5, "both", ratio=True),
        Prediction("without the forward cycle A does not come back", "cycle L1 A",
                   "backward only", ">", 1.5, "both", ratio=True),
        Prediction("the joint gradient beats half of it", "SSIM AB", "both", ">", 0.02, "both, half gradient"),
    ),
    remark="In our run one direction of the cycle helps the generator that closes it: with the forward "
    "cycle alone, B to A is as good as with both and A to B is no better than with none; with the backward "
    "cycle alone it is the other way round. The Keras example's half gradient keeps just that, and is not "
    "seen to be worse, contrary to what one would expect from its code. The paper's collapse of the "
    "direction that is left out is not seen so soon.",
    shows_not="The paper's scores on Cityscapes labels; and whether the half gradient's difference grows "
    "with longer training.",
)  # fmt: skip
