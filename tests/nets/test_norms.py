"""Norms and initial weights: what each one promises, on small tensors."""

import copy
import dataclasses
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from hwan.config import DiscriminatorConfig, GeneratorConfig
from hwan.config.networks import Init, Norm
from hwan.errors import TrainingDiverged, UsageError
from hwan.exporting import export_onnx
from hwan.inference.translate import Translator
from hwan.nets import build_discriminator, build_generator
from hwan.nets.blocks import doubling
from hwan.nets.folder import GeneratorSpec, load_generator, save_generator
from hwan.nets.initial import initialise
from hwan.nets.norms import InstanceNorm2d, divisor, norm_layer
from hwan.nets.whitening import InverseRoot, Whitening2d

NORMS: tuple[Norm, ...] = get_args(Norm)
INITS: tuple[Init, ...] = get_args(Init)
Conv = nn.Conv2d | nn.ConvTranspose2d


def small(norm: Norm, **options: object) -> GeneratorConfig:
    values = {"filters": 4, "blocks": 1, "stem": 3, "init": "kaiming", "gain": 1.0, **options}
    return GeneratorConfig(norm=norm, **values)  # type: ignore[arg-type]


def drawn(config: GeneratorConfig, seed: int = 0) -> nn.Module:
    net = build_generator(config, 3, 3)
    initialise(net, config, torch.Generator().manual_seed(seed))
    return net


def convs(net: nn.Module) -> list[Conv]:
    return [m for m in net.modules() if isinstance(m, Conv)]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("norm", NORMS)
def test_batch_mates_matter_to_batch_statistics_alone(norm: Norm, training: bool) -> None:
    torch.manual_seed(0)
    net = drawn(small(norm))
    net(torch.randn(4, 3, 16, 16))  # running statistics leave their start
    net.train(training)
    image, mates, others = (torch.randn(n, 3, 16, 16) for n in (1, 2, 2))
    # A copy for each, since a forward pass moves spectral norm's vectors.
    first, second = (
        copy.deepcopy(net)(torch.cat([image, rest])).detach()[0] for rest in (mates, others)
    )
    same = torch.allclose(first, second, atol=1e-5)
    assert same == (norm not in ("batch", "whitening") or not training)


def test_batch_statistics_when_translating_are_declared_and_kept(tmp_path: Path) -> None:
    for norm in ("batch", "whitening"):
        config = small(norm, test_batch_statistics=True)
        net = drawn(config).eval()
        assert not [name for name, _ in net.named_buffers()]
        save_generator(tmp_path, net, GeneratorSpec(config, 3, 3, "ab", (16, 16), 0, "cyclegan"))
        again = load_generator(tmp_path)[0]
        images = torch.randn(2, 3, 16, 16)
        assert again(images).equal(net.train()(images).detach())
        assert not torch.allclose(again(images)[:1], again(images[:1]), atol=1e-3)


def test_dropout_is_off_when_translating_unless_declared(tmp_path: Path) -> None:
    image = torch.randn(1, 3, 16, 16)
    for declared in (False, True):
        config = small("instance", dropout=0.5, test_dropout=declared)
        spec = GeneratorSpec(config, 3, 3, "ab", (16, 16), 0, "cyclegan")
        save_generator(tmp_path, drawn(config), spec)
        translator = Translator(*load_generator(tmp_path))
        assert translator.tensor(image).equal(translator.tensor(image)) != declared


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ["resnet", "unet"])
def test_save_and_load_give_the_same_outputs_exactly(norm: Norm, name: str, tmp_path: Path) -> None:
    config = small(norm, name=name)
    net = drawn(config)
    for _ in range(3):
        net(torch.randn(3, 3, 16, 16))  # running statistics and spectral vectors move
    save_generator(tmp_path, net, GeneratorSpec(config, 3, 3, "ab", (16, 16), 0, "cyclegan"))
    again, spec = load_generator(tmp_path)
    image = torch.randn(2, 3, 16, 16)
    assert spec.generator == config
    assert again(image).equal(net.eval()(image).detach())


def test_an_export_refuses_dropout_when_translating(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    config = small("instance", dropout=0.5, test_dropout=True)
    spec = GeneratorSpec(config, 3, 3, "ab", (16, 16), 0, "cyclegan")
    save_generator(tmp_path, drawn(config), spec)
    with pytest.raises(UsageError, match="one translation"):
        export_onnx(tmp_path, tmp_path / "out")


def correlated(n: int, channels: int) -> Tensor:
    mix = torch.randn(channels, channels) + torch.eye(channels)
    return torch.einsum("ij,bjhw->bihw", mix, torch.randn(n, channels, 8, 8)) + 3


def covariance(x: Tensor) -> Tensor:
    flat = x.detach().transpose(0, 1).flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    return flat @ flat.T / flat.shape[1]


def test_whitening_leaves_the_identity_and_its_running_matrix_follows() -> None:
    torch.manual_seed(0)
    norm, x = Whitening2d(8, 4, 1e-5), correlated(4, 8)
    out = norm(x)
    for part in (out[:, :4], out[:, 4:]):
        torch.testing.assert_close(covariance(part), torch.eye(4), atol=2e-3, rtol=0)
    assert float(out.detach().mean((0, 2, 3)).abs().max()) < 1e-4
    for _ in range(150):
        norm(x)
    torch.testing.assert_close(norm.eval()(x), out, atol=1e-3, rtol=1e-3)
    with torch.autocast("cpu", torch.bfloat16):
        assert norm(x).equal(norm(x.float()))
        assert norm(x.bfloat16()).dtype == torch.bfloat16


def test_whitening_is_zca_not_another_rotation() -> None:
    """The whitening matrix is symmetric, and already white channels pass unturned."""
    torch.manual_seed(0)
    norm = Whitening2d(4, 4, 1e-5)
    flat = correlated(1, 4).flatten(2)
    matrix = norm.statistics(flat)[1][0]
    torch.testing.assert_close(matrix, matrix.T)
    again = norm.statistics(matrix @ (flat - flat.mean(2, keepdim=True)))[1][0]
    torch.testing.assert_close(again, torch.eye(4), atol=1e-3, rtol=0)


def test_the_inverse_root_has_its_gradient_where_eigenvalues_meet() -> None:
    def symmetric(m: Tensor) -> Tensor:
        root: Tensor = InverseRoot.apply((m + m.mT) / 2)  # type: ignore[no-untyped-call]
        return root

    torch.manual_seed(0)
    a = torch.randn(2, 4, 4, dtype=torch.float64)
    for m in (a @ a.mT + 0.1 * torch.eye(4), 2 * torch.eye(4, dtype=torch.float64)[None]):
        assert torch.autograd.gradcheck(symmetric, m.clone().requires_grad_())
    with pytest.raises(TrainingDiverged, match="lr"):
        InverseRoot.apply(torch.full((1, 2, 2), float("nan")))  # type: ignore[no-untyped-call]


def test_layer_norm_is_over_an_image_and_group_norm_over_its_groups() -> None:
    x = torch.randn(2, 12, 5, 5) * 4 + 1
    layer = norm_layer(GeneratorConfig(norm="layer"), 12)(x).detach()
    assert layer.mean((1, 2, 3)).abs().max() < 1e-5
    assert layer.mean(1).abs().max() > 0.1  # a transformer's would be 0 at every pixel
    group = norm_layer(GeneratorConfig(norm="group", groups=3), 12)(x).detach()
    assert group.reshape(2, 3, -1).mean(2).abs().max() < 1e-5
    assert [divisor(n, 32) for n in (64, 32, 48, 12, 7, 1)] == [32, 32, 24, 12, 7, 1]
    instance = norm_layer(GeneratorConfig(norm="instance"), 12)(x)
    torch.testing.assert_close(norm_layer(GeneratorConfig(norm="group"), 12)(x).detach(), instance)


def test_weight_and_spectral_norm_hold_every_convolution() -> None:
    plain, weight = drawn(small("none")), drawn(small("weight"))
    for a, b in zip(convs(plain), convs(weight), strict=True):
        torch.testing.assert_close(a.weight, b.weight)  # the same start, then length apart
        axis = (0, 2, 3) if isinstance(b, nn.ConvTranspose2d) else (1, 2, 3)
        length = b.parametrizations.weight.original0.flatten()  # type: ignore[union-attr, operator]
        torch.testing.assert_close(torch.linalg.vector_norm(b.weight, dim=axis), length)
    torch.manual_seed(0)  # of the vectors that power iteration starts from
    for gain in (0.02, 5.0):
        for conv in convs(drawn(small("spectral", gain=gain)).eval()):
            matrix = conv.weight.detach()
            if isinstance(conv, nn.ConvTranspose2d):
                matrix = matrix.transpose(0, 1)
            top = torch.linalg.matrix_norm(matrix.flatten(1), 2)
            assert float(top) == pytest.approx(1, abs=0.1)
    judge = build_discriminator(DiscriminatorConfig(filters=2, norm="spectral"), 3)
    assert sum(".original" in name for name, _ in judge.named_parameters()) == 5


@pytest.mark.parametrize("init", INITS)
def test_initial_weights_have_their_spread(init: Init) -> None:
    gain = 0.5
    config = small("none", filters=32, init=init, gain=gain)
    for conv in convs(drawn(config))[1:-1]:
        weight, k = conv.weight.detach(), 9
        out, into = weight.shape[:2]
        spread = {
            "normal": gain,
            "truncated": 0.8796 * gain,
            "xavier": gain * (2 / (out * k + into * k)) ** 0.5,
            "kaiming": gain * (2 / (into * k)) ** 0.5,
            "orthogonal": gain / max(out, into * k) ** 0.5,
        }[init]
        assert float(weight.std()) == pytest.approx(spread, rel=0.05)
        assert abs(float(weight.mean())) < 0.05 * spread
        if init == "truncated":
            assert float(weight.abs().max()) <= 2 * gain
        if init == "orthogonal":
            rows = weight.flatten(1)
            torch.testing.assert_close(rows @ rows.T, gain**2 * torch.eye(out), atol=1e-5, rtol=0)
        assert conv.bias is not None
        assert not conv.bias.any()


@pytest.mark.parametrize("norm", ["batch", "instance-affine", "layer", "group", "whitening"])
def test_scales_start_as_declared(norm: Norm) -> None:
    for mean, std in ((1.0, 0.02), (0.0, 0.02), (1.0, 0.0)):
        net = drawn(small(norm, filters=64, gamma_mean=mean, gamma_std=std))
        scales = torch.cat([p.detach() for p in net.parameters() if p.ndim == 1 and p.any()])
        assert len(scales) == 1152  # every channel of every norm; biases are zeros
        assert float(scales.mean()) == pytest.approx(mean, abs=0.003)
        assert float(scales.std()) == pytest.approx(std, abs=0.002)


def test_the_last_convolution_may_start_as_glorots() -> None:
    for name in ("resnet", "unet"):
        config = small("instance", name=name, init="normal", gain=0.02, last_init="glorot")
        own, other = (drawn(c) for c in (config, dataclasses.replace(config, last_init="same")))
        pairs = list(zip(convs(own), convs(other), strict=True))
        assert all(a.weight.equal(b.weight) for a, b in pairs[:-1])
        last = pairs[-1][0].weight.detach()
        bound = (6 / (last[0].numel() + last[:, 0].numel())) ** 0.5
        assert 0.9 * bound < float(last.abs().max()) <= bound


@pytest.mark.parametrize("norm", ["none", "weight", "spectral"])
def test_pixel_shuffle_starts_as_nearest(norm: Norm) -> None:
    config = small(norm, up="shuffle")
    net = nn.Sequential(*doubling(config, 4, 3, 3, True))
    initialise(net, config, torch.Generator().manual_seed(0))
    out = net(torch.randn(1, 4, 6, 6)).detach()
    assert out.shape == (1, 3, 12, 12)
    nearest = out[:, :, ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(out, nearest)
    assert float(out.std()) > 0.1


@pytest.mark.parametrize("norm", ["instance", "instance-affine", "group", "layer"])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("fast", [False, True])
def test_a_penalty_has_the_right_gradient_in_any_memory_order(
    norm: Norm, batch: int, fast: bool
) -> None:
    """The derivative of a derivative, by the first layer's weights through two norms, in double, held
    against finite differences. (torch's own of instance norm errs for one picture in channels last.)"""
    torch.manual_seed(0)
    config = DiscriminatorConfig(norm=norm)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 4, 2, 1), nn.Tanh(),
        nn.Conv2d(4, 8, 4, 2, 1), norm_layer(config, 8), nn.Tanh(),
        nn.Conv2d(8, 8, 4, 2, 1), norm_layer(config, 8), nn.Tanh(),
        nn.Conv2d(8, 1, 3),
    ).double()  # fmt: skip
    for layer in net.modules():
        if isinstance(layer, InstanceNorm2d):
            layer.fast = fast
    weight = next(net.parameters())
    change = torch.randn_like(weight)
    pixels = torch.randn(batch, 32, 32, 3, dtype=torch.double).permute(0, 3, 1, 2)

    def penalty(images: Tensor) -> Tensor:
        images = images.detach().requires_grad_()
        (slope,) = torch.autograd.grad(net(images).mean(), images, create_graph=True)
        return slope.square().sum()

    def shifted(images: Tensor, by: float) -> float:
        with torch.no_grad():
            weight.add_(change, alpha=by)
        found = float(penalty(images).detach())
        with torch.no_grad():
            weight.sub_(change, alpha=by)
        return found

    for images in (pixels, pixels.contiguous()):
        (gradient,) = torch.autograd.grad(penalty(images), weight)
        step = 1e-6
        expected = (shifted(images, step) - shifted(images, -step)) / (2 * step)
        assert float((gradient * change).sum()) == pytest.approx(expected, rel=1e-4)
