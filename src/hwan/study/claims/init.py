"""First weights: which of them let a signal through, with and without a norm.

A convolution multiplies the variance by the number of its inputs times the variance of its weights.
N(0, 0.02) is right for one width only: with 16 to 32 filters, a layer passes on a quarter of the
signal or less. Xavier keeps the variance of a linear layer; Kaiming doubles it, since ReLU takes
half away. A norm sets the scale anew after every layer, and so removes the first weights' scale. In
a network with skips and without a norm, each block adds its output to its input, so a scale that is
right for a plain network makes the signal grow.
"""

from __future__ import annotations

from hwan.study.claim import Cell, Claim, Measurement, Prediction, Scale, Variant, base, vary

BLOCKS = 9  # of the untrained network, as the paper's
GAINS = {"normal": 0.02, "xavier": 1.0, "kaiming": 1.0, "orthogonal": 1.0}
TRAINED = ("normal", "kaiming")


def variants(scale: Scale) -> tuple[Variant, ...]:
    def start(init: str, norm: str) -> Variant:
        config = vary(base(scale), generator={"init": init, "gain": GAINS[init], "norm": norm})
        label = f"{init}, {'no' if norm == 'none' else norm} norm"
        what = "N(0, 0.02)" if init == "normal" else f"{init}, gain 1"
        about = f"generators' weights from {what}; norm {norm}"
        return Variant(label, about, config, init in TRAINED)

    return tuple(start(init, norm) for norm in ("none", "instance") for init in GAINS)


def measure(cell: Cell) -> Measurement:
    """Signal and gradient of an untrained network of nine blocks; the result of a training from there."""
    from hwan.study.depth import first_gradient, signal
    from hwan.study.measure import against_truth, outputs, pictures, row, strip, untrained

    images = pictures(cell, 6).to(cell.device)
    net = untrained(vary(cell.config, generator={"blocks": BLOCKS}), cell.seed).to(cell.device)
    sizes = signal(net, images)
    out = net(images).detach()
    values = {
        "signal kept": sizes[-2] / sizes[0],
        "gradient": first_gradient(net, images, cell.seed),
        "saturated": float((out.abs() > 0.95).float().mean()),
    }
    curves = {"signal": tuple((float(n), size) for n, size in enumerate(sizes))}
    shown = {"untrained output": strip(out.cpu())}
    if cell.run is None:
        return Measurement(values, curves, shown)
    found = outputs(cell)
    values |= {name: v for name, v in against_truth(found).items() if name in ("SSIM", "cycle L1")}
    return Measurement(values, curves, shown | row(found))


CLAIM = Claim(
    name="init",
    note="Initializer --> 다양한 방법이 있음 확인 필요 i) RandomNormal … 초기값 설정",
    english="Initialiser: there are several, to be looked into; RandomNormal. (And, among the remedies for "
    "vanishing and exploding gradients: the choice of the first values.)",
    hypothesis="Without a norm the paper's N(0, 0.02) lets the signal die, and weights scaled by each "
    "layer's width do not; with instance norm all initialisers are equally good.",
    formula="Var(out) = n_in · Var(w) · E[in²];   Xavier Var(w) = 2/(n_in + n_out);   Kaiming Var(w) = "
    "2/n_in;   with skips and Var(F(x)) ≈ Var(x):  Var(x_d) ≈ 2^d · Var(x₀)",
    source="Glorot, Bengio 2010, equation 12; He et al. 2015 (rectifiers), equation 10; Saxe et al. 2014; "
    "Zhang, Dauphin, Ma 2019 (Fixup), section 2; Zhu et al. 2017, appendix 7.1, takes N(0, 0.02)",
    variants=variants,
    measure=measure,
    figures={
        "signal kept": f"untrained, {BLOCKS} blocks: rms of the last convolution's input over the first's",
        "gradient": "untrained: norm of the gradient with respect to the first convolution's weights",
        "saturated": "untrained: share of output values beyond ±0.95, where tanh is flat",
        "SSIM": "trained: against the truth (1: equal)",
        "cycle L1": "trained: there and back against the input, share of the range",
    },
    plots={"signal": ("convolution", "untrained: size (rms) of its input", True)},
    predictions=(
        Prediction("N(0, 0.02) without a norm lets the signal die", "signal kept",
                   "normal, no norm", "<", 0.05, ratio=True),
        Prediction("Xavier without a norm does not", "signal kept", "xavier, no norm", ">", 0.5, ratio=True),
        Prediction("Kaiming, which is meant for plain networks, makes it grow", "signal kept",
                   "kaiming, no norm", ">", 5, ratio=True),
        Prediction("with instance norm N(0, 0.02) keeps the signal", "signal kept",
                   "normal, instance norm", ">", 0.5, ratio=True),
        Prediction("trained without a norm, Kaiming is better than N(0, 0.02)", "SSIM",
                   "kaiming, no norm", ">", 0.02, "normal, no norm"),
        Prediction("trained with instance norm it is no better", "SSIM",
                   "kaiming, instance norm", "<", 0.02, "normal, instance norm"),
        Prediction("nor worse", "SSIM", "kaiming, instance norm", ">", -0.02, "normal, instance norm"),
    ),
    remark="With instance norm all initialisers keep the signal equally well, yet are not equally good: "
    "N(0, 0.02) trains better than Kaiming, whose larger weights Adam moves by a smaller share a step.",
    shows_not="First weights of the discriminators, which are the paper's in every variant, and of networks "
    "that have a norm but no skips.",
)  # fmt: skip
