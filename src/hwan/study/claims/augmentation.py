"""Augmentation: nothing, once and for all, or anew each time a picture is seen.

A discriminator that sees the same few real pictures again and again memorises them, and then calls
real what it knows instead of what looks real. With crops and flips drawn anew it seldom sees the
same picture twice. The Keras example caches its data set after the random crop and flip, so every
epoch repeats the first one's draws: it has as many different pictures as without augmentation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from hwan.study.claim import Cell, Claim, Measurement, Prediction, Scale, Variant, base, vary

KEPT = 12  # pictures of each domain: few, as augmentation is for small sets
MARKS = 10
AS_PAPERS = 286 / 256  # resized to so much more than the crop


def variants(scale: Scale) -> tuple[Variant, ...]:
    plain = vary(base(scale), data={"flip": False})
    once = vary(plain, data={"resize": round(scale.size * AS_PAPERS)})
    fresh = vary(once, data={"flip": True})
    return (
        Variant("none", f"the same {KEPT} pictures again and again", plain, probed=True),
        Variant("frozen", "cropped and mirrored once, then kept (the Keras example)", once, probed=True),
        Variant("fresh", "cropped and mirrored anew each time (hwan, the papers)", fresh, probed=True),
    )  # fmt: skip


def measure(cell: Cell) -> Measurement:
    """Trains on few pictures with hwan's loop, and shows D real pictures that it never saw."""
    import numpy as np
    import torch

    from hwan.data.augment import augment
    from hwan.data.folders import Layout, locate
    from hwan.data.sets import open_set
    from hwan.imaging.pixels import Pixels
    from hwan.metrics.pairwise import l1, ssim
    from hwan.study.measure import held_out, held_out_truths, mean_logit, stacked, strip
    from hwan.study.probe import at_mark, in_memory, steps

    config, frozen = cell.config, cell.variant.name == "frozen"
    drawing = dataclasses.replace(config.data, flip=config.data.flip or frozen)

    def drawn(pictures: Sequence[Pixels]) -> list[Pixels]:
        rng = np.random.default_rng(cell.seed)
        return [augment(picture, drawing, config.data.format_b, rng) for picture in pictures]

    assert cell.data is not None
    layout = locate(cell.data)
    assert layout.test_a is not None
    assert layout.test_b is not None
    unseen = open_set(Layout(layout.test_a, layout.test_b), config).b
    images = in_memory(open_set(layout, config), KEPT)
    if frozen:
        images = in_memory(images, KEPT, drawn)
    trained_on = [images.b[n] for n in range(len(images.b))]
    known = stacked(trained_on if frozen else drawn(trained_on)).to(cell.device)
    new = stacked(drawn([unseen[n] for n in range(len(unseen))])).to(cell.device)
    whole = dataclasses.replace(cell, config=vary(config, data={"resize": config.data.size}))
    real, truth = held_out(whole).to(cell.device), held_out_truths(whole)
    gaps: list[tuple[float, float]] = []
    scores: list[tuple[float, float]] = []
    length = vary(config, train={"epochs": cell.scale.images / images.epoch})
    for training, status in steps(dataclasses.replace(cell, config=length), images):
        if not at_mark(status, cell, MARKS):
            continue
        discriminator = training.method.adversarial_b.discriminator
        on_known, on_new = mean_logit(discriminator, known), mean_logit(discriminator, new)
        gaps.append((float(status.seen), on_known - on_new))
        with torch.no_grad():
            fake = torch.cat([training.method.generator_ab(image[None]) for image in real]).cpu()
        if truth is not None:
            scores.append((float(status.seen), float(ssim(fake, truth).mean())))
    values = {"D's gap": on_known - on_new, "D on known": on_known, "D on new": on_new}
    curves = {"gap": tuple(gaps)}
    shown = {"input": strip(real.cpu()), "last output": strip(fake)}
    if truth is not None:
        values |= {"SSIM": scores[-1][1], "L1": float(l1(fake, truth).mean())}
        curves["ssim"] = tuple(scores)
        shown["truth"] = strip(truth)
    return Measurement(values, curves, shown)


CLAIM = Claim(
    name="augmentation",
    note="Data augmentation: 이미지를 변형하여 CNN의 성능을 향상, 즉 이미지의 레이블을 변경하지 않고 픽셀을 변형한다. 매우 "
    "보편적으로 사용하는 방법",
    english="Data augmentation: images are altered to make a CNN perform better, that is, pixels are "
    "changed and the label is not. A very common method.",
    hypothesis="With few pictures, crops and flips drawn anew each time keep the discriminator from "
    "memorising the pictures and improve translations; drawn once and then kept, they do nothing.",
    formula="D's gap = E_known[D(y)] − E_new[D(y)]   (0: D knows the domain; > 0: it knows the pictures)",
    source="Karras et al. 2020 (ADA), section 2; Zhao et al. 2020 (DiffAugment), section 3; Zhu et al. "
    "2017, appendix 7.1; keras.io, CycleGAN: map(preprocess_train_image), then cache()",
    variants=variants,
    measure=measure,
    figures={
        "D's gap": "the final D's mean output on its real training pictures minus that on new real ones",
        "D on known": "its mean output on the real pictures it was trained on (1: real)",
        "D on new": "the same on real test pictures",
        "SSIM": "translations against the truth (1: equal)",
        "L1": "the same, share of the range",
    },
    plots={
        "gap": ("pairs seen", "D on known minus D on new real pictures", False),
        "ssim": ("pairs seen", "SSIM on the test", False),
    },
    predictions=(
        Prediction("without augmentation D knows its pictures", "D's gap", "none", ">", 0.1),
        Prediction("with fresh augmentation it knows them less", "D's gap", "fresh", "<", -0.1, "none"),
        Prediction("with fixed augmentation it knows them as well", "D's gap", "frozen", ">", -0.1, "none"),
        Prediction("drawn anew, translations are better", "SSIM", "fresh", ">", 0.02, "none"),
        Prediction("drawn once, they are not", "SSIM", "frozen", "<", 0.02, "none"),
    ),
    remark="This contradicts the Keras example, whose pipeline the note follows: D knows pictures that were "
    "augmented before the cache nearly as well as untouched ones, and hardly knows those that are augmented "
    "anew. Three seeds show that augmenting anew makes translations better; they do not settle whether "
    "augmenting once has no effect.",
    shows_not=f"Large data sets: repetition is at its worst with {KEPT} pictures of each domain. Both kinds of "
    "augmentation enlarge training pictures by a ninth, and not test pictures, as in the papers' code.",
)  # fmt: skip
