"""Make tests/training/golden/*.safetensors: python tests/helpers/golden_training.py REFERENCE

REFERENCE is a checkout of junyanz/pytorch-CycleGAN-and-pix2pix; the committed files were made with
commit 284a83f5955d20fc5bd2eea81ea56086655a50ee and torch 2.13, in float32 on a CPU. The reference's own model
classes compute the losses, hold the optimizers and take the steps. This script only replaces the networks
by smaller ones of the reference's own classes, draws the inputs, and writes down what comes out:

- ``init/NET/KEY`` and ``final/NET/KEY``: weights before the first step and after the last, under the
  reference's names; ``inputs/a`` and ``inputs/b``: one image a step, (steps, H, W, 3) uint8, which the
  reference saw as ``x / 127.5 - 1``;
- in the file's metadata ``losses``: one JSON object a step, under the reference's names.

The pool is off and there is no dropout, so that nothing is random.
"""

from __future__ import annotations

import importlib
import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

GOLDEN = Path(__file__).parents[1] / "training" / "golden"
SIDE = 32
OPTIONS = {
    "input_nc": 3, "output_nc": 3, "ngf": 2, "ndf": 2, "netG": "small", "netD": "basic",
    "n_layers_D": 3, "no_dropout": True, "init_type": "normal", "init_gain": 0.02,
    "lr": 0.0002, "beta1": 0.5, "pool_size": 0, "direction": "AtoB",
    "lambda_A": 10.0, "lambda_B": 10.0, "lambda_identity": 0.5, "lambda_L1": 100.0,
    "gpu_ids": [], "isTrain": True, "checkpoints_dir": "", "name": "", "preprocess": "",
}  # fmt: skip
METHODS: dict[str, tuple[str, int, dict[str, str]]] = {
    "cyclegan": ("CycleGANModel", 3, {"norm": "instance", "gan_mode": "lsgan"}),
    "pix2pix": ("Pix2PixModel", 2, {"norm": "batch", "gan_mode": "vanilla"}),
}
"""The reference's class, the number of steps and the options of each method."""


def make(method: str) -> None:
    """Train with the reference's class and write the file."""
    networks: Any = importlib.import_module("models.networks")
    module: Any = importlib.import_module(f"models.{method.replace('gan', '_gan')}_model")
    name, steps, options = METHODS[method]

    def small(*_: object) -> torch.nn.Module:
        norm = networks.get_norm_layer(options["norm"])
        if method == "pix2pix":
            net = networks.UnetGenerator(3, 3, 5, 1, norm)
        else:
            net = networks.ResnetGenerator(3, 3, 2, norm, n_blocks=2)
        return networks.init_net(net)  # type: ignore[no-any-return]

    networks.define_G = small
    torch.manual_seed(0)
    model = getattr(module, name)(Namespace(**OPTIONS, **options))
    found: dict[str, torch.Tensor] = {}

    def keep(when: str) -> None:
        for name in model.model_names:
            for key, value in getattr(model, f"net{name}").state_dict().items():
                found[f"{when}/{name}/{key}"] = value.clone()

    for name in model.model_names:  # biases start at 0: let them count from the first step
        for key, value in getattr(model, f"net{name}").named_parameters():
            if key.endswith("bias"):
                torch.nn.init.normal_(value, 0, 0.1)
    keep("init")
    a, b = torch.randint(0, 256, (2, steps, SIDE, SIDE, 3)).byte()
    losses = []
    for step in range(steps):
        real = {
            side: x[step : step + 1].permute(0, 3, 1, 2).float() / 127.5 - 1
            for side, x in (("A", a), ("B", b))
        }
        model.set_input({**real, "A_paths": [], "B_paths": []})
        model.optimize_parameters()
        losses.append({name: getattr(model, f"loss_{name}").item() for name in model.loss_names})
    keep("final")
    found |= {"inputs/a": a, "inputs/b": b}
    GOLDEN.mkdir(exist_ok=True)
    file = GOLDEN / f"{method}.safetensors"
    save_file(found, file, {"losses": json.dumps(losses)})
    file.chmod(0o644)


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    for each in METHODS:
        make(each)
