"""The GAN loss: where its gradient is flat.

With D = σ(l), the minimax loss log(1 − D) has the gradient −D with respect to the logit: next to
nothing where the generator is caught. −log D has D − 1, which is largest just there. So the 'old
GAN loss' of the note is flat only in the form that nobody trains with. (D − 1)² has 2(D − 1), which
grows with the distance and is zero only where D takes the fake for real, as that of −log D is.
"""

from __future__ import annotations

import math

from hwan.config import Gan
from hwan.study.claim import Cell, Claim, Measurement, Prediction, Scale, Variant, base, vary

ABOUT: dict[Gan, str] = {
    "minimax": "log(1 − D(G(x))), the game as written",
    "nonsaturating": "−log D(G(x)), what is used in its place",
    "lsgan": "(D(G(x)) − 1)², least squares",
}
SURE = 0.01  # D's output where it is sure of a fake
WINDOWS = 24


def variants(scale: Scale) -> tuple[Variant, ...]:
    one_way = vary(base(scale), method="gan")
    return tuple(
        Variant(name, about, vary(one_way, loss={"gan": name}), probed=True)
        for name, about in ABOUT.items()
    )


def measure(cell: Cell) -> Measurement:
    """The generator's gradient with respect to D's output, and to the fakes' pixels in training."""
    import torch

    from hwan.study.measure import held_out
    from hwan.study.probe import at_mark, steps

    name = cell.config.loss.gan
    places = [0.001, 0.003, SURE, *(n / 20 for n in range(1, 20))]
    curve = tuple((output, slope(name, output)) for output in places)
    sure = slope(name, SURE)
    values = {"slope, sure": sure, "sure / unsure": sure / slope(name, 0.5)}
    real = held_out(cell)[:8].to(cell.device)
    history: list[tuple[float, float]] = []
    for training, status in steps(cell):
        if at_mark(status, cell, WINDOWS):
            method = training.method
            fake = method.generators["generator_ab"](real).detach().requires_grad_()
            (gradient,) = torch.autograd.grad(method.adversarial_b.generator_loss(fake), fake)
            history.append((float(status.seen), float(gradient.flatten(1).norm(dim=1).mean())))
    third = len(history) // 3
    first, last = (sum(g for _, g in part) / third for part in (history[:third], history[-third:]))
    values |= {"gradient, first third": first, "gradient, last third": last, "kept": last / first}
    return Measurement(values, {"slope": curve, "gradient": tuple(history)})


def slope(name: Gan, output: float) -> float:
    """|d loss / d D's raw output| where D gives ``output`` (for least squares, the raw one)."""
    import torch

    from hwan.methods.losses import GAN_OBJECTIVES

    raw = output if name == "lsgan" else math.log(output / (1 - output))
    logit = torch.full((1, 1, 1, 1), raw, requires_grad=True)
    (gradient,) = torch.autograd.grad(GAN_OBJECTIVES[name].generator_loss(logit), logit)
    return abs(float(gradient))


CLAIM = Claim(
    name="gan-loss",
    note="기존의 GAN Loss는 어느 시점부터 gredient가 flat해지는 현상이 발생하기때문에 LSGANS을 사용(?)",
    english="The gradient of the old GAN loss goes flat from some moment on, so LSGANs are used (?).",
    hypothesis="Where the discriminator is sure of a fake, the minimax loss has next to no gradient, while "
    "the non-saturating form and least squares have one; in training the minimax gradient dies away.",
    formula="∂/∂l log(1 − σ(l)) = −σ(l);   ∂/∂l (−log σ(l)) = σ(l) − 1;   ∂/∂d (d − 1)² = 2(d − 1)",
    source="Goodfellow et al. 2014, section 3; Mao et al. 2017, section 3.2 (LSGAN)",
    variants=variants,
    measure=measure,
    figures={
        "slope, sure": "|gradient with respect to D's raw output| where D gives the fake 0.01",
        "sure / unsure": "the same, divided by that where D gives 0.5",
        "gradient, first third": "in training: gradient norm with respect to a fake's pixels, mean of 8",
        "gradient, last third": "the same at the end",
        "kept": "last third divided by first third",
    },
    plots={
        "slope": ("D's verdict on the fake", "|gradient with respect to D's raw output|", True),
        "gradient": ("pairs seen", "gradient with respect to a fake's pixels", True),
    },
    predictions=(
        Prediction("minimax is flat where D is sure", "sure / unsure", "minimax", "<", 0.05),
        Prediction("the non-saturating form is not", "sure / unsure", "nonsaturating", ">", 1.0),
        Prediction("least squares is not", "sure / unsure", "lsgan", ">", 1.0),
        Prediction("in training minimax keeps less of its gradient than the non-saturating form",
                   "kept", "minimax", "<", 0.5, "nonsaturating", ratio=True),
        Prediction("and less than least squares", "kept", "minimax", "<", 0.5, "lsgan", ratio=True),
    ),
    remark="The note's 'flat' is true of the form that nobody trains with, and not of the usual one, −log "
    "D. In our trainings the minimax gradient does not die: D is not sure of its fakes for long, and where "
    "it is, the seeds differ so much that three of them settle nothing.",
    shows_not="That least squares trains better than the non-saturating form: nothing here says so. The raw "
    "outputs of the two kinds of discriminator are not on one scale.",
)  # fmt: skip
