"""Health: each planted failure is seen by the figure meant for it, and healthy generators by none."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from bench.planted import PLANTED, Planted, grey, hide
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hwan.data.samples import TASKS
from hwan.errors import UsageError
from hwan.imaging.pixels import decode, to_tensor
from hwan.metrics.health import (
    BLIND,
    LEVEL,
    TOUCHES,
    dependence,
    diversity,
    gradient_norm,
    inversion,
    jpeg,
    modes,
    noise,
    round_to_8bit,
    saturation,
    steganography,
)
from hwan.metrics.health_limits import HEALTH_LIMITS, warnings
from hwan.training.health import measure

N = 16


@pytest.fixture(scope="module")
def reals(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Tensor]:
    """Crops of photographs (a) and of drawings of others (b), (N, 3, 32, 32)."""
    folder = tmp_path_factory.mktemp("webtoon") / "data"
    TASKS["webtoon"](folder, size=32, train=N, test=1)
    found = {}
    for domain in "ab":
        files = sorted((folder / f"train{domain.upper()}").iterdir())
        found[domain] = to_tensor(torch.from_numpy(np.stack([decode(f).pixels for f in files])))
    return found


@pytest.fixture(scope="module")
def nets() -> Mapping[str, Planted]:
    """A healthy pair: darker with less colour, and back as far as that goes."""

    def there(x: Tensor) -> Tensor:
        return 0.6 * x + 0.2 * x.mean(1, keepdim=True) - 0.2

    def back(y: Tensor) -> Tensor:
        return y + 0.2

    return {"ab": Planted(there), "ba": Planted(back)}


CAUGHT = {
    "healthy": set(),
    "constant": {"diversity", "modes", "dependence"},
    "4 modes": {"modes", "dependence"},
    "shuffled": {"dependence"},
    "inverted": {"inversion"},
    "low bits": {"hidden_8bit", "hidden_jpeg", "hidden_noise"},
}


@pytest.mark.parametrize("case", PLANTED)
def test_each_planted_failure_is_caught_by_its_figures_and_no_other(
    case: str, nets: Mapping[str, Planted], reals: Mapping[str, Tensor]
) -> None:
    figures = measure(PLANTED[case](nets, reals), reals["a"], reals["b"])
    bad = {f.figure.rpartition("_")[0] for f in warnings(figures) if f.figure.endswith("_ab")}
    assert bad == CAUGHT[case]


def test_colour_hidden_in_a_grey_picture_is_found(reals: Mapping[str, Tensor]) -> None:
    """A pair trained for it, not built: the fake looks grey and the way back has the colours."""
    pair, a = hide(reals["a"], steps=200), reals["a"]
    with torch.no_grad():
        assert float((pair["ab"](a) - grey(a)).abs().max()) <= 2.01 * LEVEL
        found = measure(pair, a, grey(a))
    bad = {finding.figure for finding in warnings(found)}
    assert "hidden_jpeg_ab" in bad
    assert not bad & {"diversity_ab", "modes_ab", "dependence_ab", "inversion_ab"}


def test_a_way_back_of_gain_one_is_never_called_steganographic() -> None:
    """The bound of the figure: |F(t(y)) - x| <= |F(y) - x| + |t(y) - y|."""
    random = torch.Generator().manual_seed(0)
    fakes = torch.rand(3, 3, 24, 24, generator=random) * 2 - 1
    for gain in (0.0, 0.5, -1.0, 1.0):
        for shift in (0.0, 0.3):
            found = steganography(partial(torch.mul, gain), fakes, gain * fakes + shift)
            assert set(found) == set(TOUCHES)
            assert all(value <= 1 + 1e-4 for value in found.values())


def test_steganography_closed_form() -> None:
    """A way back that amplifies k times, with nothing lost untouched, gives k."""
    fakes = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    found = steganography(lambda y: 7 * y, fakes, 7 * fakes)
    assert all(value == pytest.approx(7, rel=1e-3) for value in found.values())


def test_touches_are_invisible_and_the_same_each_time() -> None:
    ramp = torch.linspace(-0.9, 0.9, 32).expand(2, 3, 32, 32)
    for touch in TOUCHES.values():
        assert torch.equal(touch(ramp), touch(ramp))
        assert float((touch(ramp) - ramp).abs().mean()) < 3 * LEVEL
    eight = round_to_8bit(ramp)
    assert torch.equal(round_to_8bit(eight), eight)
    assert float((eight - ramp).abs().max()) <= LEVEL / 2 + 1e-6
    assert float((noise(ramp) - ramp).std()) == pytest.approx(2 * LEVEL, rel=0.05)
    for channels in (1, 2, 4):
        assert jpeg(ramp[:, :1].expand(-1, channels, -1, -1)).shape == (2, channels, 32, 32)


def test_noise_draws_from_no_generator_that_trains() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    noise(torch.zeros(1, 3, 8, 8))
    assert torch.equal(torch.rand(3), expected)


def test_modes_counts_what_has_its_own_output(reals: Mapping[str, Tensor]) -> None:
    a, b = reals["a"], reals["b"]
    assert modes(a, a, a) == 1
    for count in (1, 2, 4):
        assert modes(b[torch.arange(N) % count], b, a) <= count / N * 1.5
    same = a[:1].expand(N, -1, -1, -1)
    assert math.isnan(modes(a, a, same))  # inputs all equal: nothing is asked of the outputs
    twice = torch.cat([a[: N // 2], a[: N // 2]])
    assert modes(twice, a, twice) == 1  # doubled inputs may have doubled outputs


def test_dependence_ignores_colour_contrast_and_sign(reals: Mapping[str, Tensor]) -> None:
    a = reals["a"]
    for outputs in (a, -a, 0.1 * a + 0.5, a.mean(1, keepdim=True), a[:, [1, 2, 0]]):
        assert dependence(outputs, a) > 0.95
    assert dependence(a[:1].expand(N, -1, -1, -1), a) == pytest.approx(0, abs=1e-6)
    rolled = [dependence(a.roll(shift, 0), a) for shift in range(1, N)]
    assert max(rolled) < HEALTH_LIMITS["dependence"].limits[0]
    assert abs(float(np.mean(rolled))) < 0.15
    assert math.isnan(dependence(a[:1].expand(N, -1, -1, -1), a[:1].expand(N, -1, -1, -1)))
    assert math.isnan(dependence(a[:1], a[:1]))


@settings(deadline=None, max_examples=25)
@given(st.floats(0.05, 3), st.floats(-1, 1), st.booleans(), st.sampled_from([1, 3, 4]))
def test_inversion_is_a_correlation(gain: float, shift: float, flip: bool, channels: int) -> None:
    images = torch.rand(3, channels, 12, 20, generator=torch.Generator().manual_seed(0))
    sign = -1 if flip else 1
    assert inversion(sign * gain * images + shift, images) == pytest.approx(sign, abs=1e-3)


def test_inversion_of_flat_pictures_is_unknown() -> None:
    flat, images = torch.zeros(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    assert math.isnan(inversion(flat, images))
    assert inversion(torch.cat([flat[:1], images[1:]]), images) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("figure", [dependence, inversion])
def test_outputs_belong_to_inputs(figure: Any) -> None:
    with pytest.raises(UsageError, match="as many inputs as outputs"):
        inspect.unwrap(figure)(torch.zeros(2, 3, 8, 8), torch.zeros(3, 3, 8, 8))


def test_saturation_by_the_loss_of_a_blind_judge() -> None:
    for gan, loss in BLIND.items():
        assert saturation(loss, gan) == 0
        assert saturation(2 * loss, gan) == 0  # worse than blind is not sure
        assert saturation(0.0, gan) == 1
        assert saturation(loss / 4, gan) == pytest.approx(0.75)
    assert math.isnan(saturation(-3.0, "wgan-gp"))


def test_a_blind_judge_pays_what_the_table_says() -> None:
    from hwan.methods.losses import GAN_OBJECTIVES

    blind = {"lsgan": 0.5, "nonsaturating": 0.0, "minimax": 0.0, "hinge": 0.0}
    for gan, loss in BLIND.items():
        logits = torch.full((1, 1, 2, 2), blind[gan])
        assert float(GAN_OBJECTIVES[gan].discriminator_loss(logits, logits)) == pytest.approx(loss)


def test_gradient_norm_is_of_all_together() -> None:
    assert gradient_norm([torch.full((4,), 3.0), torch.tensor([8.0])]) == pytest.approx(10)
    assert gradient_norm([]) == 0


def test_pairs_decide_what_is_bright(
    nets: Mapping[str, Planted], reals: Mapping[str, Tensor]
) -> None:
    one_way = {"ab": nets["ab"]}
    found = measure(one_way, reals["a"], reals["b"], paired=True)
    assert set(found) == {"dependence_ab", "diversity_ab", "modes_ab"}
    assert set(measure(one_way, reals["a"], reals["b"])) - set(found) == {"inversion_ab"}


def test_diversity_stays_what_it_was(reals: Mapping[str, Tensor]) -> None:
    assert diversity(reals["a"], reals["a"]) == pytest.approx(1)
