"""Weights of the keras.io CycleGAN example (``get_resnet_generator``), read without Keras.

Keras saves .weights.h5; .keras, a zip of config.json and model.weights.h5; and, its legacy, .h5.
Layers: https://keras.io/examples/generative/cyclegan/.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from hwan.config import GeneratorConfig
from hwan.errors import UsageError, require
from hwan.nets import build_generator
from hwan.runtime import need

LETTER = {"ab": "G", "ba": "F"}  # the whole model has gen_G (or generator_G) and gen_F
EPSILON = 1e-3  # GroupNormalization's and tensorflow_addons InstanceNormalization's default
# What Keras 3, Keras 2.12 to 2.15 and the legacy file put between a model, its layers and tensors.
BETWEEN = {"layers", "_layer_checkpoint_dependencies", "vars", "model_weights"}
OTHER = {"optimizer", "optimizer_weights", "seed_generators", "top_level_model_weights"}
KINDS = ("transpose", "conv", "norm")  # in this order: conv2d_transpose is not a conv2d
Layer = dict[str, np.ndarray[Any, Any]]  # kernel and bias, or gamma and beta
Description = list[tuple[str, dict[str, Any]]]  # every layer's class and options


def load_generator(
    path: Path, direction: Literal["ab", "ba"]
) -> tuple[nn.Module, GeneratorConfig, int, int]:
    """(network, config, channels in, channels out) of the generator in a Keras file.

    Of a file with the whole CycleGAN, ``direction`` ab takes gen_G, ba gen_F. Raises ``UsageError``
    without the keras-weights extra, and for weights that are not the example's generator.
    """
    models, description = _read(path)
    layers = _choose(path, models, direction)
    parts: dict[str, list[Layer]] = {kind: [] for kind in KINDS}
    for name in sorted(layers, key=_number):
        kind = next((kind for kind in KINDS if kind in name), "")
        _require(bool(kind), path, f"a layer {name} with weights")
        parts[kind].append(layers[name])
    ups, convs, norms = parts.values()
    blocks, odd = divmod(len(convs) - len(ups) - 2, 2)
    fits = blocks >= 0 and not odd and len(norms) == len(convs) - 1 + len(ups)
    found = f"{len(convs)} convolutions, {len(ups)} transposed ones, {len(norms)} norms"
    _require(fits, path, found)
    for part, tensors in ((norms, {"gamma", "beta"}), (convs + ups, {"kernel"})):
        whole = all(tensors <= layer.keys() for layer in part)
        _require(whole, path, f"a layer without {' or '.join(sorted(tensors))}")
    stem, head = convs[0]["kernel"].shape, convs[-1]["kernel"].shape
    config = GeneratorConfig(
        filters=stem[3],
        blocks=blocks,
        downs=len(ups),
        stem=stem[0],
        norm="instance-affine",
        norm_eps=_epsilon(path, description, norms),
        strided_padding="same",
    )
    net = build_generator(config, stem[2], head[3])
    # As they run: a norm after every convolution but the last, where alone a bias counts.
    run: list[Tensor] = []
    for conv, norm in zip([*convs[:-1], *ups], norms, strict=True):
        run += [_kernel(conv), torch.from_numpy(norm["gamma"]), torch.from_numpy(norm["beta"])]
    run += [_kernel(convs[-1]), torch.from_numpy(convs[-1].get("bias", np.zeros(head[3], "f4")))]
    own = net.state_dict()
    shapes, wanted = ([tuple(t.shape) for t in ts] for ts in (run, own.values()))
    _require(shapes == wanted, path, f"layers of shapes {', '.join(map(str, shapes[:4]))} ...")
    _require(all(t.isfinite().all() for t in run), path, "NaN or infinite weights")
    net.load_state_dict(dict(zip(own, run, strict=True)))
    return net.eval().requires_grad_(False), config, stem[2], head[3]


def _kernel(conv: Layer) -> Tensor:
    """(H, W, in, out) as (out, in, H, W); transposed convolutions have both pairs the other way."""
    return torch.from_numpy(conv["kernel"]).permute(3, 2, 0, 1)


def _read(path: Path) -> tuple[dict[str, dict[str, Layer]], Description]:
    """The layers with weights of every model in a file, and the layers its configuration lists."""
    h5py = need("h5py", "keras-weights", "reading Keras' weights")
    config = ""
    try:
        data = path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                config = archive.read("config.json").decode()
                data = archive.read("model.weights.h5")
        found: dict[str, np.ndarray[Any, Any]] = {}
        with h5py.File(io.BytesIO(data), "r") as file:

            def keep(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
                    found[name] = item[()].astype(np.float32)

            file.visititems(keep)  # follows no link out of the file
            config = config or str(file.attrs.get("model_config", ""))
        # In the order they were made; a subclassed model lists none.
        described = json.loads(config)["config"].get("layers", []) if config else []
        description = [(str(item["class_name"]), dict(item["config"])) for item in described]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        fix = "save it again: model.save_weights(...)"
        raise UsageError(f"a file Keras saved at {path}", error, fix) from error
    models: dict[str, dict[str, Layer]] = {}
    for path_inside, value in found.items():
        parts = [part for part in re.split(r"[/\\]", path_inside) if part not in BETWEEN]
        if len(parts) < 2 or OTHER & set(parts):
            continue
        *above, layer, name = parts
        if above[-1:] == [layer]:  # the legacy file says it twice
            above.pop()
        # Keras 2.12 and later number a layer's tensors, in the order they were made.
        names = ("gamma", "beta") if "norm" in layer else ("kernel", "bias")
        name = names[int(name)] if name in ("0", "1") else name.split(":")[0]
        models.setdefault("/".join(above), {}).setdefault(layer, {})[name] = value
    return models, description


def _choose(
    path: Path, models: dict[str, dict[str, Layer]], direction: Literal["ab", "ba"]
) -> dict[str, Layer]:
    """The one generator of a file; of two, the direction's: G and F by name, or as they are numbered
    (Keras 2.15: functional, functional_1), since the example assigns gen_G first."""
    names = [n for n, model in models.items() if any("transpose" in layer for layer in model)]
    if len(names) > 1:
        named = [n for n in names if n.endswith(f"_{LETTER[direction]}")]
        numbered = {re.sub(r"_\d+$", "", n) for n in names} == {names[0]} and len(names) == 2
        names = [sorted(names, key=_number)[direction == "ba"]] if numbered else named
    found = ", ".join(n or "without a name" for n in models) or "none"
    _require(len(names) == 1, path, f"models {found}")
    return models[names[0]]


def _number(name: str) -> int:
    """Keras numbers the layers of a class as it makes them: conv2d, conv2d_1, ... conv2d_10."""
    found = re.search(r"_(\d+)$", name)
    return int(found[1]) if found else 0


def _epsilon(path: Path, description: Description, norms: list[Layer]) -> float:
    """What the norms add to a variance: as the file says, else Keras' default.

    Raises ``UsageError`` where the file describes other layers than the example's.
    """
    paddings = {("Conv2D", 1): "valid", ("Conv2D", 2): "same", ("Conv2DTranspose", 2): "same"}
    for kind, options in description:
        stride, padding = options.get("strides", [0])[0], options.get("padding")
        fits = "Conv2D" not in kind or padding == paddings.get((kind, stride))
        _require(fits, path, f"a {kind} of stride {stride} with padding {padding}")
    described = [(kind, options) for kind, options in description if "Norm" in kind]
    for (kind, options), norm in zip(described, norms, strict=False):
        own = kind != "BatchNormalization" and options.get("groups", -1) in (-1, len(norm["beta"]))
        _require(own, path, f"{kind}, not a norm of each image's each channel")
    epsilons = {float(options["epsilon"]) for _, options in described}
    _require(len(epsilons) < 2, path, f"norms of several epsilons: {sorted(epsilons)}")
    return next(iter(epsilons), EPSILON)


def _require(fits: bool, path: Path, found: str) -> None:
    """Raise ``UsageError``, which says what was ``found`` at ``path``, unless the file ``fits``."""
    expected = "Keras weights of the CycleGAN example's get_resnet_generator"
    fix = "save that generator by itself: model.gen_G.save_weights('gen_G.weights.h5')"
    require(fits, expected, f"{path}: {found}", fix)
