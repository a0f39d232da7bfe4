"""Activations: which of them let a signal and its gradient through many layers.

The gradient passes each activation times its slope. Sigmoid's slope is at most 1/4 everywhere.
tanh's slope is 1 in the middle and falls to 0 only at the ends, so a suitable scale of the weights
can make up for it. ReLU's slope is 1 for half of the values and 0 for the others; twice the
variance of the weights makes up for that.
"""

from __future__ import annotations

from hwan.config import Config
from hwan.study.claim import Cell, Claim, Measurement, Prediction, each_value, vary

DEPTHS = (1, 2, 4, 8, 16, 32)  # layers: a convolution and the activation after it
GAINS = {"sigmoid": 1.0, "tanh": 5 / 3, "relu": 2**0.5, "leaky": (2 / 1.04) ** 0.5}
ABOUT = {name: f"{name} after every norm of the generators" for name in GAINS}
TRAINED = ("sigmoid", "tanh", "relu")
FLAT = 0.05  # a slope below this hardly passes a gradient on
variants = each_value("activation", ABOUT, TRAINED)


def bare(config: Config) -> Config:
    """Without a norm, and with Glorot's first weights times the gain recommended for the activation."""
    gain = GAINS[config.generator.activation]
    return vary(config, generator={"norm": "none", "init": "xavier", "gain": gain})


def measure(cell: Cell) -> Measurement:
    """A bare stack by depth, untrained; and the trained generator, with its norms and skips."""
    import torch

    from hwan.study.depth import bare_stack, first_gradient, flat_share
    from hwan.study.measure import against_truth, outputs, pictures, row, trained

    images = pictures(cell, 4).to(cell.device)
    spread = (images[:2] - images[2:]).square().mean().sqrt()
    gradients, changes = [], []
    for depth in DEPTHS:
        net = bare_stack(bare(cell.config), depth, cell.seed).to(cell.device)
        gradients.append((float(depth), first_gradient(net, images, cell.seed)))
        with torch.no_grad():
            out = net(images)
        difference = (out[:2] - out[2:]).square().mean().sqrt()
        changes.append((float(depth), float(difference / spread)))
    values = {
        "gradient, 32 / 1": gradients[-1][1] / gradients[0][1],
        "change left": changes[-1][1],
        "flat, untrained": flat_share(net, images, FLAT),
    }
    curves = {"gradient": tuple(gradients), "change": tuple(changes)}
    if cell.run is None:
        return Measurement(values, curves)
    found = outputs(cell)
    values["flat, trained"] = flat_share(trained(cell), found.real[:4].to(cell.device), FLAT)
    values |= {name: v for name, v in against_truth(found).items() if name in ("SSIM", "cycle L1")}
    return Measurement(values, curves, row(found))


CLAIM = Claim(
    name="activation",
    note="sigmoid나 tanh 등의 비선형 방식의 함수들은 입력된 값을 특정 범위 값으로 매핑 … 첫 번째 입력 값에 큰 변화량이 있어도 매우 "
    "작은 값으로 맵핑하기 때문에 더더욱 학습이 안된다(이런 비선형 함수를 사용하는 레이어를 쌓을 때마다). 그래서 sigmoid 대신 "
    "ReLU를 쓰기도하며",
    english="Non-linear functions such as sigmoid and tanh map a value into a fixed range. A large change "
    "of the first input becomes a very small one, with every such layer, and learning is even harder. So "
    "ReLU is used in place of sigmoid.",
    hypothesis="Each sigmoid or tanh layer shrinks a change of the input, and the gradient, until nothing "
    "is left; ReLU and leaky ReLU keep both. Trained networks are better with ReLU.",
    formula="σ′ = σ(1 − σ) ≤ 1/4;   tanh′ = 1 − tanh² ≤ 1;   relu′ ∈ {0, 1};   leaky′ ∈ {0.2, 1}",
    source="Glorot, Bengio 2010, section 3; Glorot, Bordes, Bengio 2011; He et al. 2015 (rectifiers), section 2.2",
    variants=variants,
    measure=measure,
    figures={
        "gradient, 32 / 1": "untrained: gradient norm at the first of 32 bare layers, divided by that of one",
        "change left": "untrained, 32 bare layers: distance of two outputs, divided by that of the inputs",
        "flat, untrained": f"share of values at which the activation's slope is below {FLAT}, 32 bare layers",
        "flat, trained": "the same in the trained generator, its final tanh included",
        "SSIM": "trained: against the truth (1: equal)",
        "cycle L1": "trained: there and back against the input, share of the range",
    },
    plots={
        "gradient": ("layers", "untrained: gradient at the first layer", True),
        "change": ("layers", "untrained: share left of a change of the input", True),
    },
    predictions=(
        Prediction("sigmoid's gradient vanishes", "gradient, 32 / 1", "sigmoid", "<", 1e-6, ratio=True),
        Prediction("tanh's vanishes too", "gradient, 32 / 1", "tanh", "<", 0.01, ratio=True),
        Prediction("ReLU's does not", "gradient, 32 / 1", "relu", ">", 0.01, ratio=True),
        Prediction("leaky ReLU's does not", "gradient, 32 / 1", "leaky", ">", 0.01, ratio=True),
        Prediction("sigmoid leaves nothing of a change", "change left", "sigmoid", "<", 1e-6, ratio=True),
        Prediction("trained, ReLU is better than sigmoid", "SSIM", "relu", ">", 0.02, "sigmoid"),
        Prediction("trained, ReLU is better than tanh", "SSIM", "relu", ">", 0.02, "tanh"),
    ),
    remark="The note says that tanh vanishes like sigmoid. It does not: with first weights scaled for it, "
    "tanh's gradient grows with the depth. Sigmoid's always vanishes: each layer keeps at most a quarter.",
    shows_not="Sigmoid or tanh at the output, where a fixed range is wanted: every generator here ends in "
    "tanh. The bare stack has no norm and no skips; the trained generators have both, with two blocks. "
    "Leaky ReLU is not trained here.",
)  # fmt: skip
