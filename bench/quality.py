"""Pictures for the computing: a recipe of hwan beside the reference's own model, judged by a third network.

    python -m bench.quality --data horse2zebra --reference DIR --out DIR --minutes 20 --recognise zebra=340

DIR of --reference is a checkout of pytorch-CycleGAN-and-pix2pix. Its model, networks, losses, optimizers and
pool are its own, by its defaults; its images come from hwan's loader (its data code needs torchvision). Both
see the same training images at the same size, for the same CPU-minutes (all threads together); hwan's length
is set beforehand, by the time of a few steps. Test images are resized to the training's size.

A training that was ended before goes on where it was: hwan's from its state, the reference's anew. Prints a
row a system and seed, and writes grid.png: inputs, then every system's translations, both ways.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from bench.common import machine, report
from hwan import api
from hwan.config import Config, load, save
from hwan.config.recipes import RECIPES, recipe
from hwan.data.augment import fit_and_crop
from hwan.data.folders import Layout, evenly, locate
from hwan.data.loader import stream
from hwan.data.sets import open_set
from hwan.evaluation.feature_networks import parse_class
from hwan.evaluation.images import readable_images
from hwan.evaluation.results import WORDS
from hwan.files import read_json, write_json
from hwan.imaging.pixels import Pixels, to_tensor
from hwan.imaging.pixels import save as save_picture
from hwan.inference.translate import load as load_translator
from hwan.interop import import_weights
from hwan.metrics.distribution import kernel
from hwan.metrics.features import Features, load_lite
from hwan.training.estimate import noise_batches
from hwan.training.loop import choose_step
from hwan.training.plan import length
from hwan.training.state import Training

SHOWN = 8  # pictures a row of the grid


def cpu_seconds_a_step(config: Config) -> float:
    """CPU-seconds of a step on noise, of all threads together."""
    step, micro = choose_step(Training(config, torch.device("cpu"))), noise_batches(config)
    for _ in range(3):
        step(micro, 0.0)
    began = time.process_time()
    for _ in range(10):
        step(micro, 0.0)
    return (time.process_time() - began) / 10


def train_hwan(config: Config, data: Path, out: Path, minutes: float) -> tuple[int, float]:
    """Train for about so many CPU-minutes; (pairs seen, CPU-minutes taken). Goes on with what is there."""
    told = out / "cpu.json"
    if (out / "state").exists():
        config = load(out / "config.json")
    else:
        pairs = minutes * 60 / cpu_seconds_a_step(config)
        epoch = length(replace(config, train=replace(config.train, epochs=1.0)), [data])
        config = replace(config, train=replace(config.train, epochs=pairs / epoch))
    found = read_json(told) if told.exists() else {"minutes": 0.0, "whole": False}
    if not found["whole"]:
        began = time.process_time()
        try:
            going_on = (out / "state").exists()
            api.train(config, data, out, "cpu", resume=going_on, progress=True)
            found["whole"] = True
        finally:
            found["minutes"] += (time.process_time() - began) / 60
            write_json(told, found)
    return load_translator(out).spec.images, found["minutes"]


def train_reference(
    given: argparse.Namespace, config: Config, out: Path, seed: int
) -> tuple[int, float]:
    """The same of the reference's CycleGANModel, as its train.py makes it by default (its learning rate
    stays for the first 100 epochs). Writes its generators as generator folders into ``out``."""
    told = out / "cpu.json"
    if told.exists():
        found = read_json(told)
        return found["pairs"], found["minutes"]
    sys.path.insert(0, str(given.reference.resolve()))
    model: Any = importlib.import_module("models.cycle_gan_model")
    torch.manual_seed(seed)
    options = SimpleNamespace(
        gpu_ids=[], isTrain=True, checkpoints_dir="", name="bench", preprocess="resize_and_crop",
        lambda_identity=0.5, lambda_A=10.0, lambda_B=10.0, input_nc=3, output_nc=3,
        ngf=given.filters, ndf=given.filters, netG=f"resnet_{given.blocks}blocks", netD="basic",
        n_layers_D=3, norm="instance", no_dropout=True, init_type="normal", init_gain=0.02,
        pool_size=50, gan_mode="lsgan", lr=2e-4, beta1=0.5, direction="AtoB",
    )  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        made = model.CycleGANModel(options)
    layout = locate([given.data], config.data.pairs)
    batches = stream(open_set(layout, config), config.data, seed, 0, 1, 1, False)
    began = time.process_time()
    for seen in count(1):
        batch = next(batches)
        made.set_input(
            {"A": to_tensor(batch.a), "B": to_tensor(batch.b), "A_paths": "", "B_paths": ""}
        )
        made.optimize_parameters()
        taken = (time.process_time() - began) / 60
        if seen % 50 == 0:
            print(
                f"reference, seed {seed}: {seen} pairs, {taken:.1f} CPU-min",
                file=sys.stderr,
                flush=True,
            )
        if taken >= given.minutes:
            break
    out.mkdir(parents=True, exist_ok=True)
    for direction, net in (("ab", made.netG_A), ("ba", made.netG_B)):
        file = out / f"latest_net_G_{'A' if direction == 'ab' else 'B'}.pth"
        torch.save(net.state_dict(), file)
        import_weights(file, out / f"generator_{direction}")
    write_json(told, {"pairs": seen, "minutes": taken})
    return seen, taken


def test_images(layout: Layout, config: Config) -> dict[str, list[Pixels]]:
    """Every test image, the whole of it at the size of the training's crops."""
    whole, found = replace(config.data, resize=config.data.size), {}
    domains = (
        ("a", layout.test_a, config.data.format_a),
        ("b", layout.test_b, config.data.format_b),
    )
    for domain, folder, pixel_format in domains:
        if folder is None:
            raise SystemExit("--data needs testA and testB")
        images = readable_images(folder, pixel_format)
        found[domain] = [fit_and_crop(pixels, whole) for _, pixels in images]
    return found


def figures(
    outputs: list[Pixels], reals: torch.Tensor, config: Config, net: Features, number: int | None
) -> dict[str, float]:
    described = net.of(outputs, config.data.format_b)
    found = {"kid": kernel(described, reals)[0]}
    if number is not None and net.classify:
        found["recognised"] = float((net.classify(described) == number).double().mean())
    return found


def rows_of(pictures: list[list[Pixels]]) -> Pixels:
    """Rows of pictures of one size, one below the other."""
    return np.concatenate([np.concatenate(row, axis=1) for row in pictures], axis=0)


def systems(given: argparse.Namespace, config: Config) -> Iterator[tuple[str, Path, int, float]]:
    """Every system that is trained (or was): its name, folder, pairs and CPU-minutes."""
    for seed in given.seeds:
        own = replace(config, train=replace(config.train, seed=seed))
        folder = given.out / f"hwan-{seed}"
        yield (
            f"hwan {given.recipe}, seed {seed}",
            folder,
            *train_hwan(own, given.data, folder, given.minutes),
        )
        if given.reference:
            folder = given.out / f"reference-{seed}"
            yield f"reference, seed {seed}", folder, *train_reference(given, own, folder, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20.0, help="CPU-minutes of each training")
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="quick")
    parser.add_argument("--size", type=int)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--filters", type=int, default=64, help="the reference's width")
    parser.add_argument(
        "--blocks", type=int, default=9, help="the reference's residual blocks: 6 or 9"
    )
    parser.add_argument("--recognise", help="NAME=NUMBER of an ImageNet class")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    config = recipe(given.recipe, given.size)
    save(config, given.out / "recipe.json")
    number = parse_class(given.recognise)[1] if given.recognise else None
    net = load_lite("lite2")
    tests = test_images(locate([given.data], config.data.pairs), config)
    reals = {domain: net.of(images, config.data.format_b) for domain, images in tests.items()}
    shown = {
        d: [images[i] for i in evenly(range(len(images)), SHOWN)] for d, images in tests.items()
    }
    grid = {"ab": [shown["a"]], "ba": [shown["b"]]}
    lines = []

    def line(name: str, direction: str, outputs: list[Pixels], pairs: str, minutes: str) -> None:
        found = figures(outputs, reals[direction[1]], config, net, number)
        share = f"{found['recognised']:.1%}" if "recognised" in found else "-"
        lines.append([name, WORDS[direction], pairs, minutes, share, f"{found['kid']:.4f}"])

    for direction in ("ab", "ba"):
        line("input as it is", direction, tests[direction[0]], "-", "-")
        line("real", direction, tests[direction[1]], "-", "-")
    for name, folder, pairs, minutes in systems(given, config):
        for direction in config.directions:
            translator = load_translator(folder, "cpu", direction)
            outputs = [translator.pixels(image) for image in tests[direction[0]]]
            line(name, direction, outputs, str(pairs), f"{minutes:.1f}")
            grid[direction].append([outputs[i] for i in evenly(range(len(outputs)), SHOWN)])
    pictures = rows_of(grid["ab"] + grid["ba"])
    save_picture(pictures, given.out / "grid.png")
    columns = [
        "system",
        "direction",
        "pairs",
        "CPU-min",
        given.recognise or "recognised",
        "KID (Lite2)",
    ]
    title = f"{machine(torch.device('cpu'))}; {config.data.size} pixels, {given.minutes:g} CPU-minutes each"
    report(title, columns, lines, lines, given.out / "figures.json")
    print(f"grid: {given.out / 'grid.png'}")


if __name__ == "__main__":
    main()
