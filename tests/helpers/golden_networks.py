"""Make tests/interop/golden/reference.safetensors: python tests/helpers/golden_networks.py

The file holds small networks with random weights, under the names that pytorch-CycleGAN-and-pix2pix gives
them, an input, and a part of each network's output; test_interop.py imports it. The names come from the
positions of the reference's layers in its Sequentials, not from hwan.interop, which is tested with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from hwan.config import DiscriminatorConfig, GeneratorConfig
from hwan.nets import build_discriminator, build_generator

RESNET = GeneratorConfig(filters=1, blocks=2)
UNET = GeneratorConfig(name="unet", filters=1, downs=5)
NETWORKS: dict[str, GeneratorConfig | DiscriminatorConfig] = {
    "resnet_instance": RESNET,
    "resnet_dropout": replace(RESNET, dropout=0.5),
    "resnet_batch": replace(RESNET, norm="batch"),
    "resnet_none": replace(RESNET, norm="none"),
    "unet_instance": UNET,
    "unet_batch": replace(UNET, norm="batch"),
    "patchgan_instance": DiscriminatorConfig(filters=2, layers=2),
    "patchgan_batch": DiscriminatorConfig(filters=2, layers=3, norm="batch"),
    "patchgan_none": DiscriminatorConfig(filters=2, layers=1, norm="none"),
    "pixel_instance": DiscriminatorConfig("pixel", filters=2),
    "pixel_batch": DiscriminatorConfig("pixel", filters=2, norm="batch"),
}


def layers(config: GeneratorConfig | DiscriminatorConfig) -> Iterator[tuple[str, str, bool]]:
    """(convolution, the norm after it or "", whether it always has a bias), in the reference's order."""
    if isinstance(config, DiscriminatorConfig):
        yield from discriminator_layers(config)
    elif config.name == "unet":
        yield from unet_block("model", config.downs, 0)
    else:
        yield "model.1", "model.2", False
        yield "model.4", "model.5", False
        yield "model.7", "model.8", False
        second = 6 if config.dropout else 5
        for i in range(10, 10 + config.blocks):
            yield f"model.{i}.conv_block.1", f"model.{i}.conv_block.2", False
            yield f"model.{i}.conv_block.{second}", f"model.{i}.conv_block.{second + 1}", False
        up = 10 + config.blocks
        yield f"model.{up}", f"model.{up + 1}", False
        yield f"model.{up + 3}", f"model.{up + 4}", False
        yield f"model.{up + 7}", "", True


def discriminator_layers(config: DiscriminatorConfig) -> Iterator[tuple[str, str, bool]]:
    if config.name == "pixel":
        yield "net.0", "", True
        yield "net.2", "net.3", False
        yield "net.5", "", False
        return
    yield "model.0", "", True
    for i in range(config.layers):
        yield f"model.{2 + 3 * i}", f"model.{3 + 3 * i}", False
    yield f"model.{2 + 3 * config.layers}", "", True


def unet_block(prefix: str, downs: int, depth: int) -> Iterator[tuple[str, str, bool]]:
    """A U-Net block and those inside it."""
    at = f"{prefix}.model"
    if depth == 0:
        yield f"{at}.0", "", False
        yield from unet_block(f"{at}.1", downs, 1)
        yield f"{at}.3", "", True
    elif depth == downs - 1:
        yield f"{at}.1", "", False
        yield f"{at}.3", f"{at}.4", False
    else:
        yield f"{at}.1", f"{at}.2", False
        yield from unet_block(f"{at}.3", downs, depth + 1)
        yield f"{at}.5", f"{at}.6", False


def names(config: GeneratorConfig | DiscriminatorConfig) -> list[str]:
    """The reference's state dict keys."""
    found = []
    for conv, norm, bias in layers(config):
        found.append(f"{conv}.weight")
        if bias or config.norm == "instance":
            found.append(f"{conv}.bias")
        if norm and config.norm == "batch":
            own = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
            found += [f"{norm}.{name}" for name in own]
    return found


def build(config: GeneratorConfig | DiscriminatorConfig, channels: int) -> torch.nn.Module:
    if isinstance(config, GeneratorConfig):
        return build_generator(config, channels, 3).eval()
    return build_discriminator(config, channels).eval()


def make() -> dict[str, Tensor]:
    """input (1, 1, 32, 32); of every network NETWORK/KEY, and NETWORK/output at every fourth pixel."""
    random = torch.Generator().manual_seed(0)
    image = torch.rand((1, 1, 32, 32), generator=random) * 2 - 1
    made = {"input": image}
    for name, config in NETWORKS.items():
        net = build(config, 1)
        own = net.state_dict()
        if config.norm == "none":  # hwan has biases that the reference lacks: they are 0
            idle = [key for key in own if key.endswith(".bias")]
            always = [bias for _, _, bias in layers(config)]
            for key, has_bias in zip(idle, always, strict=True):
                if not has_bias:
                    torch.nn.init.zeros_(own.pop(key))
        for key, value in own.items():
            if key.endswith("running_var"):
                value.uniform_(0.5, 2, generator=random)
            elif value.is_floating_point():
                value.normal_(0, 1 / max(1, value[0].numel()) ** 0.5, generator=random)
        with torch.no_grad():
            made[f"{name}/output"] = net(image)[:, :, ::4, ::4].contiguous()
        for key, value in zip(names(config), own.values(), strict=True):
            made[f"{name}/{key}"] = value.clone()
    return made


if __name__ == "__main__":
    save_file(make(), Path(__file__).parents[1] / "interop" / "golden" / "reference.safetensors")
