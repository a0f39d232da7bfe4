"""Padding: what stands beyond the border is seen in the border of what comes out.

A convolution sums over its window, and where the window leaves the image, padding decides the sum.
Under reflection, replication and circular padding a constant image stays the same constant, so
every place sees the same and the response is flat. Zeros take part of the weights away, so the
response differs as far from the border as the layers' windows reach.
"""

from __future__ import annotations

from hwan.study.claim import Cell, Claim, Measurement, Prediction, each_value, vary

ABOUT = {
    "zero": "zeros beyond the border",
    "reflect": "the image mirrored at the border",
    "replicate": "the border pixel repeated",
    "circular": "the opposite border",
}
TRAINED = ("zero", "reflect")
RING = 2  # pixels
variants = each_value("padding", ABOUT, TRAINED)


def measure(cell: Cell) -> Measurement:
    import torch

    from hwan.study.measure import by_distance, outputs, row, strip, untrained

    # Untrained: no halvings, whose zeros are the same in every variant, and no norm, which would
    # take a constant away.
    bare = vary(cell.config, generator={"downs": 0, "norm": "none", "init": "kaiming", "gain": 1.0})
    size = cell.config.data.size
    with torch.no_grad():
        response = untrained(bare, cell.seed)(torch.full((1, 3, size, size), 0.5))
    middle = response[:, :, size // 2, size // 2, None, None]
    off = by_distance((response - middle).abs() / middle.abs().mean())
    values = {"border response": sum(off[:RING]) / RING}
    curves = {"response": tuple((float(d), v) for d, v in enumerate(off))}
    shown = {"constant, untrained": strip(response)}
    if cell.run is None:
        return Measurement(values, curves, shown)
    found = outputs(cell)
    if found.truth is not None:
        error = by_distance((found.fake - found.truth).abs() / 2)
        inside = sum(error[2 * RING :]) / len(error[2 * RING :])
        values |= {"border error": sum(error[:RING]) / RING, "inner error": inside}
        values["border / inner"] = values["border error"] / inside
        curves["error"] = tuple((float(d), v) for d, v in enumerate(error))
    return Measurement(values, curves, {**shown, **row(found)})


CLAIM = Claim(
    name="padding",
    note="Padding: 이미지의 출력 크기를 보정하기 위해 비어있는 공간의 값을 의미 없는 값으로 채우는 것을 의미",
    english="Padding: to fill the empty space with meaningless values, to correct the size of the output "
    "(zero padding, reflection padding, replication padding).",
    hypothesis="What fills the border has a meaning: a network sees zeros as an edge in a picture that has "
    "none, and the border of its output suffers; reflection and replication make no such edge.",
    formula="y(p) = Σₖ w(k)·x̃(p+k).  x = c:  y = c·Σₖ w(k) inside;  with zeros y = c·Σ w(k) over the k inside",
    source="Islam, Jia, Bruce 2020 (How much position information do convolutional neural networks "
    "encode?); Zhu et al. 2017, appendix 7.2, takes reflection",
    variants=variants,
    measure=measure,
    figures={
        "border response": "untrained, a constant image: outer 2 pixels against the middle, relative (0: flat)",
        "border error": "trained: L1 against the truth in the outer 2 pixels, share of the range",
        "inner error": "trained: the same, more than 4 pixels inside",
        "border / inner": "the ratio of these two (1: the border is no worse)",
    },
    plots={
        "response": ("distance from the border, pixels", "untrained: |response − middle|, relative", False),
        "error": ("distance from the border, pixels", "trained: L1 against the truth", False),
    },
    predictions=(
        Prediction("untrained, zeros show in a constant image", "border response", "zero", ">", 0.05),
        Prediction("untrained, reflection does not", "border response", "reflect", "<", 0.001),
        Prediction("untrained, replication does not", "border response", "replicate", "<", 0.001),
        Prediction("trained, zeros leave a worse border than reflection", "border / inner",
                   "zero", ">", 1.05, "reflect", ratio=True),
    ),
    remark="After training, the difference points the predicted way, but three seeds do not make it "
    "certain: a network of this size learns to live with its zeros in a few hundred steps.",
    shows_not="How much of it is seen in large pictures, whose border is a smaller share. Zeros also tell a "
    "trained network where it is, which helps where place matters (the sky is on top). Replication and "
    "circular padding are not trained here. All variants halve with zeros, as in the papers' code.",
)  # fmt: skip
