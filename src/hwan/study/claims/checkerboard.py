"""Checkerboards: the pattern a transposed convolution leaves where it doubles the size.

With step 2 and kernel 3, neighbouring output pixels are sums over different parts of the kernel
(one, two or four of its nine weights), so a constant input gives a pattern of period 2. Training
can make the parts agree, but only the loss asks for it. After a resize every pixel sees the whole
kernel, so a constant stays constant. Pixel shuffle has four kernels for the four places, and starts
without a pattern only because they start equal (ICNR).
"""

from __future__ import annotations

from hwan.study.claim import Cell, Claim, Measurement, Prediction, each_value, vary

ABOUT = {
    "transposed": "transposed convolution, kernel 3, step 2: the papers'",
    "nearest": "every pixel doubled, then a convolution",
    "bilinear": "resized smoothly, then a convolution",
    "shuffle": "four times the channels, laid side by side (pixel shuffle)",
}
TRAINED = ("transposed", "nearest", "shuffle")
MIDDLE = 8  # pixels: inside all that a border reaches
variants = each_value("up", ABOUT, TRAINED)


def measure(cell: Cell) -> Measurement:
    """A constant image through the untrained network; then what the trained one adds to the truth."""
    import torch

    from hwan.study.measure import by_frequency, outputs, phases, pictures, row, strip, untrained

    # A norm would take a constant away; without one the paper's weights would let it die.
    bare = vary(cell.config, generator={"norm": "none", "init": "kaiming", "gain": 1.0})
    size = 4 * cell.scale.size
    with torch.no_grad():
        flat = (
            untrained(bare, cell.seed)
            .to(cell.device)(torch.full((1, 3, size, size), 0.5, device=cell.device))
            .cpu()
        )
        start = untrained(cell.config, cell.seed)(pictures(cell, 6))
    crop = slice(size // 2 - MIDDLE // 2, size // 2 + MIDDLE // 2)
    middle = flat[:, :, crop, crop]
    period = 2**cell.config.generator.downs
    values = {
        "of a constant": float(middle.std((2, 3)).mean() / middle.abs().mean()),
        "at the start": phases(start, period),
    }
    curves = {"start": by_frequency(start)}
    shown = {
        "constant, untrained": strip(middle.repeat_interleave(4, 2).repeat_interleave(4, 3)),
        "untrained output": strip(start),
    }
    if cell.run is None:
        return Measurement(values, curves, shown)
    found = outputs(cell)
    values["trained"] = phases(found.fake, period)
    if found.truth is not None:
        values["trained, in the error"] = phases(found.fake - found.truth, period)
        values["of real pictures"] = phases(found.truth, period)
        curves["error"] = by_frequency(found.fake - found.truth)
    return Measurement(values, curves, shown | row(found))


CLAIM = Claim(
    name="checkerboard",
    note="stride: 커널을 몇 칸씩 움직일 것인지 padding: 이미지의 남는 부분을 채우는 것",
    english="Stride: by how many places the kernel moves. Padding: to fill what is left of the image. (The "
    "picture the note has here is from a text on transposed convolutions; the note itself stops before "
    "them.)",
    hypothesis="A transposed convolution leaves a checkerboard in its output, strongest before training and "
    "weaker after it; resizing and then convolving does not.",
    formula="x = c:  y(2i) = c·w₁,  y(2i+1) = c·(w₀ + w₂)  in one dimension;   after a resize  y = c·(w₀ + w₁ + w₂)",
    source="Odena, Dumoulin, Olah 2016 (Deconvolution and checkerboard artifacts); Aitken et al. 2017 (ICNR)",
    variants=variants,
    measure=measure,
    figures={
        "of a constant": "untrained, a constant image: spread over places, divided by their mean (0: flat)",
        "at the start": "untrained, pictures: spread of mean colours over the places of a doubled cell",
        "trained": "the same for the trained network's outputs",
        "trained, in the error": "the same for output minus truth",
        "of real pictures": "the same for the true pictures: what counts as none",
    },
    plots={
        "start": ("cycles a pixel (0.5: checkerboard)", "untrained: strength in the output", True),
        "error": ("cycles a pixel (0.5: checkerboard)", "trained: strength in output minus truth", True),
    },
    predictions=(
        Prediction("untrained, a transposed convolution turns a constant into a pattern", "of a constant",
                   "transposed", ">", 0.05),
        Prediction("resize-convolution does not", "of a constant", "nearest", "<", 0.001),
        Prediction("pixel shuffle with equal first kernels does not", "of a constant", "shuffle", "<", 0.001),
        Prediction("trained, the transposed convolution's pattern is still above resize-convolution's",
                   "trained, in the error", "transposed", ">", 1.5, "nearest", ratio=True),
        Prediction("and could be seen: above one of 255 grey levels", "trained, in the error",
                   "transposed", ">", 1 / 255),
    ),
    remark="A transposed convolution's checkerboard is plain at first and nearly gone after a few hundred "
    "pairs: below one of 255 grey levels, as weak as that of pixel shuffle, which starts without one.",
    shows_not="The checkerboards in the discriminator's gradient: its strided convolutions are transposed "
    "ones in the backward pass, in every variant. The pattern is measured in the mean over places, so one "
    "whose sign changes with the content counts less. Bilinear resizing is not trained here.",
)  # fmt: skip
