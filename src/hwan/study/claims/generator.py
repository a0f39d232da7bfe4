"""Generators of equal size: what the ResNet keeps, and what it costs."""

from __future__ import annotations

from hwan.config import Config
from hwan.study.claim import (
    Cell,
    Claim,
    Measurement,
    Prediction,
    Scale,
    Theory,
    Variant,
    base,
    vary,
)


def variants(scale: Scale) -> tuple[Variant, ...]:
    plain = base(scale)
    resnet = weights(plain)
    nets = {
        "ResNet": (plain, "the paper's: halvings, residual blocks, doublings"),
        "U-Net": (_like(plain, resnet, "unet"), "pix2pix's: down to 4x4 pixels, with skips"),
        "bottleneck": (_like(plain, resnet, "bottleneck"), "the same without the skips"),
    }
    return tuple(Variant(name, about, config) for name, (config, about) in nets.items())


def _like(plain: Config, target: int, name: str) -> Config:
    """A U-Net down to 4x4 pixels of as many weights as near as its width allows."""
    downs = plain.data.size.bit_length() - 3
    sized = [
        vary(plain, generator={"name": name, "downs": downs, "filters": width, "up": "nearest"})
        for width in range(2, 65)
    ]
    return min(sized, key=lambda config: abs(weights(config) - target))


def weights(config: Config) -> int:
    """The generator's parameters, counted by formula: listing the variants must not build them."""
    g = config.generator
    channels = config.data.channels_a, config.data.channels_b
    bias = not g.norm_record.absorbs_bias

    def conv(a: int, b: int, kernel: int, with_bias: bool = bias) -> int:
        return a * b * kernel * kernel + b * with_bias

    if g.family.features:  # a resnet, built in sequence
        total = conv(channels[0], g.filters, g.stem)
        width = g.filters
        for _ in range(g.downs):
            total += conv(width, 2 * width, 3) + conv(2 * width, width, 3)
            width *= 2
        total += g.blocks * 2 * conv(width, width, 3)
        return total + conv(g.filters, channels[1], g.stem, True)
    widths = [g.filters * min(2**i, 8) for i in range(g.downs)]
    total = 0
    for i, width in enumerate(widths):
        outer = channels[0] if i == 0 else widths[i - 1]
        deep = width if i == g.downs - 1 or g.name == "bottleneck" else 2 * width
        total += conv(outer, width, 4)
        total += conv(deep, channels[1] if i == 0 else outer, 3, bias or i == 0)
    return total


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
    english="ResNet is used because the quality and detail of the high-resolution input must be kept. But it "
    "has no bottleneck, so it takes much memory, and it has fewer parameters than one would think.",
    hypothesis="Of generators with equally many weights, the ResNet keeps more detail than an encoder-decoder "
    "through a bottleneck, and holds more memory while training.",
    theory=Theory(
        "What a ResNet keeps at a half or a quarter of the size is more numbers than the picture has, and the "
        "residual sums hand them on unchanged. A bottleneck of 4x4 pixels has fewer numbers than the picture, "
        "so some of it must be made up. A U-Net's skips go around its bottleneck. Memory goes with "
        "activations, H·W·C a layer, weights only with C²: a net that stays large has much of the one for "
        "little of the other.",
        "activations ≈ Σ H_i W_i C_i;   weights ≈ Σ 9 C_i C_{i+1}",
        "Zhu et al. 2017, appendix 7.2 (Johnson et al. 2016); Isola et al. 2017, section 3.2.1",
    ),
    variants=variants,
    measure=measure,
    figures={
        "SSIM": "against the truth",
        "L1": "against the truth, share of the range",
        "sharpness": "mean |gradient| of the output over the truth's (1: as sharp; noise counts too)",
        "detail": "correlation of the output's gradients with the truth's (1: the same edges)",
        "weights": "of one generator",
        "memory": "activations held for the backward pass of one picture, MB",
        "ms a pass": "forward and backward of one picture, CPU, best of 8",
    },
    predictions=(
        Prediction("the ResNet is nearer to the truth than the bottleneck", "SSIM",
                   "ResNet", ">", 0.05, "bottleneck"),
        Prediction("the ResNet is sharper than the bottleneck", "sharpness",
                   "ResNet", ">", 0.05, "bottleneck"),
        Prediction("the ResNet keeps more of the input's edges", "detail",
                   "ResNet", ">", 0.1, "bottleneck"),
        Prediction("the ResNet holds more memory than the bottleneck", "memory",
                   "ResNet", ">", 1.5, "bottleneck", ratio=True),
        Prediction("and more than the U-Net", "memory", "ResNet", ">", 1.5, "U-Net", ratio=True),
    ),
    remark="The prediction on sharpness was a bad one: a failing generator makes noise, which is sharp. Detail, as "
    "the correlation of edges, was added after the first run had shown that.",
    shows_not="Large pictures, where a bottleneck of a few pixels is narrower still; and tasks that need another "
    "shape, where keeping everything is no merit (claim shape).",
)  # fmt: skip
