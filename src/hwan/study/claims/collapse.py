"""Mode collapse: may a generator without a way back ignore what it is shown?

The GAN loss compares distributions: any G whose outputs are distributed like B, or fool D one by
one, is as good as any other, whether or not G(x) has to do with x. With the cycle, F must find x in
G(x), which is impossible if two inputs give one output. A residual generator starts near its input
and nothing forces it to leave; a bottleneck has to rebuild everything.
"""

from __future__ import annotations

from hwan.config import Config
from hwan.study.claim import Cell, Claim, Measurement, Prediction, Scale, Variant, base, vary


def variants(scale: Scale) -> tuple[Variant, ...]:
    plain = base(scale)

    def through(side: int) -> Config:
        """A bottleneck of ``side`` by ``side`` pixels, a power of two as the picture's side is."""
        downs = scale.size.bit_length() - side.bit_length()
        return vary(plain, generator={"name": "bottleneck", "downs": downs, "up": "nearest"})

    two, eight = through(2), through(8)
    return (
        Variant("ResNet, no cycle", "one-way GAN, residual generator", vary(plain, method="gan")),
        Variant("8x8, no cycle", "one-way GAN through 8x8 pixels", vary(eight, method="gan")),
        Variant("2x2, no cycle", "one-way GAN through 2x2 pixels", vary(two, method="gan")),
        Variant("ResNet, cycle", "CycleGAN, residual generators", plain),
        Variant("8x8, cycle", "CycleGAN through 8x8 pixels", eight),
        Variant("2x2, cycle", "CycleGAN through 2x2 pixels", two),
    )


def measure(cell: Cell) -> Measurement:
    from hwan.study.measure import against_truth, outputs, recognised, row

    found = outputs(cell)
    values = against_truth(found)
    if found.truth is not None:
        values["recognised"] = recognised(found.fake, found.truth)
    return Measurement(values, pictures=row(found))


CLAIM = Claim(
    name="collapse",
    note="G(x)는 input x를 무시하고 그냥 y를 만들어낼 수 있음. 또한 어떤 이미지가 들어와도 똑같은 y를 만들어낼 수 있다. "
    "이러한 상황에서 … 이전 데이터 x를 식별가능한 정도까지 복원할 수 있도록 제약을 추가한다.",
    english="G(x) can ignore the input x and just make some y, and can make the same y whatever image comes "
    "in. So a constraint is added: x can be restored from y' far enough to be recognised.",
    hypothesis="Without a cycle a generator's outputs are alike and do not show which input they came from; "
    "the cycle loss makes them distinguishable, whatever the generator.",
    formula="L_GAN(G, D) = E_y[log D(y)] + E_x[log(1 − D(G(x)))] sees G(x) only;  if G(x) = G(x′), then "
    "|F(G(x)) − x| + |F(G(x′)) − x′| ≥ |x − x′|",
    source="Zhu et al. 2017, sections 1 and 3.2; Goodfellow 2016 (NIPS tutorial), section 5.1.1",
    variants=variants,
    measure=measure,
    figures={
        "diversity": "how much outputs differ from one another, as a share of real pictures (0: one output)",
        "recognised": "share of outputs whose nearest true picture is their own (chance: 1 in 24)",
        "SSIM": "against the truth",
        "L1": "against the truth, share of the range",
        "cycle L1": "there and back against the input, share of the range",
    },
    predictions=(
        Prediction("without a cycle, through 2x2 pixels, outputs are nearly one", "diversity",
                   "2x2, no cycle", "<", 0.3),
        Prediction("a ResNet's outputs are nearly one, too", "diversity", "ResNet, no cycle", "<", 0.3),
        Prediction("the cycle lets a ResNet's outputs be recognised more often", "recognised",
                   "ResNet, cycle", ">", 0.1, "ResNet, no cycle"),
        Prediction("and those of an 8x8 bottleneck", "recognised", "8x8, cycle", ">", 0.1, "8x8, no cycle"),
        Prediction("and those of a 2x2 bottleneck", "recognised", "2x2, cycle", ">", 0.1, "2x2, no cycle"),
    ),
    remark="The note says of any generator what is true of a narrow one. Through 2x2 pixels all inputs give "
    "one picture, and the cycle does not change that: what is lost cannot be restored. A ResNet never loses "
    "its input, with or without a cycle; without one it drops and moves parts. Between them, at 8x8 pixels, "
    "the cycle does what the note says.",
    shows_not="Long one-way trainings, and generators that are fed noise, for which the term 'mode "
    "collapse' is mostly used. Recognised means nearest of 24 pictures, not equal.",
)  # fmt: skip
