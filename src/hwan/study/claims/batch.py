"""Batches: one image at a time, a few, or all of them before a step.

The gradient of a batch is the mean of its images' gradients. Its error falls with the square root
of the batch size and its cost grows with the batch size: half the error costs four times as much.
The sum can be taken in parts, so memory does not forbid the full batch. (The words: 'batch gradient
descent' means all of the data, and 'batch size' is what the note calls mini-batch.)
"""

from __future__ import annotations

import math

from hwan.study.claim import Cell, Claim, Measurement, Prediction, Scale, Variant, base, vary

MINI = 4
DRAWS = 64  # images whose gradients are compared


def variants(scale: Scale) -> tuple[Variant, ...]:
    one = base(scale)
    mini = vary(one, train={"batch": MINI})
    whole = vary(mini, train={"accumulate": scale.train // MINI})
    longer = vary(mini, train={"epochs": MINI * one.train.epochs})
    return (
        Variant("stochastic", "a step after every image", one),
        Variant("mini-batch", f"a step after {MINI} images, as many images in all", mini),
        Variant("mini-batch, lr x2", "the same with twice the learning rate (√4)",
                vary(mini, train={"lr": MINI**0.5 * scale.lr})),
        Variant("mini-batch, longer", f"as many steps, and so {MINI} times as many images", longer),
        Variant("full batch", f"a step after all {scale.train} images, {MINI} at a time in memory", whole),
    )  # fmt: skip


def measure(cell: Cell) -> Measurement:
    """What the step's gradient is worth at the start, what it holds in memory, and where training ends."""
    from hwan.study.batches import gradient_noise, held
    from hwan.study.measure import against_truth, outputs, row

    train = cell.config.train
    step = train.batch * train.accumulate
    scale, count = gradient_noise(cell, DRAWS)

    def error(size: float) -> float:
        """Of a step on ``size`` of the ``count`` images: without replacement, so none of all of them."""
        return math.sqrt(scale / size * max(0.0, count - size) / (count - 1))

    found = outputs(cell)
    values = {
        "steps": round(train.epochs * count) / step,
        "gradient's error": error(step),
        "memory": held(cell.config, train.batch),
        "memory, at once": held(cell.config, step),
        **{name: v for name, v in against_truth(found).items() if name in ("SSIM", "cycle L1")},
    }
    sizes = [2**n for n in range(20) if 2**n < count]
    return Measurement(values, {"error": tuple((float(n), error(n)) for n in sizes)}, row(found))


CLAIM = Claim(
    name="batch",
    note="모든 데이터를 확인하고 업데이트를 한번 진행하는데, 큰 데이터셋일 경우 메모리부족으로 처리를 못함. 따라서 batch라는 데이터를 "
    "나눠서 학습하고 가중치를 업데이트를 하게 됨. (Batch에는 묶은 단위라는 뜻도 있고 전체 데이터를 Batch라고 하는 뜻도 있는 것인가? 표현이 애매하다.)",
    english="(Gradient methods) look at all data and update once, which a large data set's memory does not "
    "allow; so the data are split into batches, and the weights updated after each. (Does batch mean both a "
    "bundle and the whole of the data? It is ambiguous.)",
    hypothesis="For the same number of images seen, more frequent updates give a better result; memory "
    "grows with the images in one pass, and a full batch in parts takes no more than one part.",
    formula="E|g_B − g|² = tr(Σ)/B;   |g_B − g| / |g| ≈ √(S/B)  with the noise scale  S = tr(Σ)/|g|²",
    source="Robbins, Monro 1951; Bottou, Curtis, Nocedal 2018, section 3.3; McCandlish et al. 2018, "
    "equation 2.9; Zhu et al. 2017, appendix 7.1, take 1",
    variants=variants,
    measure=measure,
    figures={
        "steps": "updates of the generators in all",
        "gradient's error": "of the first step, against all images' gradient, as a share of its length",
        "memory": "what the generators' forward pass keeps for the backward one, MB",
        "memory, at once": "the same if a step's images went through together",
        "SSIM": "against the truth (1: equal)",
        "cycle L1": "there and back against the input, share of the range",
    },
    plots={"error": ("images in a step", "error of the gradient, share of its length", True)},
    predictions=(
        Prediction("one image's gradient is mostly noise", "gradient's error", "stochastic", ">", 0.5),
        Prediction("a step per image beats one per four", "SSIM", "stochastic", ">", 0.02, "mini-batch"),
        Prediction("and one per four beats one per all images", "SSIM", "mini-batch", ">", 0.02, "full batch"),
        Prediction("at as many steps, four images a step are no worse than one", "SSIM",
                   "mini-batch, longer", ">", -0.02, "stochastic"),
        Prediction("all images at once would take more than a hundred times the memory of one",
                   "memory, at once", "full batch", ">", 100, "stochastic", ratio=True),
        Prediction("in parts they take no more than a mini-batch", "memory", "full batch", "<", 1.01, "mini-batch",
                   ratio=True),
    ),
    remark="The note says that memory forbids the full batch. It does not: taken in parts, a full batch "
    "holds no more than one part. But the same images make two steps instead of hundreds.",
    shows_not="Time: a GPU takes many images at once nearly as fast as one, and there a larger batch may be "
    "worth its images. The learning rate is tuned for single images. With batch norm the batch also changes "
    "what the network computes (the claim 'norm').",
)  # fmt: skip
