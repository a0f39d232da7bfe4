"""How near a set of outputs is to a set of real pictures, both as features (N, D) of some network.

All in double precision. torchmetrics gives KID's kernel and estimator; its Fréchet distance takes the
eigenvalues of a product of two D x D matrices (seconds at D 2048), where N points need only N x N.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics.image.kid import maximum_mean_discrepancy, poly_kernel

from hwan.errors import require

NEAREST_MANIFOLD = 3
"""k of precision and recall: Kynkäänniemi et al. 2019, section 3.1."""
NEAREST_DENSITY = 5
"""k of density and coverage: Naeem et al. 2020, section 4."""
EXACT = "donot_use_mm_for_euclid_dist"
"""By a matrix product equal points are not at distance 0."""


def frechet(outputs: Float[Tensor, "n d"], reals: Float[Tensor, "m d"]) -> float:
    """Squared Fréchet distance of Gaussians fitted to both sets; of Inception features it is the FID
    (Heusel et al. 2017, eq. 6): |mu1 - mu2|^2 + Tr(S1 + S2 - 2 (S1 S2)^(1/2)). 0 or more, lower is nearer.

    Biased upwards for small sets, the more the smaller: compare only figures of equal counts. With
    X and Y the centred sets over sqrt(N - 1), S1 = X'X and S2 = Y'Y, and Tr (S1 S2)^(1/2) is the sum
    of the singular values of X Y': no D x D root is taken. Raises ``UsageError`` for a set under 2.
    """
    x, y = _sets(outputs, reals)
    shift = float((x.mean(0) - y.mean(0)).square().sum())
    x, y = _spread(x), _spread(y)
    shared = float(torch.linalg.svdvals(x @ y.T).sum())
    return shift + float(x.square().sum() + y.square().sum()) - 2 * shared


def _spread(x: Tensor) -> Tensor:
    """A square root of the covariance, of at most min(N, D) rows: x'x is the covariance."""
    x = (x - x.mean(0)) / (len(x) - 1) ** 0.5
    return x if len(x) <= x.shape[1] else torch.linalg.qr(x, mode="r").R


def kernel(outputs: Float[Tensor, "n d"], reals: Float[Tensor, "m d"]) -> tuple[float, float]:
    """Squared maximum mean discrepancy by the kernel (x'y / D + 1)^3, and its standard error; of
    Inception features it is the KID (Bińkowski et al. 2018, section 4).

    Unbiased, so it may be below 0. Taken once over all pictures rather than as the mean of random
    subsets, which exist to save memory at 50,000 images; the standard error is the jackknife's
    (leaving out each picture of either set in turn), where other code prints the spread of
    overlapping subsets. Raises ``UsageError`` for a set under 2.
    """
    x, y = _sets(outputs, reals)
    kxx, kyy, kxy = poly_kernel(x, x), poly_kernel(y, y), poly_kernel(x, y)
    n, m = len(x), len(y)
    within_x, within_y = kxx.sum(1) - kxx.diag(), kyy.sum(1) - kyy.diag()
    xx, yy, xy = within_x.sum(), within_y.sum(), kxy.sum()
    # torchmetrics' estimator is of two sets of one size.
    value = maximum_mean_discrepancy(kxx, kxy, kyy) if n == m else _unbiased(xx, yy, xy, n, m)
    if min(n, m) < 3:
        return float(value), float("nan")
    less_x = _unbiased(xx - 2 * within_x, yy, xy - kxy.sum(1), n - 1, m)
    less_y = _unbiased(xx, yy - 2 * within_y, xy - kxy.sum(0), n, m - 1)
    variance = sum((len(v) - 1) / len(v) * (v - v.mean()).square().sum() for v in (less_x, less_y))
    return float(value), float(variance) ** 0.5


def _unbiased(xx: Tensor, yy: Tensor, xy: Tensor, n: int, m: int) -> Tensor:
    """The discrepancy by the sums of the kernel within ``n`` points, within ``m``, and across."""
    return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)


def manifold(outputs: Float[Tensor, "n d"], reals: Float[Tensor, "m d"]) -> dict[str, float]:
    """``precision`` (outputs within the reals' support), ``recall`` (reals within the outputs'),
    ``density`` and ``coverage``: what is wrong, quality or variety.

    Precision and recall by balls to the 3rd neighbour (Kynkäänniemi et al. 2019, eq. 1, 2), 0 to 1;
    density (about 1 for sets of one kind, above it where outputs crowd where reals are dense) and
    coverage (0 to 1) by balls to the 5th around the reals alone (Naeem et al. 2020, eq. 4, 5), which one
    outlier does not upset. nan where a set has too few for its neighbours.
    """
    x, y = _sets(outputs, reals)
    across = torch.cdist(y, x, compute_mode=EXACT)  # (m, n)
    found = dict.fromkeys(("precision", "recall", "density", "coverage"), float("nan"))
    if min(len(x), len(y)) > NEAREST_MANIFOLD:
        around_y, around_x = (_radii(z, NEAREST_MANIFOLD) for z in (y, x))
        found["precision"] = float((across <= around_y[:, None]).any(0).double().mean())
        found["recall"] = float((across <= around_x[None]).any(1).double().mean())
    if len(y) > NEAREST_DENSITY:
        inside = across < _radii(y, NEAREST_DENSITY)[:, None]
        found["density"] = float(inside.double().sum(0).mean() / NEAREST_DENSITY)
        found["coverage"] = float(inside.any(1).double().mean())
    return found


def _radii(x: Tensor, k: int) -> Tensor:
    """The distance of each point to its k-th neighbour, itself not counted."""
    return torch.cdist(x, x, compute_mode=EXACT).kthvalue(k + 1, dim=1).values


def _sets(outputs: Tensor, reals: Tensor) -> tuple[Tensor, Tensor]:
    alike = outputs.shape[1:] == reals.shape[1:] and min(len(outputs), len(reals)) >= 2
    shapes = f"{tuple(outputs.shape)} and {tuple(reals.shape)}"
    require(alike, "features (N, D), (M, D) of at least 2 pictures", shapes, "give more pictures")
    return outputs.double(), reals.double()
