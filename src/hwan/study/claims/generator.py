"""Generators of equal size: what the ResNet keeps, and what it costs.

At a half or a quarter of the size a ResNet keeps more numbers than the picture has, and the
residual sums pass them on unchanged. A bottleneck of 4x4 pixels has fewer numbers than the picture,
so some of it must be made up. A U-Net's skips go around its bottleneck. Memory grows with the
activations, H·W·C a layer, and weights only with C²: a net that stays large has many activations
for few weights.
"""

from __future__ import annotations

from hwan.config import Config
from hwan.study.claim import Cell, Claim, Measurement, Prediction, Scale, Variant, base, vary


def variants(scale: Scale) -> tuple[Variant, ...]:
    plain = base(scale)
    target, downs = weights(plain), scale.size.bit_length() - 3  # down to 4x4 pixels

    def sized(name: str) -> Config:
        """The generator ``name`` with about as many weights as the ResNet, as its width allows."""
        shape = {"name": name, "downs": downs, "up": "nearest"}
        found = [vary(plain, generator={**shape, "filters": width}) for width in range(2, 65)]
        return min(found, key=lambda config: abs(weights(config) - target))

    return (
        Variant("ResNet", "the paper's: halvings, residual blocks, doublings", plain),
        Variant("U-Net", "pix2pix's: down to 4x4 pixels, with skips", sized("unet")),
        Variant("bottleneck", "the same without the skips", sized("bottleneck")),
    )


def weights(config: Config) -> int:
    """The generator's parameters, counted on PyTorch's meta device, which computes nothing."""
    import torch

    from hwan.nets import build_generator

    with torch.device("meta"):
        net = build_generator(config.generator, config.data.channels_a, config.data.channels_b)
    return sum(p.numel() for p in net.parameters())


def measure(cell: Cell) -> Measurement:
    import time

    import torch

    from hwan.study.measure import (
        against_truth,
        edges,
        outputs,
        pictures,
        row,
        sharpness,
        untrained,
    )

    found = outputs(cell)
    values = {k: v for k, v in against_truth(found).items() if k in ("SSIM", "L1")}
    if found.truth is not None:
        values["sharpness"] = sharpness(found.fake) / sharpness(found.truth)
        values["detail"] = edges(found.fake, found.truth)
    net = untrained(cell.config, cell.seed)
    image = pictures(cell, 1)
    held: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = net(image).square().mean()
    loss.backward()
    seconds = []
    for _ in range(8):
        began = time.process_time()
        net(image).square().mean().backward()
        seconds.append(time.process_time() - began)
    values |= {
        "weights": float(sum(p.numel() for p in net.parameters())),
        "memory": sum(held.values()) / 2**20,
        "ms a pass": 1000 * min(seconds),
    }
    return Measurement(values, pictures=row(found))


CLAIM = Claim(
    name="generator",
    note="ResNet을 사용한 이유는: input 데이터의 고해상도 이미지 퀄리티와 detail을 유지해야했기 때문이다. 하지만 ResNet은 "
    "bottleneck이 없기 때문에 메모리를 상당히 소모하고 파라미터가 생각보다 적다",
    english="ResNet is used because the quality and detail of the high-resolution input must be kept. But "
    "it has no bottleneck, so it takes much memory, and it has fewer parameters than one would think.",
    hypothesis="Among generators with equally many weights, the ResNet keeps more detail than an "
    "encoder-decoder with a bottleneck, and holds more memory while training.",
    formula="activations ≈ Σ H_i W_i C_i;   weights ≈ Σ 9 C_i C_{i+1}",
    source="Zhu et al. 2017, appendix 7.2 (Johnson et al. 2016); Isola et al. 2017, section 3.2.1",
    variants=variants,
    measure=measure,
    figures={
        "SSIM": "against the truth",
        "L1": "against the truth, share of the range",
        "sharpness": "mean |gradient| of the output divided by the truth's (1: as sharp; noise counts too)",
        "detail": "correlation of the output's gradients with the truth's (1: the same edges)",
        "weights": "of one generator",
        "memory": "activations held for the backward pass of one picture, MB",
        "ms a pass": "forward and backward of one picture, CPU, best of 8",
    },
    predictions=(
        Prediction("the ResNet is nearer to the truth", "SSIM", "ResNet", ">", 0.05, "bottleneck"),
        Prediction("the ResNet is sharper", "sharpness", "ResNet", ">", 0.05, "bottleneck"),
        Prediction("the ResNet keeps more of the input's edges", "detail", "ResNet", ">", 0.1, "bottleneck"),
        Prediction("the ResNet holds more memory", "memory", "ResNet", ">", 1.5, "bottleneck", ratio=True),
        Prediction("and more than the U-Net", "memory", "ResNet", ">", 1.5, "U-Net", ratio=True),
    ),
    remark="The prediction on sharpness was a bad one: a failing generator makes noise, and noise is sharp. "
    "Detail, the correlation of edges, was added after the first run had shown that.",
    shows_not="Large pictures, where a bottleneck of a few pixels is narrower still; and tasks that need "
    "another shape, where it is no merit to keep everything (claim shape).",
)  # fmt: skip
