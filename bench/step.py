"""One CycleGAN step: hwan's, technique by technique, beside the reference's own code in the same run.

    python -m bench.step --reference DIR [--filters 64 --blocks 9 --size 128 --batch 1]

DIR is a checkout of pytorch-CycleGAN-and-pix2pix. Prints seconds a step, the ratio to the reference
(median of interleaved rounds, least and most), GFLOP/s and the share of the measured peak.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.common import interleaved, machine, ratio, report, wait
from hwan.config import (
    Config,
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    SpeedConfig,
    TrainConfig,
)
from hwan.config.speed import PLAIN
from hwan.data.loader import Batch
from hwan.runtime import pick_device
from hwan.training.loop import choose_step
from hwan.training.state import Training
from hwan.training.steps.cuda_graph import EAGER_STEPS

FUSED = dataclasses.replace(PLAIN, batched=True, fused_adam=True)
VARIANTS: dict[str, tuple[str, SpeedConfig]] = {
    "plain": ("fp32", PLAIN),
    "batched": ("fp32", dataclasses.replace(PLAIN, batched=True)),
    "batched, fused": ("fp32", FUSED),
    "batched, fused, fast kernels": ("fp32", dataclasses.replace(FUSED, fast_kernels=True)),
    "batched, fused, halves": ("fp32", dataclasses.replace(FUSED, parallel_halves=True)),
    "batched, fused, channels_last": ("fp32", dataclasses.replace(FUSED, channels_last="on")),
    "batched, fused, compiled": ("fp32", dataclasses.replace(FUSED, compile=True)),
    "default": ("fp32", SpeedConfig()),
    "default, checkpointing": ("fp32", SpeedConfig(gradient_checkpointing=True)),
    "recorded": ("fp32", SpeedConfig(cuda_graph=True)),
    "bf16, default": ("bf16", SpeedConfig()),
    "bf16, channels_last": ("bf16", SpeedConfig(channels_last="on")),
    "bf16, compiled": ("bf16", SpeedConfig(compile=True)),
    "bf16, compiled, channels_last": ("bf16", SpeedConfig(compile=True, channels_last="on")),
    "bf16, recorded": ("bf16", SpeedConfig(cuda_graph=True)),
    "bf16, recorded, contiguous": ("bf16", SpeedConfig(cuda_graph=True, channels_last="off")),
    "bf16, compiled, recorded": ("bf16", SpeedConfig(cuda_graph=True, compile=True)),
    "fp16, default": ("fp16", SpeedConfig()),
}


def configured(given: argparse.Namespace, precision: str, speed: SpeedConfig) -> Config:
    """CycleGAN of the size that ``given`` says."""
    return Config(
        data=DataConfig(size=given.size),
        generator=GeneratorConfig(filters=given.filters, blocks=given.blocks),
        discriminator=DiscriminatorConfig(filters=given.filters),
        train=TrainConfig(precision=precision, batch=given.batch),  # type: ignore[arg-type]
        speed=speed,
    )


def ours(given: argparse.Namespace, name: str, device: torch.device) -> Callable[[], Any]:
    """A step of hwan's under variant ``name``."""
    training = Training(configured(given, *VARIANTS[name]), device)
    tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    noise = torch.randint(256, (given.batch, given.size, given.size, 3)).byte()
    micro = [Batch(noise, noise.flip(0))]
    take = choose_step(training)

    def once() -> None:
        set_tf32(*tf32)  # global, and other variants are made in between
        take(micro, 2e-4)

    return once


def set_tf32(convolutions: bool, products: bool) -> None:
    torch.backends.cudnn.allow_tf32 = convolutions
    torch.backends.cuda.matmul.allow_tf32 = products


def reference(given: argparse.Namespace, device: torch.device) -> Callable[[], Any]:
    """A step of the reference's CycleGANModel, as its train.py makes it by default."""
    sys.path.insert(0, str(given.reference.resolve()))
    model = importlib.import_module("models.cycle_gan_model")
    options = SimpleNamespace(
        gpu_ids=[0] if device.type == "cuda" else [], isTrain=True, checkpoints_dir="", name="bench",
        preprocess="resize_and_crop", lambda_identity=0.5, lambda_A=10.0, lambda_B=10.0, input_nc=3,
        output_nc=3, ngf=given.filters, ndf=given.filters, netG=f"resnet_{given.blocks}blocks",
        netD="basic", n_layers_D=3, norm="instance", no_dropout=True, init_type="normal",
        init_gain=0.02, pool_size=50, gan_mode="lsgan", lr=2e-4, beta1=0.5, direction="AtoB",
    )  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        made = model.CycleGANModel(options)
    noise = torch.rand(2, given.batch, 3, given.size, given.size) * 2 - 1
    images = {"A": noise[0], "B": noise[1], "A_paths": "", "B_paths": ""}

    def once() -> None:
        set_tf32(True, False)  # torch's own defaults, which the reference leaves
        made.set_input(images)
        made.optimize_parameters()

    return once


def peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a large matrix product: what the machine can do at best."""
    side = 8192 if device.type == "cuda" else 1536
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    timing = interleaved({"mm": lambda: a @ b}, 5, 3, device)["mm"]
    return 2 * side**3 / min(timing.wall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--blocks", type=int, default=6, choices=(6, 9))
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), help="only these")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    device = pick_device(given.device)
    cuda = device.type == "cuda"
    if cuda:
        torch.backends.cudnn.benchmark = True
    names = given.variants or [
        n for n, v in VARIANTS.items() if cuda or not (v[1].cuda_graph or v[0] == "fp16")
    ]
    works = {"reference": reference(given, device)} if given.reference else {}
    works |= {name: ours(given, name, device) for name in names}
    for name, work in list(works.items()):
        try:
            for _ in range(EAGER_STEPS + 1 if cuda else 1):  # by then a recorded step is recorded
                work()
        except RuntimeError as error:  # the others are still to be known
            print(f"{name} left out: {type(error).__name__}: {str(error)[:200]}", flush=True)
            del works[name]
    with FlopCounterMode(display=False) as counter:
        ours(given, "plain", device)()
    flop = counter.get_total_flops()
    found = interleaved(works, given.rounds, given.calls, device)
    set_tf32(True, True)  # a card's peak in fp32 is that of its matrix units
    peaks = {kind: peak(device, dtype) for kind, dtype in
             (("fp32", torch.float32), ("bf16", torch.bfloat16))}  # fmt: skip
    wait(device)
    base = next(iter(found))
    rows, data = [], {}
    for name, timing in found.items():
        middle, low, high = ratio(found[base], timing)
        precision = VARIANTS[name][0] if name in VARIANTS else "fp32"
        rate = flop / timing.median
        rows.append(
            [
                name,
                f"{timing.median:.4f}",
                f"{timing.cpu_median:.4f}",
                f"{middle:.2f} ({low:.2f} to {high:.2f})",
                f"{given.batch / timing.median:.2f}",
                f"{rate / 1e9:.0f}",
                f"{rate / peaks[precision]:.0%}",
            ]
        )
        data[name] = {"wall": timing.wall, "cpu": timing.cpu, "ratio": [middle, low, high]}
    title = (
        f"CycleGAN step, ResNet-{given.blocks}, {given.filters} filters, {given.size}x{given.size}, batch "
        f"{given.batch}: {flop / 1e9:.1f} GFLOP\n{machine(device)}; peak fp32 {peaks['fp32'] / 1e9:.0f}, "
        f"bf16 {peaks['bf16'] / 1e9:.0f} GFLOP/s"
    )
    columns = ["variant", "s/step", "CPU s", f"times {base}", "pairs/s", "GFLOP/s", "of peak"]
    report(title, columns, rows, {"title": title, "flop": flop, "steps": data}, given.json)


if __name__ == "__main__":
    main()
