"""What generators and discriminators have in common: norms by one record each, names, shared rules.

docs/guide/networks.md says when each is of use.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from hwan.errors import Bound, Count, Weight

Norm = Literal[
    "instance", "instance-affine", "batch", "layer", "group", "whitening", "weight", "spectral", "none"
]  # fmt: skip
Padding = Literal["reflect", "replicate", "zero", "circular"]
Upsampling = Literal["transposed", "nearest", "bilinear", "shuffle"]
Activation = Literal["relu", "leaky", "elu", "gelu", "silu", "tanh", "sigmoid"]
Init = Literal["normal", "truncated", "xavier", "kaiming", "orthogonal"]


@dataclass(frozen=True)
class NormRecord:
    """The facts about a norm that rules and other rooms ask for."""

    options: tuple[str, ...] = ()
    """The networks' options that this norm reads and some others do not."""
    mixes_batch: bool = False
    """While training, images of a batch change each other's outputs, and statistics are averaged."""
    updates_in_forward: bool = False
    """A forward pass while training moves an estimate, so two calls are not one call on both."""
    whole_image: bool = False
    """When translating, statistics are the whole image's, so tiles come out otherwise."""
    absorbs_bias: bool = False
    """The mean is subtracted and a shift learned, so a convolution before it needs no bias."""
    whitens: bool = False
    """Eigenvectors of channels: needs more pixels than channels, works on the host, has no ONNX."""


_SCALE = ("norm_eps", "gamma_mean", "gamma_std")
_BATCH = NormRecord(_SCALE, mixes_batch=True, updates_in_forward=True, absorbs_bias=True)
NORM_RECORDS: dict[Norm, NormRecord] = {
    "instance": NormRecord(("norm_eps",), whole_image=True),
    "instance-affine": NormRecord(_SCALE, whole_image=True, absorbs_bias=True),
    "batch": _BATCH,
    "layer": NormRecord(_SCALE, whole_image=True),
    "group": NormRecord(("groups", *_SCALE), whole_image=True),
    "whitening": replace(_BATCH, options=("whitening_channels", *_SCALE), whitens=True),
    "weight": NormRecord(),
    "spectral": NormRecord(updates_in_forward=True),
    "none": NormRecord(),
}


@dataclass(frozen=True)
class NetworkConfig:
    """The options that generators and discriminators share."""

    name: str = ""
    filters: Count = 64
    """Width of the first layer."""
    norm: Norm = "instance"
    """Normalisation after each convolution but a generator's last, and a discriminator's first and last;
    weight and spectral normalise every convolution's weights instead."""
    groups: Count = 32
    """Groups of channels under norm group: this many, or the next fewer that divide the channels."""
    whitening_channels: Count = 16
    """Channels whitened together under norm whitening: this many, or the next fewer that divide."""
    norm_eps: Annotated[float, Bound(above=0)] = 1e-5
    """What norms add to a variance (Keras' example: 1e-3)."""
    init: Init = "normal"
    """normal: weights of N(0, gain), as the papers; truncated: the same, none beyond two gains;
    xavier, kaiming, orthogonal: scaled by each layer's width, times gain."""
    gain: Weight = 0.02
    """Scale of the initial weights; 1 suits all but normal and truncated."""
    gamma_mean: float = 1.0
    """Mean of the initial scales of norms that learn one (Keras' example: 0)."""
    gamma_std: Weight = 0.02
    """Standard deviation of those scales."""

    @property
    def norm_record(self) -> NormRecord:
        """The facts about its norm."""
        return NORM_RECORDS[self.norm]
