"""The figures of whole sets against closed forms, torchmetrics and definitions written out in loops."""

from __future__ import annotations

import inspect
import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from hwan.errors import UsageError
from hwan.metrics.distribution import frechet, kernel, manifold
from hwan.metrics.sliced import join, levels, patches, reference, side_for, sliced


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def exactly(n: int, mean: Tensor, root: Tensor) -> Tensor:
    """``n`` points whose sample mean and covariance (root root') are those, without sampling error."""
    x = normal(0, n, len(mean))
    x = torch.linalg.qr(x - x.mean(0)).Q * (n - 1) ** 0.5
    points: Tensor = x @ root.T + mean
    return points


class Same(torch.nn.Module):
    """torchmetrics' figures on features that are given."""

    num_features = 24

    def forward(self, x: Tensor) -> Tensor:
        return x


# The Fréchet distance


@pytest.mark.parametrize("n", [6, 40])
def test_frechet_of_two_gaussians_closed_form(n: int) -> None:
    # Diagonal covariances commute: |mu|^2 + sum of (s1 - s2)^2.
    s1, s2 = torch.tensor([1.0, 2, 3, 0.5]).double(), torch.tensor([2.0, 2, 1, 0.0]).double()
    shift = torch.tensor([1.0, -1, 0, 2]).double()
    zero = torch.zeros(4).double()
    found = frechet(exactly(n, shift, s1.diag()), exactly(40, zero, s2.diag()))
    assert found == pytest.approx(6 + 1 + 0 + 4 + 0.25)


def test_frechet_of_covariances_that_do_not_commute() -> None:
    # 2x2: Tr (S1 S2)^(1/2) = sqrt(Tr(S1 S2) + 2 sqrt(det(S1 S2))).
    r1, r2 = normal(1, 2, 2), normal(2, 2, 2)
    s1, s2 = r1 @ r1.T, r2 @ r2.T
    product = s1 @ s2
    root = math.sqrt(product.trace() + 2 * math.sqrt(torch.linalg.det(product)))
    zero = torch.zeros(2).double()
    found = frechet(exactly(30, zero, r1), exactly(50, zero, r2))
    assert found == pytest.approx(float(s1.trace() + s2.trace()) - 2 * root)


@pytest.mark.parametrize(("n", "m"), [(60, 45), (10, 14), (10, 60)])
def test_frechet_is_torchmetrics(n: int, m: int) -> None:
    x, y = normal(0, n, 24), normal(1, m, 24) @ normal(2, 24, 24) * 0.3 + 0.5
    metric = FrechetInceptionDistance(Same(), antialias=False).set_dtype(torch.float64)
    metric.update(y, real=True)
    metric.update(x, real=False)
    assert frechet(x, y) == pytest.approx(float(metric.compute()), rel=1e-6)
    assert frechet(x, y) == pytest.approx(frechet(y, x))


def test_frechet_of_a_set_and_itself_is_0_and_of_one_picture_is_the_spread() -> None:
    y = normal(0, 30, 8)
    assert frechet(y, y.flip(0)) == pytest.approx(0, abs=1e-9)
    constant = y.mean(0).expand(30, -1)
    assert frechet(constant, y) == pytest.approx(float(y.var(0).sum()))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 40), st.integers(2, 40), st.integers(1, 30))
def test_frechet_is_no_less_than_the_shift_and_ignores_turns(
    seed: int, n: int, m: int, d: int
) -> None:
    x, y = normal(seed, n, d), 2 * normal(seed + 1, m, d) + 1
    value = frechet(x, y)
    assert value >= float((x.mean(0) - y.mean(0)).square().sum()) - 1e-9
    turn = torch.linalg.qr(normal(seed + 2, d, d)).Q
    assert frechet(x @ turn, y @ turn) == pytest.approx(value, rel=1e-7, abs=1e-9)


# The kernel discrepancy


def test_kernel_is_torchmetrics_on_the_whole_set() -> None:
    x, y = normal(0, 30, 24), normal(1, 30, 24) * 1.2 + 0.3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it keeps features in memory
        metric = KernelInceptionDistance(Same(), subsets=1, subset_size=30).set_dtype(torch.float64)
    metric.update(y, real=True)
    metric.update(x, real=False)
    assert kernel(x, y)[0] == pytest.approx(float(metric.compute()[0]), rel=1e-6)


@pytest.mark.parametrize(("n", "m"), [(7, 7), (5, 9)])
def test_kernel_and_its_error_by_the_definition(n: int, m: int) -> None:
    x, y = normal(0, n, 3), normal(1, m, 3) + 1

    def k(a: Tensor, b: Tensor) -> float:
        return (float(a @ b) / 3 + 1) ** 3

    def discrepancy(x: list[Tensor], y: list[Tensor]) -> float:
        own = [
            np.mean([k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j])
            for z in (x, y)
        ]
        return float(sum(own) - 2 * np.mean([k(a, b) for a in x for b in y]))

    def jackknife(values: list[float]) -> float:
        return (
            (len(values) - 1)
            / len(values)
            * float(np.square(np.subtract(values, np.mean(values))).sum())
        )

    p, q = list(x), list(y)
    leave_p = [discrepancy(p[:i] + p[i + 1 :], q) for i in range(n)]
    leave_q = [discrepancy(p, q[:i] + q[i + 1 :]) for i in range(m)]
    value, error = kernel(x, y)
    assert value == pytest.approx(discrepancy(p, q))
    assert error == pytest.approx(math.sqrt(jackknife(leave_p) + jackknife(leave_q)))


def test_kernel_is_unbiased_and_its_error_is_its_spread() -> None:
    # E k(x, y) by the moments of normals in one dimension, k = (xy + 1)^3: with x ~ N(0, 1) and
    # y ~ N(1, 1), E(xy + 1)^3 = E x^3 y^3 + 3 E x^2 y^2 + 3 E xy + 1.
    def expected(px: list[float], py: list[float]) -> float:
        return px[3] * py[3] + 3 * px[2] * py[2] + 3 * px[1] * py[1] + 1

    zero, one = [1.0, 0, 1, 0], [1.0, 1, 2, 4]
    true = expected(zero, zero) + expected(one, one) - 2 * expected(zero, one)
    runs = [kernel(normal(2 * s, 25, 1), normal(2 * s + 1, 20, 1) + 1) for s in range(400)]
    values = np.array([value for value, _ in runs])
    assert abs(values.mean() - true) < 4 * values.std() / 20
    equal = np.array([kernel(normal(s, 20, 1), normal(10**4 + s, 15, 1))[0] for s in range(400)])
    assert abs(equal.mean()) < 4 * equal.std() / 20
    errors = np.array([error for _, error in runs])
    assert np.sqrt((errors**2).mean()) == pytest.approx(values.std(), rel=0.3)


# Precision, recall, density, coverage


def test_manifold_by_the_definitions() -> None:
    x, y = normal(0, 14, 2), normal(1, 11, 2) * 0.7 + 1

    def radius(z: Tensor, i: int, k: int) -> float:
        return sorted(float((z[i] - other).norm()) for j, other in enumerate(z) if j != i)[k - 1]

    def within(point: Tensor, z: Tensor, k: int) -> list[bool]:
        return [float((point - z[i]).norm()) <= radius(z, i, k) for i in range(len(z))]

    found = manifold(x, y)
    assert found["precision"] == pytest.approx(np.mean([any(within(p, y, 3)) for p in x]))
    assert found["recall"] == pytest.approx(np.mean([any(within(q, x, 3)) for q in y]))
    assert found["density"] == pytest.approx(np.mean([sum(within(p, y, 5)) for p in x]) / 5)
    inside = np.array([within(p, y, 5) for p in x])
    assert found["coverage"] == pytest.approx(inside.any(0).mean())
    assert 0 < found["recall"] < 1
    assert 0 < found["precision"] < 1


def test_two_samples_of_one_set_have_density_1_and_the_coverage_of_the_paper() -> None:
    # Naeem et al. 2020, appendix: E coverage = 1 - (N-1)...(N-k) / ((M+N-1)...(M+N-k)), N reals.
    n, m, k = 40, 30, 5
    runs = [manifold(normal(2 * s, m, 4), normal(2 * s + 1, n, 4)) for s in range(150)]
    assert np.mean([r["density"] for r in runs]) == pytest.approx(1, abs=0.05)
    product = math.prod((n - i) / (m + n - i) for i in range(1, k + 1))
    assert np.mean([r["coverage"] for r in runs]) == pytest.approx(1 - product, abs=0.01)


def test_one_output_for_all_has_no_recall_and_few_modes_no_coverage() -> None:
    y = normal(0, 60, 6)
    one = manifold(y[:1].expand(60, -1), y)
    assert (one["precision"], one["recall"]) == (1, 1 / 60)
    four = manifold(y[torch.arange(60) % 4], y)
    assert four["precision"] == 1
    assert four["coverage"] < 0.5
    far = manifold(y + 100, y)
    assert list(far.values()) == [0, 0, 0, 0]
    assert manifold(y, y)["coverage"] == 1
    assert all(math.isnan(v) for v in manifold(y[:3], y[:3]).values())


@pytest.mark.parametrize("figure", [frechet, kernel, manifold])
def test_sets_of_one_picture_or_other_features_are_refused(figure: object) -> None:
    inner = inspect.unwrap(figure)  # type: ignore[arg-type]
    for x, y in ((normal(0, 1, 4), normal(0, 5, 4)), (normal(0, 5, 4), normal(0, 5, 3))):
        with pytest.raises(UsageError, match="at least 2 pictures"):
            inner(x, y)


# The sliced Wasserstein distance


def pictures(seed: int, n: int, side: int = 32, scale: float = 0.5) -> Tensor:
    return normal(seed, n, 3, side, side).float() * scale


def gaps(a: Tensor, b: Tensor) -> dict[int, float]:
    sets = [join([patches(p, i, len(x)) for i, p in enumerate(x)]) for x in (a, b)]
    return sliced(sets[0], reference(sets[1], 3))


def test_sliced_of_a_set_and_itself_is_0_and_of_another_sample_is_small() -> None:
    reals = pictures(0, 20)
    assert gaps(reals, reals) == {32: 0, 16: 0}
    floor = gaps(pictures(1, 20), reals)
    assert all(value < 0.08 for value in floor.values())
    assert all(v > 2.5 * floor[side] for side, v in gaps(pictures(1, 20, scale=0.4), reals).items())


def test_sliced_of_a_shift_closed_form() -> None:
    """A shift of c moves only the coarsest level, by c/sd along each line's sum of weights; over random
    lines of unit length in D dimensions |sum| has mean sqrt(D) E|N(0, 1)| / sqrt(D) = sqrt(2 / pi) nearly."""
    reals = pictures(0, 12)
    found = gaps(reals + 0.3, reals)
    assert found[32] < 1e-5
    sd = float(join([patches(p, i, 12) for i, p in enumerate(reals)])[16].std())
    assert found[16] == pytest.approx(0.3 / sd * math.sqrt(2 / math.pi), rel=0.15)


def test_sliced_sees_blur_in_the_finest_level_and_does_not_ask_for_one_count() -> None:
    reals = pictures(0, 12)
    blurred = torch.nn.functional.avg_pool2d(reals, 3, 1, 1)[:7]
    found = gaps(blurred, reals)
    assert found[32] > 0.3
    assert levels(300) == (256, 128, 64, 32, 16)
    assert (side_for([15, 40, 200]), side_for([15]), side_for([])) == (32, 0, 0)
    with pytest.raises(UsageError, match="at least 16 pixels"):
        patches(torch.zeros(3, 8, 8), 0, 1)
