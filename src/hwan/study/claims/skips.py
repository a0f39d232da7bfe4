"""Skip connections: what is left of the gradient at the first layer of a deep network.

By the chain rule the gradient is multiplied by every block's Jacobian. Many that shrink make it
vanish, many that stretch make it explode. A skip adds 1 to each: the product then holds a path on
which nothing is lost. Without a norm, small weights N(0, 0.02) shrink. A norm divides by the small
spread and so stretches as much again, and a little more: behind a norm ReLU's slopes have mean
square ½ and its values variance ½ − 1/2π, by which the next norm divides, so the gradient grows by
about √(π/(π − 1)) ≈ 1.21 a ReLU: some 400 times in 32 blocks.
"""

from __future__ import annotations

from hwan.study.claim import Cell, Claim, Measurement, Prediction, Scale, Variant, base, vary

DEPTHS = (1, 2, 4, 8, 16, 32)  # blocks of two convolutions
TRAINED = 16


def variants(scale: Scale) -> tuple[Variant, ...]:
    grey = {"pairs": "names", "channels_a": 1}
    deep = vary(
        base(scale),
        method="pix2pix",
        data=grey,
        loss={"adversarial": 0.0},
        discriminator={"layers": 1},
    )

    def net(skips: bool, norm: str) -> Variant:
        name = "skips" if skips else "plain"
        about = f"blocks {'with' if skips else 'without'} their skips, norm {norm}"
        generator = {"name": "resnet" if skips else "plain", "norm": norm, "blocks": TRAINED}
        label = f"{name}, {'no' if norm == 'none' else norm} norm"
        return Variant(label, about, vary(deep, generator=generator), task="colours")

    return tuple(net(skips, norm) for norm in ("none", "instance") for skips in (False, True))


def measure(cell: Cell) -> Measurement:
    """The gradient at the start of training by depth; and what a deep one learns of a paired task."""
    from hwan.metrics.pairwise import l1
    from hwan.study.depth import first_gradient
    from hwan.study.measure import log_lines, outputs, pictures, row, untrained

    images = pictures(cell, 4)[:, :1].to(cell.device)
    by_depth = []
    for blocks in DEPTHS:
        net = untrained(vary(cell.config, generator={"blocks": blocks}), cell.seed).to(cell.device)
        by_depth.append((float(blocks), first_gradient(net, images, cell.seed)))
    values = {
        "gradient, 1 block": by_depth[0][1],
        "gradient, 32 blocks": by_depth[-1][1],
        "32 / 1": by_depth[-1][1] / by_depth[0][1],
    }
    assert cell.run is not None
    lines = log_lines(cell.run)
    learning = tuple(
        (line["images"], line["losses"]["l1_b"] / cell.config.loss.l1 / 2) for line in lines
    )
    found = outputs(cell)
    if found.truth is not None:
        values["L1"] = float(l1(found.fake, found.truth).mean())
    return Measurement(values, {"gradient": tuple(by_depth), "learning": learning}, row(found))


CLAIM = Claim(
    name="skips",
    note="Gredient가 작다면 네트워크의 깊이가 깊어질 수록 기울기는 0에 수렴하게 되고, 크다면 매우 커지면서 gredient vanishing or "
    "exploding 현상이 발생한다. … H(x) = F(x) + x가 되어 미분 값이 0이 되더라도 x가 1이 되어 기울기 소실 문제를 해결할 수 있고 "
    "최적화가 가능해진다.",
    english="Where gradients are small they go to 0 with depth, where they are large they grow very large: "
    "vanishing or exploding gradients. With H(x) = F(x) + x, even where F's derivative is 0 that of x is 1: "
    "the vanishing is solved and optimisation becomes possible.",
    hypothesis="In a plain deep network the first layer's gradient vanishes or explodes; with skips it "
    "stays about the same at every depth, and a deep network learns.",
    formula="∂L/∂x₀ = ∂L/∂x_d · Π_l (1 + ∂F_l/∂x_l)   against   ∂L/∂x_d · Π_l ∂F_l/∂x_l",
    source="He et al. 2015 (ResNet), equation 1; He et al. 2016 (Identity mappings), equation 5; Yang et "
    "al. 2019 (A mean field theory of batch normalization)",
    variants=variants,
    measure=measure,
    figures={
        "gradient, 1 block": "untrained: norm of the gradient with respect to the first convolution's weights",
        "gradient, 32 blocks": "the same for a network of 32 blocks",
        "32 / 1": "their ratio (1: depth costs nothing)",
        "L1": f"{TRAINED} blocks, trained to colour grey pictures: against the truth, share of the range",
    },
    plots={
        "gradient": ("blocks", "untrained: gradient at the first layer", True),
        "learning": ("pairs seen", f"{TRAINED} blocks: L1 while training", False),
    },
    predictions=(
        Prediction("plain and without a norm it vanishes", "32 / 1", "plain, no norm", "<", 1e-6),
        Prediction("with skips it does not", "32 / 1", "skips, no norm", ">", 0.1, ratio=True),
        Prediction("plain and with instance norm it explodes instead", "32 / 1",
                   "plain, instance norm", ">", 10, ratio=True),
        Prediction("with skips and instance norm it neither vanishes", "32 / 1",
                   "skips, instance norm", ">", 0.1, ratio=True),
        Prediction("nor explodes", "32 / 1", "skips, instance norm", "<", 10, ratio=True),
        Prediction("without a norm, skips let a deep network learn", "L1",
                   "skips, no norm", "<", 0.67, "plain, no norm", ratio=True),
        Prediction("with instance norm too", "L1",
                   "skips, instance norm", "<", 0.67, "plain, instance norm", ratio=True),
    ),
    remark="With instance norm a plain deep network does not suffer from vanishing gradients but from "
    "exploding ones: norms undo the shrinking in the forward pass and magnify it in the backward pass. The "
    "note blames depth alone for both.",
    shows_not="Trainings of 32 blocks, and other first weights: under those that keep the scale by "
    "themselves (the claim 'init') the gradient does not vanish so fast. One seed's gradient at one picture "
    "is not an average over training.",
)  # fmt: skip
