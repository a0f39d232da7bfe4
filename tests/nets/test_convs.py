"""Layers by fewer operations: equal to torch's own, forward and in every gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import conv2d

from hwan.config import GeneratorConfig
from hwan.nets import build_generator
from hwan.nets.blocks import ReflectionPad2d
from hwan.nets.fast import convs
from hwan.nets.fast.convs import LARGE, WIDE, NarrowIn, NarrowOut, PaddedConv2d, Winograd
from hwan.nets.fast.switch import use_fast_kernels
from hwan.nets.norms import InstanceNorm2d
from tiny import two_threads

FORMS = (Winograd, NarrowOut, NarrowIn)


def derivatives(function: Any, *given: Tensor) -> list[Tensor]:
    """The output, and the gradient by each of ``given`` of a sum with weights that all differ."""
    leaves = [x.clone().requires_grad_() for x in given]
    out = function(*leaves)
    slopes = torch.linspace(-1, 2, out.numel(), dtype=out.dtype).view(out.shape)
    return [out.detach(), *torch.autograd.grad((out * slopes).sum(), leaves)]


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    batch=st.integers(1, 3), ci=st.integers(1, 5), co=st.integers(1, 5),
    h=st.integers(1, 13), w=st.integers(1, 9), k=st.sampled_from([3, 5, 7]),
)  # fmt: skip
def test_a_form_is_the_convolution(
    form: Any, batch: int, ci: int, co: int, h: int, w: int, k: int
) -> None:
    k = 3 if form is Winograd else k
    random = torch.Generator().manual_seed(h * w)
    image = torch.randn(batch, ci, h + k - 1, w + k - 1, generator=random, dtype=torch.double)
    weight = torch.randn(co, ci, k, k, generator=random, dtype=torch.double)
    for mine, torchs in zip(
        derivatives(form.apply, image, weight), derivatives(conv2d, image, weight), strict=True
    ):
        assert mine.shape == torchs.shape
        torch.testing.assert_close(mine, torchs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("only", [0, 1])
def test_a_gradient_nobody_asks_for_is_not_computed(form: Any, only: int) -> None:
    given = [torch.randn(1, 2, 6, 6), torch.randn(2, 2, 3, 3)]
    given[only].requires_grad_()
    form.apply(*given).sum().backward()
    assert [x.grad is not None for x in given] == [only == 0, only == 1]


@pytest.mark.parametrize("form", FORMS)
def test_a_form_has_second_derivatives(form: Any) -> None:
    image = torch.randn(1, 2, 6, 6, dtype=torch.double, requires_grad=True)
    weight = torch.randn(2, 2, 3, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradgradcheck(form.apply, (image, weight))


def test_winograds_rounding_is_near_the_sums() -> None:
    """In fp32, of wide layers: less than four times what torch's own convolution is off."""
    random = torch.Generator().manual_seed(0)
    image = torch.randn(1, 256, 34, 34, generator=random)
    weight = torch.randn(256, 256, 3, 3, generator=random) / 48
    exact = derivatives(conv2d, image.double(), weight.double())
    off = [
        [float((x - y).norm() / y.norm()) for x, y in zip(found, exact, strict=True)]
        for found in (
            derivatives(Winograd.apply, image, weight),
            derivatives(conv2d, image, weight),
        )
    ]
    assert all(mine < 4 * torchs < 4e-6 for mine, torchs in zip(*off, strict=True)), off


def chosen(conv: PaddedConv2d, image: Tensor) -> str:
    conv.fast = True
    kind = type(conv(image).grad_fn.next_functions[0][0]).__name__  # before the bias is added
    return kind.removesuffix("Backward")


def test_which_layer_has_which_form() -> None:
    side = 3 + int((LARGE / WIDE) ** 0.5)
    large, small = torch.randn(1, WIDE, side, side), torch.randn(1, WIDE, side // 2, side)
    wide = PaddedConv2d(WIDE, WIDE, 3)
    assert chosen(wide, large) == "Winograd"
    assert wide._algorithm(small) is None
    assert wide._algorithm(large.bfloat16()) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert wide._algorithm(large) is None
        assert PaddedConv2d(8, 3, 7)._algorithm(large) is NarrowOut
    assert chosen(PaddedConv2d(3, 8, 7), torch.randn(2, 3, 16, 16)) == "NarrowIn"
    assert chosen(PaddedConv2d(8, 3, 7), torch.randn(2, 8, 16, 16)) == "NarrowOut"
    assert PaddedConv2d(8, 3, 1)._algorithm(large) is None
    assert PaddedConv2d(32, 32, 3)._algorithm(large) is None
    with two_threads():
        assert wide._algorithm(large) is None


@pytest.mark.parametrize("precision", [None, torch.bfloat16])
@pytest.mark.parametrize("norm", ["instance", "instance-affine", "batch"])
def test_a_network_by_forms_is_the_network(
    norm: Any, precision: torch.dtype | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the switch on for its layers and off again; under autocast both are bf16's rounding away."""
    monkeypatch.setattr(convs, "LARGE", 1)
    torch.manual_seed(0)
    net = build_generator(GeneratorConfig(filters=32, blocks=2, norm=norm), 3, 1)
    net.requires_grad_(False)
    image = (
        torch.rand(1, 32, 64, 3).permute(0, 3, 1, 2) * 2 - 1
    )  # channels last, as one picture comes
    plain = net(image)
    found = {}
    for on in (True, False):
        use_fast_kernels(net, on)
        switches = {m.fast for m in net.modules() if isinstance(m, QUICK)}
        assert switches == {on}
        with torch.autocast("cpu", precision, enabled=precision is not None):
            found[on] = net(image)
    if precision is None:
        assert torch.equal(found[False], plain)
        torch.testing.assert_close(found[True], plain, rtol=0, atol=1e-5)
        assert not torch.equal(found[True], plain)
    else:
        off = [float((found[on].float() - plain).norm() / plain.norm()) for on in (True, False)]
        assert off[0] < 1.5 * off[1] < 0.1, off


def test_what_is_exported_keeps_the_layer() -> None:
    """A form is chosen by the size, and an exported network takes others."""
    conv = PaddedConv2d(WIDE, WIDE, 3)
    conv.fast = True
    images = [torch.randn(2, WIDE, side, side) for side in (34, 38)]
    sides = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    program = torch.export.export(conv.eval(), (images[0],), dynamic_shapes=(sides,))
    with torch.no_grad():
        for image in images:
            torch.testing.assert_close(program.module()(image), conv(image), rtol=0, atol=1e-4)


def test_weights_gradients_lie_as_the_weights_do() -> None:
    """torch's fused Adam goes by memory alone; ``torch.autograd.grad`` leaves a gradient as it comes."""
    for form, channels in ((Winograd, (4, 5)), (NarrowOut, (4, 2)), (NarrowIn, (2, 4))):
        weight = torch.randn(channels[1], channels[0], 3, 3)
        _, _, by_weight = derivatives(form.apply, torch.randn(1, channels[0], 8, 8), weight)
        assert by_weight.stride() == weight.stride()


QUICK = (PaddedConv2d, InstanceNorm2d, ReflectionPad2d)


def test_padding_under_autocast_stays_in_its_own_type() -> None:
    image, layer = torch.randn(1, 2, 5, 6).bfloat16(), ReflectionPad2d(2)
    with torch.autocast("cpu", torch.bfloat16):
        slow = layer(image)
        layer.fast = True
        fast = layer(image)
    assert fast.dtype == torch.bfloat16
    assert torch.equal(fast.float(), slow.float())
    assert isinstance(layer, nn.ReflectionPad2d)
