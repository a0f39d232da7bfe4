"""Normalisation: who depends on whom, and what it takes away.

Every norm subtracts a mean and divides by a deviation; norms differ in what these are taken over.
Over the batch, the statistics are random with a variance that falls as 1/B, and the test uses
running ones. Over one image alone, other images have no influence, and a factor on the image
cancels. (The note has group and instance norm the other way round: instance norm takes each channel
by itself, group norm several together. And batch norm can be used in testing, by its running
statistics.) Whitening needs an inverse square root of a covariance, O(C³).
"""

from __future__ import annotations

from itertools import combinations
from statistics import fmean
from time import process_time
from timeit import repeat

from hwan.study.claim import Cell, Claim, Measurement, Prediction, Scale, Variant, base, vary

ABOUT = {
    "none": "no normalisation",
    "batch": "each channel over the batch",
    "instance": "each channel of each image",
    "group": "groups of channels of each image",
    "layer": "all channels of each image",
    "weight": "the weights' norm, not the activations",
    "whitening": "channels decorrelated over the batch (ZCA)",
}
TRAINED = ("none", "batch", "instance")
MATES = (2, 4, 8, 16)


def variants(scale: Scale) -> tuple[Variant, ...]:
    found = []
    for name, about in ABOUT.items():
        generator: dict[str, object] = {"norm": name, "groups": 4}
        if name in ("none", "weight"):  # without a norm N(0, 0.02) lets the signal die
            generator |= {"init": "kaiming", "gain": 0.7}
        if name == "instance":
            generator = {}
        found.append(Variant(name, about, vary(base(scale), generator=generator), name in TRAINED))
    return tuple(found)


def measure(cell: Cell) -> Measurement:
    """An untrained generator on batches of several images; and the trained one against the truth."""
    import torch

    from hwan.study.measure import against_truth, outputs, pictures, row, untrained

    net = untrained(cell.config, cell.seed)
    images = pictures(cell, 4 * max(MATES))
    first, mates = images[:1], images[1:]

    @torch.no_grad()
    def beside(others: torch.Tensor) -> torch.Tensor:
        """The first image's output in a batch with the others."""
        out: torch.Tensor = net(torch.cat([first, others]))
        return out[:1]

    def change(a: torch.Tensor, b: torch.Tensor) -> float:
        """Mean |a − b| as a share of a's own spread."""
        return float((a - b).abs().mean() / a.std())

    curve = []
    for size in MATES:
        draws = [beside(others) for others in torch.split(mates, size - 1)[:3]]
        curve.append((float(size), fmean(change(a, b) for a, b in combinations(draws, 2))))
    with torch.no_grad():
        contrast = change(beside(mates[:3]), net(0.5 * images[:4])[:1])
        for _ in range(20):  # running statistics of these pictures
            net(images[:16])
        dark = images[:16] * 0.3 - 0.7
        tested = net.eval()(dark)
        mismatch = change(net.train()(dark), tested)

    def forward_and_backward() -> None:
        net(images[:4]).square().mean().backward()

    seconds = repeat(forward_and_backward, timer=process_time, number=1, repeat=6)
    values = {
        "batch-mates": curve[1][1],
        "contrast kept": contrast,
        "train / test": mismatch,
        "ms a pass": 1000 * min(seconds),
    }
    shown = {}
    if cell.run is not None:
        found = outputs(cell)
        values |= {k: v for k, v in against_truth(found).items() if k in ("SSIM", "L1")}
        shown = row(found)
    return Measurement(values, {"mates": tuple(curve)}, shown)


CLAIM = Claim(
    name="norm",
    note="batch의 크기는 너무 작아도, 커서도 안된다. 이것이 BN의 단점이다. 그래서 batch 별이 아닌 layer, weight, group, "
    "instance 별로 정규화하는 방법들이 있다. … IN은 … 입력 이미지의 명암에 영향을 받지 않는 … whitening 이라는 방법이 "
    "있는데 … 계산량이 많고",
    english="The batch must be neither too small nor too large: BN's weakness. So there are norms by layer, "
    "weight, group and instance. Instance norm is not affected by the contrast of the input. Whitening "
    "takes much computation.",
    hypothesis="Batch norm (and whitening) make an image's output depend on the other images of its batch, "
    "the more so the smaller the batch, and translate differently than they trained; instance, group and "
    "layer norm do not. Instance norm removes the contrast. Whitening costs more than batch norm.",
    formula="y = (x − μ_S) / √(σ_S² + ε),  S = batch: (B, H, W); instance: (H, W); group: (C/G, H, W); "
    "layer: (C, H, W)",
    source="Ioffe and Szegedy 2015; Ulyanov et al. 2016; Wu and He 2018, figure 2; Huang et al. 2018",
    variants=variants,
    measure=measure,
    figures={
        "batch-mates": "untrained, batch of 4: change of an output with other mates, share of its spread",
        "contrast kept": "untrained: change of the output when all contrasts are halved (0: contrast is lost)",
        "train / test": "untrained, dark pictures after bright statistics: training mode against test mode",
        "ms a pass": "forward and backward, batch of 4, CPU, best of 6",
        "SSIM": "trained with batches of one, against the truth",
        "L1": "the same, share of the range",
    },
    plots={"mates": ("batch", "change of an output with its batch-mates", True)},
    predictions=(
        Prediction("batch norm ties an image to its batch-mates", "batch-mates", "batch", ">", 0.02),
        Prediction("instance norm does not", "batch-mates", "instance", "<", 1e-3),
        Prediction("group norm does not", "batch-mates", "group", "<", 1e-3),
        Prediction("layer norm does not", "batch-mates", "layer", "<", 1e-3),
        Prediction("batch norm translates differently than it trained", "train / test", "batch", ">", 0.1),
        Prediction("instance norm loses contrast", "contrast kept", "instance", "<", 0.05),
        Prediction("no norm keeps it", "contrast kept", "none", ">", 0.2),
        Prediction("whitening costs more than batch norm", "ms a pass",
                   "whitening", ">", 1.2, "batch", ratio=True),
    ),
    remark="The note errs twice: batch norm can be used in testing, by its running statistics, though it "
    "translates differently there; and instance norm takes each channel by itself, group norm several.",
    shows_not="Which norm is best: that depends on the task (instance norm loses on tasks that keep "
    "colours). Group, layer and weight norm and whitening are not trained here. Times are of this machine.",
)  # fmt: skip
