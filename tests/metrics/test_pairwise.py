"""Figures of pairs of images, diversity among them, against closed forms and implementations of their own."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from hwan.errors import UsageError
from hwan.metrics.health import diversity
from hwan.metrics.pairwise import chroma, l1, ms_ssim, psnr, ssim


def unchecked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Without the test run's own check of shapes, which would refuse before the function does."""
    inner: Callable[..., Any] = inspect.unwrap(function)
    return inner


def noise(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_psnr_closed_form_per_image() -> None:
    a = noise(0, 3, 3, 8, 9) / 2
    b = a + torch.tensor([0.0, 0.02, -0.2])[:, None, None, None]
    expected = torch.tensor([math.inf, 20 * math.log10(2 / 0.02), 20.0])
    torch.testing.assert_close(psnr(a, b), expected, rtol=1e-5, atol=1e-5)


def test_black_against_white() -> None:
    black, white = -torch.ones(1, 1, 16, 16), torch.ones(1, 1, 16, 16)
    assert psnr(black, white).item() == pytest.approx(0, abs=1e-6)
    assert l1(black, white).item() == 1
    # Eq. 13 with no variance: (2 mx my + c1) / (mx^2 + my^2 + c1), c1 = (0.01 * 2)^2.
    assert ssim(black, white).item() == pytest.approx(1e-4 / (1 + 1e-4), rel=1e-3)


def test_l1_is_a_share_of_the_range_per_image() -> None:
    a = torch.zeros(2, 3, 4, 4)
    b = torch.stack([torch.full((3, 4, 4), 0.5), torch.zeros(3, 4, 4)])
    b[1, 0] = -1
    torch.testing.assert_close(l1(a, b), torch.tensor([0.25, 1 / 6]))


def reference_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Wang et al. 2004, eq. 13 to 17, window by window, the moments about the mean."""
    line = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    weights = np.outer(line, line) / line.sum() ** 2
    c1, c2, values = 0.01**2, 0.03**2, []
    for channel in range(a.shape[0]):
        for y in range(a.shape[1] - 10):
            for x in range(a.shape[2] - 10):
                p, q = (
                    (i[channel, y : y + 11, x : x + 11].astype(np.float64) + 1) / 2 for i in (a, b)
                )
                mp, mq = (weights * p).sum(), (weights * q).sum()
                vp, vq = (weights * (p - mp) ** 2).sum(), (weights * (q - mq) ** 2).sum()
                both = (weights * (p - mp) * (q - mq)).sum()
                values.append(
                    (2 * mp * mq + c1) * (2 * both + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2))
                )
    return float(np.mean(values))


def test_chroma_is_pillow_s_cb_and_cr_whatever_the_brightness() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2, 9, 7, 3), dtype=np.uint8)
    parts = [np.asarray(Image.fromarray(p).convert("YCbCr"), float)[:, :, 1:] for p in pictures]
    a, b = torch.from_numpy(pictures).permute(0, 3, 1, 2)[:, None] / 127.5 - 1
    assert float(chroma(a, b)) == pytest.approx(np.abs(parts[0] - parts[1]).mean() / 255, abs=3e-3)
    assert float(chroma(a, a + 0.3)) == pytest.approx(0, abs=1e-6)
    blue, yellow = (torch.tensor(x)[None, :, None, None] for x in ([-1.0, -1, 1], [1.0, 1, -1]))
    assert float(chroma(blue, yellow)) == pytest.approx((1 + 0.228 / 1.402) / 2, abs=1e-6)


@pytest.mark.parametrize("shape", [(3, 16, 21), (1, 11, 11)])
def test_ssim_against_the_definition(shape: tuple[int, ...]) -> None:
    smooth = torch.linspace(-1, 1, shape[2]).expand(shape)
    a = torch.stack([noise(0, *shape), 0.9 + 0.001 * noise(1, *shape), smooth])
    b = torch.stack([0.7 * a[0] + 0.3 * noise(2, *shape), 0.9 + 0.001 * noise(3, *shape), -smooth])
    expected = [reference_ssim(p.numpy(), q.numpy()) for p, q in zip(a, b, strict=True)]
    np.testing.assert_allclose(ssim(a, b).numpy(), expected, rtol=0, atol=1e-6)
    assert expected[0] < 0.95
    assert expected[2] < 0.95
    torch.testing.assert_close(ssim(a, a), torch.ones(3))


def test_ssim_is_torchmetrics_but_for_its_mirrored_border() -> None:
    a, b = noise(0, 2, 3, 40, 52), 0.8 * noise(1, 2, 3, 40, 52)
    _, full = structural_similarity_index_measure(
        (a.double() + 1) / 2, (b.double() + 1) / 2, sigma=1.5, kernel_size=11, data_range=1.0,
        return_full_image=True,
    )  # fmt: skip
    inside = full[:, :, 5:-5, 5:-5].mean(dim=(1, 2, 3)).float()
    torch.testing.assert_close(ssim(a, b), inside, rtol=0, atol=1e-6)


def reference_ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Wang et al. 2003, eq. 7, every moment about its window's own mean; grey images in 0..1."""
    line = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    weights = np.outer(line, line) / line.sum() ** 2
    product = 1.0
    for scale, exponent in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        p, q = (np.lib.stride_tricks.sliding_window_view(x, (11, 11)) for x in (a, b))
        mp, mq = ((x * weights).sum((2, 3), keepdims=True) for x in (p, q))
        vp, vq = ((weights * (x - m) ** 2).sum((2, 3)) for x, m in ((p, mp), (q, mq)))
        both = (weights * (p - mp) * (q - mq)).sum((2, 3))
        value = (2 * both + 0.03**2) / (vp + vq + 0.03**2)
        if scale == 4:
            mp, mq = mp[..., 0, 0], mq[..., 0, 0]
            value = value * (2 * mp * mq + 0.01**2) / (mp**2 + mq**2 + 0.01**2)
        product *= max(0.0, float(value.mean())) ** exponent
        half = [x // 2 * 2 for x in a.shape]
        a, b = (
            x[: half[0], : half[1]].reshape(half[0] // 2, 2, half[1] // 2, 2).mean((1, 3))
            for x in (a, b)
        )
    return product


def test_ms_ssim_against_the_definition() -> None:
    rng = np.random.default_rng(0)
    a = rng.random((178, 189))
    b = np.clip(0.7 * a + 0.3 * rng.random(a.shape), 0, 1)
    tensors = [torch.from_numpy(np.stack([x, 1 - x]))[:, None] * 2 - 1 for x in (a, b)]
    expected = reference_ms_ssim(a, b)
    found = ms_ssim(*tensors)
    assert found[0].item() == pytest.approx(expected, abs=1e-6)
    assert 0.5 < expected < 0.99
    torch.testing.assert_close(ms_ssim(tensors[0], tensors[0]), torch.ones(2))
    assert ms_ssim(tensors[0], -tensors[0]).tolist() == [0, 0]  # structure inverted
    with pytest.raises(UsageError, match="176x176"):
        ms_ssim(torch.zeros(1, 3, 175, 200), torch.zeros(1, 3, 175, 200))


def test_pairwise_figures_take_half_precision_and_no_gradient() -> None:
    a = noise(0, 2, 3, 12, 12).half().requires_grad_()
    b = noise(1, 2, 3, 12, 12).half()
    for figure in (psnr, ssim, l1):
        value = figure(a, b)
        assert value.shape == (2,)
        assert value.dtype == torch.float32
        assert not value.requires_grad


def test_pairwise_figures_refuse_other_shapes() -> None:
    for figure in (psnr, ssim, l1):
        with pytest.raises(UsageError, match="one shape"):
            unchecked(figure)(torch.zeros(1, 3, 16, 16), torch.zeros(1, 1, 16, 16))
    with pytest.raises(UsageError, match="11x11"):
        ssim(torch.zeros(1, 3, 10, 16), torch.zeros(1, 3, 10, 16))


def test_diversity_of_one_output_for_all_is_0() -> None:
    assert diversity(noise(0, 1, 3, 64, 64).expand(5, -1, -1, -1), noise(1, 5, 3, 64, 64)) == 0


def test_diversity_of_the_reals_is_1() -> None:
    reals = noise(0, 6, 3, 40, 50)
    assert diversity(reals, reals) == 1
    assert diversity(reals.flip(0) * 0.5, reals) == pytest.approx(0.5)


def test_diversity_closed_form() -> None:
    # Levels 0, 1, 3: pair distances 1, 3, 2, mean 2. Levels 0, 0, 1: 0, 1, 1, mean 2/3.
    reals = torch.tensor([0.0, 1, 3])[:, None, None, None].expand(-1, 3, 48, 48)
    outputs = torch.tensor([0.0, 0, 1])[:, None, None, None].expand(-1, 3, 48, 48)
    assert diversity(outputs, reals) == pytest.approx(1 / 3)
    assert diversity(reals[:2], reals) == pytest.approx(1 / 2)


def test_diversity_of_two_near_modes_is_small_and_noise_does_not_count() -> None:
    reals = torch.nn.functional.interpolate(noise(0, 16, 3, 4, 4), size=(256, 256))
    modes = (
        reals[:1] + 0.05 * (reals[1:2] - reals[:1]) * (torch.arange(16) % 2)[:, None, None, None]
    )
    grain = 0.3 * noise(1, 16, 3, 256, 256)
    assert 0 < diversity(modes, reals) < 0.05
    assert diversity(modes + grain, reals) < 0.1


def test_diversity_takes_other_counts_and_sizes() -> None:
    reals = torch.nn.functional.interpolate(noise(0, 4, 1, 4, 4), size=(64, 64))
    small = torch.nn.functional.interpolate(noise(0, 4, 1, 4, 4), size=(16, 16))
    assert diversity(small, reals) == pytest.approx(1)
    assert diversity(small[:2], reals) > 0


def test_diversity_of_equal_reals_is_unknown() -> None:
    assert math.isnan(diversity(noise(0, 3, 1, 8, 8), torch.zeros(3, 1, 8, 8)))


@pytest.mark.parametrize(("n", "m"), [(1, 4), (4, 1), (0, 4)])
def test_diversity_needs_two(n: int, m: int) -> None:
    with pytest.raises(UsageError, match="at least 2"):
        diversity(noise(0, n, 3, 8, 8), noise(1, m, 3, 8, 8))


def test_diversity_needs_one_domain() -> None:
    with pytest.raises(UsageError, match="channels"):
        unchecked(diversity)(noise(0, 3, 1, 8, 8), noise(1, 3, 3, 8, 8))
