"""Figures that say whether a training is healthy, without a true image to compare with.

Collapse has three figures, since each misses a case alone: one picture for all inputs is seen by
``diversity``, a handful of pictures by ``modes``, pictures that have nothing to do with their inputs
by ``dependence``. ``steganography`` sees a way back that reads what no eye sees, ``inversion``
negatives, ``saturation`` a discriminator that teaches nothing more. Thresholds and advice are in
``hwan.metrics.health_limits``.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from math import log, nan

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, l1_loss, normalize
from torch.nn.utils import get_total_norm

from hwan.config import Gan
from hwan.errors import require
from hwan.imaging.codecs import to_pil
from hwan.imaging.pixels import LUMA, Bytes, to_pixels, to_tensor

SIDE = 32
"""Images are reduced to at most this side: cheap, and pixel noise is not counted as variety."""
EDGE_SIDE = 64
"""Edges are compared at most at this side: what is where, to about a pixel of a small training."""
SAME = 0.25
"""Two pictures nearer than this share of the mean distance of real ones are one mode."""
LEVEL = 2 / 255
"""One level of 8 bits in [-1, 1]."""


def diversity(outputs: Float[Tensor, "n c h w"], reals: Float[Tensor, "m c y x"]) -> float:
    """How varied the outputs are beside the real pictures of their domain. It shows mode collapse (T2),
    where a generator gives one picture whatever it is shown.

    The mean L1 distance over all pairs of ``outputs``, divided by that over all pairs of ``reals``,
    both averaged down by area to the same size of at most 32x32. 0: one picture for every input;
    about 1: as varied as the real ones. Any range, as long as both have the same. It is nan where
    the real pictures are all equal, since nothing is then known of the domain's variety.

    Raises ``UsageError`` for fewer than 2 images of either, or another number of channels.
    """
    _comparable(outputs, reals)
    spread, real = (_spread(_distances(images)) for images in _reduced(outputs, reals))
    return spread / real if real > 0 else nan


def modes(
    outputs: Float[Tensor, "n co h w"],
    reals: Float[Tensor, "m co y x"],
    inputs: Float[Tensor, "n ci v u"],
) -> float:
    """The share of different inputs that have an output of their own: it also shows mode collapse,
    where a generator knows a few good pictures and no more.

    Pictures nearer to one another than ``SAME`` of the mean distance of real ones are one mode; an
    image opens a new mode if it belongs to none opened before it (in the order given). Modes of the
    outputs over modes of the inputs (whose measure is their own mean distance), at most 1; 1/n where
    one output serves n different inputs. nan where the real pictures or the inputs are all equal.

    Raises ``UsageError`` as :func:`diversity`, and where ``inputs`` are not as many as ``outputs``.
    """
    _comparable(outputs, reals)
    _one_each(outputs, inputs)
    fakes, real, given = map(_distances, (*_reduced(outputs, reals), *_reduced(inputs)))
    if not _spread(real) or not _spread(given):
        return nan
    return min(1.0, _modes(fakes, _spread(real)) / _modes(given, _spread(given)))


def dependence(outputs: Float[Tensor, "n co h w"], inputs: Float[Tensor, "n ci y x"]) -> float:
    """How surely an output is traced back to its own input among the others (retrieval), over how surely
    an input itself is.

    Likeness is Pearson's correlation of two pictures' edges over places at most 64x64; edges are the
    square roots of the sums, over channels, of absolute differences of neighbours (roots, so that a
    few strong edges do not outweigh all others). So it asks where things are, not what brightness or
    colour they have: negatives, other colours and lost means (instance norm) are no loss. With w the
    share of pairs i != j in which output i is more like its own input than like input j (ties count
    half), the figure is (2 w - 1) over the same of the inputs among themselves, which is below 1 where
    inputs are alike. 1: every output follows its input; 0 by chance: they could be anybody's, as those
    of a collapsed generator, or of one that makes fine pictures and heeds no input. Chance scatters
    by about 0.6 / sqrt(n).

    It asks for pictures that keep their places, as all of hwan's methods do. nan where the inputs
    cannot be told from one another. Raises ``UsageError`` for unequal counts.
    """
    _one_each(outputs, inputs)
    fakes, given = map(_edges, _reduced(outputs, inputs, most=EDGE_SIDE))
    ceiling = _retrieved(given @ given.T)
    return _retrieved(fakes @ given.T) / ceiling if ceiling > 0.1 else nan


def inversion(outputs: Float[Tensor, "n co h w"], inputs: Float[Tensor, "n ci h w"]) -> float:
    """Whether outputs are negatives: the correlation (Pearson's) of an output's brightness with its
    input's over places at most 32x32, a mean over the images.

    1: bright stays bright; -1: a perfect negative. CycleGAN can invert, since its way back can invert
    again. Brightness is Rec. 601 luma of three channels, the mean of others. Images without contrast
    are left out; nan where none is left. Raises ``UsageError`` for unequal counts.
    """
    _one_each(outputs, inputs)
    y, x = (_centred(_brightness(images)) for images in _reduced(outputs, inputs))
    known = (y.norm(dim=1) > 1e-3) & (x.norm(dim=1) > 1e-3)
    cosines = (normalize(y, eps=1e-6) * normalize(x, eps=1e-6)).sum(1)
    return float(cosines[known].mean())  # nan of none


def round_to_8bit(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Images in [-1, 1] at the nearest of 256 levels, as a file holds them."""
    return ((images + 1) / LEVEL).round() * LEVEL - 1


def jpeg(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Images in [-1, 1] through a JPEG file of quality 75; other than grey and RGB by channels."""
    pictures = images if images.shape[1] == 3 else images.flatten(0, 1)[:, None]
    back = np.stack([_jpeg(pixels) for pixels in to_pixels(pictures)])
    decoded = to_tensor(torch.from_numpy(back)).reshape(images.shape)
    return decoded.to(images.device, memory_format=torch.channels_last)  # as decoded


def noise(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Images with Gaussian noise of two levels of 8 bits: the same noise each time, drawn from no
    generator that trains."""
    drawn = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return images + 2 * LEVEL * drawn.to(images.device)


TOUCHES = {"8bit": round_to_8bit, "jpeg": jpeg, "noise": noise}
"""What a picture goes through on its way, and no eye sees."""


def steganography(
    back: Callable[[Tensor], Tensor],
    fakes: Float[Tensor, "n co h w"],
    reals: Float[Tensor, "n ci h w"],
) -> dict[str, float]:
    """For each invisible change of a fake, how much worse the way back reconstructs the input from it.

    CycleGAN can hide its input in a fake as faint noise, and so return from a picture that has lost
    it (Chu et al. 2017, "CycleGAN, a Master of Steganography"). With E the mean |F(y) - x| over the
    images, y the fakes ``fakes`` of the inputs ``reals`` and t(y) the touched ones:

        E(t(y)) / (E(y) + mean |t(y) - y|)

    A way back F that carries a change of its input on at most as it is (a gain of 1) gives at most 1,
    by the triangle inequality; more says that it reads what the touch destroyed. (Where nothing at
    all is lost untouched, E(y) = 0, the figure is the gain itself: a way back that has to double
    the contrast gives 2. Trained generators are far from that.)
    """
    error = float(l1_loss(back(fakes), reals))
    touched = {name: touch(fakes) for name, touch in TOUCHES.items()}
    return {
        name: float(l1_loss(back(y), reals)) / max(error + float(l1_loss(y, fakes)), 1e-6)
        for name, y in touched.items()
    }


BLIND: dict[Gan, float] = {"lsgan": 0.25, "nonsaturating": log(2), "minimax": log(2), "hinge": 2.0}
"""The loss of a discriminator that cannot tell at all. A Wasserstein critic's has no such value, and
its gradient does not vanish."""


def saturation(loss: float, gan: Gan) -> float:
    """How sure a discriminator is: 1 - ``loss`` over the loss of one that cannot tell, at least 0.

    ``loss`` is the mean of ``d_a`` or ``d_b`` since the tick before. 0: it cannot tell real from
    generated, where the game should end; 1: it is never wrong, and what it teaches is flat for the
    losses whose gradient vanishes. nan for ``wgan-gp``.
    """
    return max(0.0, 1 - loss / BLIND[gan]) if gan in BLIND else nan


def gradient_norm(gradients: Iterable[Tensor]) -> float:
    """The L2 norm of all gradients together (one transfer from the device); 0 of none."""
    return float(get_total_norm([gradient.detach().float() for gradient in gradients]))


def _comparable(outputs: Tensor, reals: Tensor) -> None:
    shapes, counts = f"{[*outputs.shape]} and {[*reals.shape]}", (len(outputs), len(reals))
    alike = outputs.ndim == reals.ndim == 4 and outputs.shape[1] == reals.shape[1]
    require(alike, "outputs and reals of the same channels", shapes, "compare one domain")
    require(min(counts) >= 2, "at least 2 outputs and 2 real images", counts, "give more images")


def _one_each(outputs: Tensor, inputs: Tensor) -> None:
    counts = len(outputs), len(inputs)
    require(counts[0] == counts[1] > 0, "as many inputs as outputs", counts, "give them in pairs")


def _reduced(*sets: Tensor, most: int = SIDE) -> list[Tensor]:
    """Sets of images averaged down to the largest size that none exceeds, its sides at most ``most``."""
    height, width = (min(most, *(images.shape[i] for images in sets)) for i in (2, 3))
    return [adaptive_avg_pool2d(images.detach().float(), (height, width)) for images in sets]


def _distances(images: Tensor) -> Tensor:
    """L1 distances of all images (N, N)."""
    return torch.cdist(images.flatten(1), images.flatten(1), p=1)


def _spread(distances: Tensor) -> float:
    """The mean over all pairs of different images, by number, not by content."""
    return float(distances.sum() / (distances.numel() - len(distances)))


def _modes(distances: Tensor, spread: float) -> int:
    """How many images open a mode: none opened before is nearer than ``SAME`` of ``spread``."""
    opened: list[int] = []
    for i, row in enumerate(distances.tolist()):
        if all(row[j] >= SAME * spread for j in opened):
            opened.append(i)
    return len(opened)


def _brightness(images: Tensor) -> Tensor:
    """(N, pixels): Rec. 601 luma of three channels, the sum of others."""
    channels = images.shape[1]
    weights = images.new_tensor(LUMA if channels == 3 else np.ones(channels))
    return torch.einsum("nchw,c->nhw", images, weights).flatten(1)


def _edges(images: Tensor) -> Tensor:
    """(N, pixels) whose products are correlations: how much each place differs from its right and its
    lower neighbour."""
    found = torch.zeros_like(images)
    found[..., :-1] += images.diff(dim=3).abs()
    found[..., :-1, :] += images.diff(dim=2).abs()
    return normalize(_centred(found.sum(1).flatten(1).sqrt()), eps=1e-6)


def _centred(values: Tensor) -> Tensor:
    return values - values.mean(1, keepdim=True)


def _retrieved(likeness: Tensor) -> float:
    """2 w - 1, with w the share of pairs where the diagonal is above its row; 0 of one image."""
    n = len(likeness)
    own = likeness.diagonal()[:, None] - likeness
    won = (own > 1e-5).sum() + 0.5 * (own.abs() <= 1e-5).sum() - 0.5 * n  # less the diagonal
    return 2 * float(won) / (n * (n - 1)) - 1 if n > 1 else 0.0


def _jpeg(pixels: Bytes) -> Bytes:
    file = io.BytesIO()
    to_pil(pixels).save(file, "JPEG", quality=75)
    return np.asarray(Image.open(file)).reshape(pixels.shape)
