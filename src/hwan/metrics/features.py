"""What turns pictures into features for the figures of whole sets, and the weights behind it.

Nothing is downloaded. Inception's weights are looked for where the usual packages keep them
(``found``), or given; ``metrics/selfnet.py`` is a network of hwan's own.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

from hwan.config import PixelFormat
from hwan.errors import UsageError, require
from hwan.files import cache_root
from hwan.imaging.pixels import Pixels, resize, to_unit
from hwan.metrics.inception import FEATURES, Inception
from hwan.nets.efficientnet_lite import load_efficientnet

Resizing = Literal["clean", "legacy"]
BATCH = 16
FID = ("fid", "kid")
INCEPTION = (
    "pt_inception-2015-12-05-6726825d.pth",  # pytorch-fid
    "weights-inception-2015-12-05-6726825d.pth",  # torch-fidelity, torchmetrics
    "inception-2015-12-05.pt",  # clean-fid, StyleGAN: TorchScript
)
ALEXNET = ("alexnet-owt-7be5be79.pth", "alexnet-owt-4df8aa71.pth")  # torchvision's
HOW = {
    "clean": "bicubic, antialiased, not rounded (Parmar et al. 2022)",
    "legacy": "bilinear as TensorFlow 1, not antialiased",
}


@dataclass(frozen=True)
class Features:
    """A feature network. ``net`` takes (B, ``channels``, ``side``, ``side``) in [-1, 1] to (B, D).
    ``digest`` is the SHA-256 of its weights; ``distances`` names what the Fréchet and the kernel distance
    of its features are called in the results: only Inception's are the FID and the KID. ``classify`` gives
    the ImageNet class (B,) by features (B, D), of a network that is a classifier."""

    name: str
    digest: str
    net: Callable[[Tensor], Tensor]
    side: int
    channels: int = 3
    distances: tuple[str, str] = ("frechet", "mmd")
    resizing: Resizing = "clean"
    device: str = "cpu"
    classify: Callable[[Tensor], Tensor] | None = None

    @property
    def protocol(self) -> dict[str, str]:
        """How features are taken, in words."""
        return {
            "feature network": self.name,
            "weights, SHA-256": self.digest,
            "resizing": f"{self.resizing}: {HOW[self.resizing]}, to {self.side}x{self.side}",
        }

    @torch.no_grad()
    def of(self, pictures: Iterable[Pixels], pixel_format: PixelFormat) -> Float[Tensor, "n d"]:
        """The features of pictures of any size; ``pixel_format`` says their depth and range. A grey one is
        repeated for a network of colour."""
        squares = (self.square(picture, pixel_format) for picture in pictures)
        found = []
        while batch := list(islice(squares, BATCH)):
            alike = all(torch.equal(batch[0], other) for other in batch)  # the mean picture, say
            inputs = torch.stack(batch[:1] if alike else batch).to(self.device)
            found.append(self.net(inputs).float().cpu().expand(len(batch), -1))
        return torch.cat(found) if found else torch.zeros(0, 0)

    def square(self, picture: Pixels, pixel_format: PixelFormat) -> Float[Tensor, "c s s"]:
        """One picture as the network takes it."""
        values = to_unit(picture, pixel_format).astype(np.float32)
        if values.shape[2] != self.channels:
            values = values.repeat(self.channels, axis=2)
        if self.resizing == "clean":
            values = clean_resize(values, self.side)
        tensor = torch.from_numpy(values).permute(2, 0, 1)
        if self.resizing == "legacy":
            tensor = legacy_resize(tensor, self.side)
        return tensor.contiguous() * 2 - 1


def clean_resize(values: np.ndarray, side: int) -> np.ndarray:
    """(H, W, C) floats in 0..1 to a square, bicubic and antialiased, channel by channel and without
    rounding to bytes; overshoot is clipped to 0..1. As clean-fid (Parmar et al. 2022) does."""
    planes = [resize(values[:, :, c : c + 1], side, side) for c in range(values.shape[2])]
    return np.concatenate(planes, axis=2).clip(0, 1)


def legacy_resize(x: Float[Tensor, "c h w"], side: int) -> Float[Tensor, "c s s"]:
    """Bilinear as TensorFlow 1's: pixel i of the result is read at i * H / side, between two pixels
    whatever the scale, so a large picture aliases. What the first FIDs were taken with."""
    for _ in range(2):  # rows, then columns, each as the last axis
        x = x.mT
        places = torch.arange(side, dtype=torch.float64) * x.shape[2] / side
        low = places.long()
        below, above = x[..., low], x[..., (low + 1).clamp(max=x.shape[2] - 1)]
        x = below + (above - below) * (places - low).to(x.dtype)
    return x


def load_inception(path: Path, resizing: Resizing = "clean", device: str = "cpu") -> Features:
    """Inception from a weight file (a state dict by pytorch-fid's names) or a TorchScript file that
    brings its own network, as clean-fid and StyleGAN use. The file is read without running pickled code.

    Raises ``UsageError`` for a file that is neither, and for torchvision's Inception.
    """
    fit = "auto, none, self or a weight file of FID's Inception or TorchScript for --features"
    require(path.is_file(), fit, f"{path}: no such file", where_to_put(INCEPTION))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    published = digest.startswith("6726825d")  # the file that published figures were taken with
    note = "" if published else " (not the file of published figures: compare by its hash)"
    if not _is_script(path):
        net = load_weights(Inception(), path, fit, INCEPTION, leave_out="fc.").to(device)
        name = "Inception v3 of 2015-12-05" + note
        return Features(name, digest, net, 299, 3, FID, resizing, device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # what replaces it reads no such file
        script = torch.jit.load(path, map_location=device)  # type: ignore[no-untyped-call]
    # StyleGAN's file resizes by itself unless only its layers are run; they take -1..1.
    layers = dict(script.named_children()).get("layers", script)
    run = nn.Sequential(layers, nn.Flatten())
    try:
        _, width = run(torch.zeros(1, 3, 299, 299, device=device)).shape
    except (RuntimeError, TypeError) as error:
        reason = f"{path}: TorchScript: {str(error).strip().splitlines()[-1]}"
        raise UsageError(fit, reason, where_to_put(INCEPTION)) from error
    distances = FID if width == FEATURES else ("frechet", "mmd")
    name = f"TorchScript network of {width} features{note}"
    return Features(name, digest, run, 299, 3, distances, resizing, device)


def load_lite(network: str, device: str = "cpu") -> Features:
    """EfficientNet-Lite (``lite0``, ``lite1``, ``lite2``): the features before its classes, at 224 pixels.

    Raises ``UsageError`` where its package is not installed.
    """
    net = load_efficientnet(network).to(device)

    def classify(features: Tensor) -> Tensor:
        return linear(features, net.fc_weight.cpu(), net.fc_bias.cpu()).argmax(1)

    name, distances = f"EfficientNet-{net.name.title()}", ("frechet_lite", "kid_lite")
    return Features(name, net.digest, net.pooled, 224, 3, distances, "clean", device, classify)


def _is_script(path: Path) -> bool:
    """TorchScript is a zip file with code in it."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as file:
        return any("/code/" in name for name in file.namelist())


def load_weights(
    net: nn.Module, path: Path, fit: str, names: Sequence[str], leave_out: str
) -> nn.Module:
    """``net`` in eval mode with the weights in ``path``, but for those whose key starts with
    ``leave_out``. No pickled code is run.

    Raises ``UsageError`` for any other file: ``fit`` says what was expected, ``names`` are files that do.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise TypeError(type(state).__name__)
        if any(str(key).startswith("AuxLogits") for key in state):
            raise ValueError("torchvision's Inception, whose features give another number than FID")
        net.load_state_dict({k: v for k, v in state.items() if not str(k).startswith(leave_out)})
    except Exception as error:  # torch raises a dozen kinds for a file that is none of its own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UsageError(fit, f"{path}: {reason}", where_to_put(names)) from error
    return net.eval()


def weight_folders() -> tuple[Path, ...]:
    """Where weights are looked for: hwan's own folder, torch hub's, the temporary one, StyleGAN's."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    hub = Path(torch.hub.get_dir()) / "checkpoints"
    return cache_root() / "weights", hub, Path(tempfile.gettempdir()), cache / "dnnlib/downloads"


def find(names: Sequence[str]) -> Path | None:
    """The first weight file of one of ``names`` in the usual places; StyleGAN puts a hash before it."""
    folders = weight_folders()
    plain = [folder / name for folder in folders for name in names]
    hashed = [path for name in names for path in sorted(folders[-1].glob(f"*_{name}"))]
    return next(filter(Path.is_file, plain + hashed), None)


def where_to_put(names: Sequence[str]) -> str:
    """A sentence on how to make weights known; hwan downloads none."""
    return f"put {' or '.join(names)} into {weight_folders()[0]}"
