"""Pictures for the computing: a recipe of hwan beside the reference's own model, judged by other networks.

    python -m bench.quality --data horse2zebra --reference DIR --out DIR --minutes 20 --recognise zebra=340

DIR of --reference is a checkout of pytorch-CycleGAN-and-pix2pix. Its model, networks, losses, optimizers and
pool are its own, by its defaults, so its learning rate does not fall within so short a training; its images
come from hwan's loader (its data code needs torchvision). Both see the same training images at one size.
hwan's length is set beforehand by the time of a few steps; the reference is given the CPU-minutes (of all
threads together) that hwan took. Test images are fitted to the training's size.

Judges: EfficientNet-Lite2, a sibling of what the recipe quick trains against, and beside it an unrelated
network: Inception where its weights are found, else one that is trained on the data. A training that was
ended goes on where it was: hwan's from its state, the reference's anew. Prints a row a system, seed and
direction, and writes figures.json and grid-ab.png, grid-ba.png: inputs, then every system's translations.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from bench.common import machine, report
from hwan import api
from hwan.config import Config, PixelFormat, load
from hwan.config.recipes import RECIPES, recipe
from hwan.data.augment import fit_and_crop
from hwan.data.folders import Layout, evenly, locate
from hwan.data.loader import stream
from hwan.data.sets import open_set
from hwan.evaluation.feature_networks import parse_class, pick_features
from hwan.evaluation.images import readable_images
from hwan.evaluation.results import WORDS
from hwan.files import read_json, write_json
from hwan.imaging.pixels import Pixels, to_tensor
from hwan.imaging.pixels import save as save_picture
from hwan.inference.translate import load as load_translator
from hwan.interop import import_weights
from hwan.metrics.distribution import kernel
from hwan.metrics.features import Features
from hwan.training.estimate import noise_batches
from hwan.training.loop import choose_step
from hwan.training.plan import length
from hwan.training.state import Training

SHOWN = 8  # pictures a row of the grid


def cpu_seconds_a_pair(config: Config) -> float:
    """CPU-seconds that steps on noise take for a pair, of all threads together."""
    step, micro = choose_step(Training(config, torch.device("cpu"))), noise_batches(config)
    for _ in range(3):
        step(micro, 0.0)
    began = time.process_time()
    for _ in range(10):
        step(micro, 0.0)
    return (time.process_time() - began) / 10 / (config.train.batch * config.train.accumulate)


def train_hwan(config: Config, data: Path, out: Path, minutes: float) -> tuple[int, float]:
    """Train for about so many CPU-minutes; (pairs seen, CPU-minutes taken). Goes on with what is there."""
    told = out / "cpu.json"
    if (out / "state").exists():
        config = load(out / "config.json")
    else:
        pairs = minutes * 60 / cpu_seconds_a_pair(config)
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
    given: argparse.Namespace, config: Config, out: Path, minutes: float
) -> tuple[int, float]:
    """The same of the reference's CycleGANModel, as its train.py makes it by default (its learning rate
    stays for the first 100 epochs). Writes its generators as generator folders into ``out``."""
    told = out / "cpu.json"
    if told.exists():
        found = read_json(told)
        return found["pairs"], found["minutes"]
    sys.path.insert(0, str(given.reference.resolve()))
    model: Any = importlib.import_module("models.cycle_gan_model")
    seed = config.train.seed
    torch.manual_seed(seed)
    random.seed(seed)  # its pool's
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
    batches = stream(
        open_set(layout, config), config.data, seed, start=0, size=1, workers=1, pinned=False
    )
    began = time.process_time()
    for seen in count(1):
        batch = next(batches)
        made.set_input(
            {
                "A": to_tensor(batch.a, config.data.range_a),
                "B": to_tensor(batch.b, config.data.range_b),
                "A_paths": "",
                "B_paths": "",
            }
        )
        made.optimize_parameters()
        taken = (time.process_time() - began) / 60
        if seen % 50 == 0:
            print(
                f"reference, seed {seed}: {seen} pairs, {taken:.1f} CPU-min",
                file=sys.stderr,
                flush=True,
            )
        if taken >= minutes:
            break
    out.mkdir(parents=True, exist_ok=True)
    for direction, net in (("ab", made.netG_A), ("ba", made.netG_B)):
        file = out / f"latest_net_G_{'A' if direction == 'ab' else 'B'}.pth"
        torch.save(net.state_dict(), file)
        import_weights(file, out / f"generator_{direction}")
    write_json(told, {"pairs": seen, "minutes": taken})
    return seen, taken


def test_images(layout: Layout, config: Config) -> dict[str, list[Pixels]]:
    """Every test image of each domain, fitted to the size of the training's crops."""
    fitted, found = replace(config.data, resize=config.data.size), {}
    for domain, folder in (("a", layout.test_a), ("b", layout.test_b)):
        if folder is None:
            raise SystemExit("--data needs testA and testB")
        images = readable_images(folder, formats(config)[domain])
        found[domain] = [fit_and_crop(pixels, fitted) for _, pixels in images]
    return found


def formats(config: Config) -> dict[str, PixelFormat]:
    return {"a": config.data.format_a, "b": config.data.format_b}


@dataclass(frozen=True)
class Judges:
    """The networks, and what they see in the real test images of each domain."""

    networks: list[Features]
    reals: dict[str, list[torch.Tensor]]
    formats: dict[str, PixelFormat]
    number: int | None
    """The class whose share is told, of the direction ab."""

    def row(self, pictures: list[Pixels], domain: str, real: bool = False) -> list[str]:
        """The share recognised, and the KID by each network (not of the real test images themselves)."""
        seen = [net.of(pictures, self.formats[domain]) for net in self.networks]
        classify, share = self.networks[0].classify, "-"
        if self.number is not None and classify:
            share = f"{float((classify(seen[0]) == self.number).double().mean()):.1%}"
        pairs = zip(seen, self.reals[domain], strict=True)
        return [share, *("-" if real else f"{kernel(*pair)[0]:.4f}" for pair in pairs)]


def grid(rows: list[list[Pixels]]) -> Pixels:
    """Rows of pictures of one size, one below the other; grey is shown as colours are."""
    shown = [[np.repeat(p, 3 // p.shape[2], axis=2) for p in row] for row in rows]
    return np.concatenate([np.concatenate(row, axis=1) for row in shown], axis=0)


def systems(given: argparse.Namespace, config: Config) -> Iterator[tuple[str, Path, int, float]]:
    """Every system that is trained (or was): its name, folder, pairs and CPU-minutes."""
    for seed in given.seeds:
        own = replace(config, train=replace(config.train, seed=seed))
        folder = given.out / f"hwan-{seed}"
        pairs, minutes = train_hwan(own, given.data, folder, given.minutes)
        yield f"hwan {given.recipe}, seed {seed}", folder, pairs, minutes
        if given.reference:
            folder = given.out / f"reference-{seed}"
            pairs, minutes = train_reference(given, own, folder, minutes)
            yield f"reference, seed {seed}", folder, pairs, minutes


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
    parser.add_argument("--blocks", type=int, default=9, help="the reference's blocks: 6 or 9")
    parser.add_argument("--recognise", help="NAME=NUMBER of an ImageNet class, told of A to B")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    config, layout = recipe(given.recipe, given.size), locate([given.data])
    names = ("data", "minutes", "recipe", "size", "threads", "filters", "blocks")
    asked = {name: str(vars(given)[name]) for name in names}
    told = given.out / "asked.json"
    if told.exists() and read_json(told) != asked:
        raise SystemExit(
            f"{given.out} holds trainings of other options ({read_json(told)}): give another --out"
        )
    write_json(told, asked)
    tests = test_images(layout, config)
    networks, _ = pick_features("lite2", layout, config)
    reals = {
        d: [net.of(images, formats(config)[d]) for net in networks] for d, images in tests.items()
    }
    number = parse_class(given.recognise)[1] if given.recognise else None
    judges = Judges(networks, reals, formats(config), number)
    rows: dict[str, list[list[Pixels]]] = {}
    lines: list[list[str]] = []
    chosen = {d: evenly(range(len(images)), SHOWN) for d, images in tests.items()}
    for direction in config.directions:
        a, b = direction[0], direction[1]
        for name, domain in (("input as it is", a), ("real", b)):
            row = judges.row(tests[domain], b, name == "real")
            lines.append([name, WORDS[direction], "-", "-", *row])
        rows[direction] = [[tests[a][i] for i in chosen[a]]]
    for name, folder, pairs, minutes in systems(given, config):
        for direction in config.directions:
            a, b = direction[0], direction[1]
            translator = load_translator(folder, "cpu", direction)
            outputs = [translator.pixels(image) for image in tests[a]]
            lines.append(
                [name, WORDS[direction], str(pairs), f"{minutes:.1f}", *judges.row(outputs, b)]
            )
            print(" ".join(lines[-1]), file=sys.stderr, flush=True)
            rows[direction].append([outputs[i] for i in chosen[a]])
    columns = ["system", "direction", "pairs", "CPU-min", given.recognise or "recognised"]
    columns += [f"KID, {net.name.split(' (')[0]}" for net in networks]
    length = f"{config.data.size} pixels, about {given.minutes:g} CPU-minutes each"
    title = f"{machine(torch.device('cpu'))}; {length}"
    records = [dict(zip(columns, line, strict=True)) for line in lines]
    report(title, columns, lines, {"title": title, "rows": records}, given.out / "figures.json")
    for direction, pictures in rows.items():
        save_picture(grid(pictures), given.out / f"grid-{direction}.png")
        print(f"grid: {given.out / f'grid-{direction}.png'}")


if __name__ == "__main__":
    main()
