"""Generators: shapes, sizes, forms, and what each design lets through."""

import copy
import itertools
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import nn

import tiny
from hwan.config import Config, DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig
from hwan.config.networks import Activation, Norm, Padding, Upsampling
from hwan.data.loader import Batch
from hwan.errors import UsageError
from hwan.nets import build_generator
from hwan.nets.blocks import Blur, SameConv2d, SameTransposed2d
from hwan.nets.initial import initialise
from hwan.nets.resnet import ResidualBlock, Resnet, contrastive_layers, features
from hwan.training.loop import loop
from hwan.training.state import Training

GENERATORS = ("resnet", "unet", "bottleneck", "plain")


def generator(**options: Any) -> GeneratorConfig:
    return GeneratorConfig(**{"filters": 4, "blocks": 1, "stem": 3, **options})


@pytest.mark.parametrize("norm", get_args(Norm))
@pytest.mark.parametrize("name", GENERATORS)
def test_every_part_runs_forward_and_backward(name: str, norm: str) -> None:
    """Every upsampling with every padding; activations, halvings and "same" in turn."""
    paddings, activations = get_args(Padding), get_args(Activation)
    turn = itertools.count()
    for up, padding in itertools.product(get_args(Upsampling), paddings):
        i = next(turn)
        config = generator(
            name=name,
            norm=norm,
            up=up,
            padding=padding,
            activation=activations[i % len(activations)],
            down=("strided", "blur")[i % 2],
            strided_padding=("symmetric", "same")[i // 2 % 2],
        )
        net = build_generator(config, 1, 3)
        multiple, least = config.sizes
        height, width = max(8, least), max(8, least) + multiple
        out = net(torch.randn(2, 1, height, width))
        assert out.shape == (2, 3, height, width)
        assert float(out.detach().abs().max()) <= 1
        out.square().mean().backward()
        grads = [p.grad for p in net.parameters()]
        assert all(g is not None and bool(g.isfinite().all()) for g in grads), config


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("padding", get_args(Padding))
@pytest.mark.parametrize("up", get_args(Upsampling))
def test_the_least_size_works(name: str, padding: str, up: str) -> None:
    """One image, at one pixel in the deepest level of a U-Net, while training."""
    for downs in (2, 3):
        config = generator(name=name, padding=padding, up=up, downs=downs, norm="instance")
        multiple, least = config.sizes
        assert least % multiple == 0
        assert build_generator(config, 3, 3)(torch.randn(1, 3, least, least)).isfinite().all()


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("padding", ["reflect", "replicate", "zero"])
@pytest.mark.parametrize("up", ["transposed", "nearest"])
def test_a_generator_keeps_the_size_and_the_range(norm: str, padding: str, up: str) -> None:
    config = GeneratorConfig(filters=4, blocks=1, norm=norm, padding=padding, up=up)  # type: ignore[arg-type]
    net = build_generator(config, 1, 3)
    multiple, least = config.sizes
    out = net(torch.randn(2, 1, least, least + multiple)).detach()
    assert out.shape == (2, 3, least, least + multiple)
    assert float(out.abs().max()) <= 1


@pytest.mark.parametrize(("downs", "stem"), [(0, 3), (0, 7), (1, 7), (2, 5), (3, 7), (4, 9)])
def test_the_least_size_works_and_a_smaller_one_does_not(downs: int, stem: int) -> None:
    config = GeneratorConfig(filters=2, blocks=1, downs=downs, stem=stem)
    net = build_generator(config, 3, 3)
    multiple, least = config.sizes
    assert least % multiple == 0
    net(torch.randn(1, 3, least, least))
    smaller = least - multiple
    if smaller:
        with pytest.raises((RuntimeError, ValueError)):
            net(torch.randn(1, 3, smaller, smaller))


def test_a_unet_of_one_image_trains_under_batch_norm_down_to_a_pixel() -> None:
    net = build_generator(generator(name="unet", downs=4, norm="batch"), 3, 3).train()
    assert net(torch.randn(1, 3, 16, 16)).shape == (1, 3, 16, 16)


def test_a_unet_names_the_sizes_it_takes() -> None:
    with pytest.raises(UsageError, match="multiples of 8"):
        build_generator(generator(name="unet", downs=3), 3, 3)(torch.randn(1, 3, 16, 20))


@pytest.mark.parametrize(("downs", "count"), [(6, 1), (7, 2), (8, 3), (9, 4)])
def test_a_unet_drops_out_where_it_keeps_its_width(downs: int, count: int) -> None:
    net = build_generator(generator(name="unet", filters=1, downs=downs, dropout=0.5), 3, 3)
    assert sum(isinstance(m, nn.Dropout) for m in net.modules()) == count


def test_checkpointing_repeats_dropout_that_stays_on() -> None:
    net = build_generator(generator(dropout=0.5, test_dropout=True), 3, 3)
    image, gradients = torch.randn(1, 3, 16, 16), []
    for checkpointing in (False, True):
        net.checkpointing = checkpointing  # type: ignore[assignment]
        torch.manual_seed(5)
        gradients.append(torch.autograd.grad(net(image).square().mean(), list(net.parameters())))
    torch.testing.assert_close(*gradients)


def test_only_skips_pass_the_bottleneck() -> None:
    image, other = torch.randn(2, 1, 3, 16, 16)
    for name, passes in (("unet", True), ("bottleneck", False), ("resnet", True), ("plain", False)):
        net = build_generator(generator(name=name, norm="none", downs=2), 3, 3)
        if name in ("unet", "bottleneck"):
            net.levels.inner.down[1].weight.data.zero_()  # type: ignore[union-attr, index]
        else:
            block = next(m for m in net.modules() if isinstance(m, ResidualBlock))
            block.body[-2].weight.data.zero_()  # type: ignore[operator]
        assert torch.equal(net(image), net(other)) != passes


def test_down_same_is_tensorflows_and_transposed_same_its_adjoint() -> None:
    x = torch.arange(36.0).reshape(1, 1, 6, 6)
    corner = torch.zeros(1, 1, 3, 3)
    corner[0, 0, 0, 0] = 1
    conv, up = SameConv2d(1, 1, 3, 2, bias=False), SameTransposed2d(1, 1, 3, 2, bias=False)
    conv.weight.data, up.weight.data = corner, corner.clone()
    # No zero at the top and left: the kernel's first weight meets the first pixel.
    assert conv(x).detach().equal(x[:, :, ::2, ::2])
    assert up(x).detach()[:, :, ::2, ::2].equal(x)
    for kernel, stride in ((3, 2), (4, 2), (3, 1), (4, 1)):
        conv = SameConv2d(2, 3, kernel, stride, bias=False)
        up = SameTransposed2d(3, 2, kernel, stride, bias=False)
        up.weight.data = conv.weight.data.clone()
        x, y = torch.randn(1, 2, 8, 8), torch.randn(1, 3, 8 // stride, 8 // stride)
        assert conv(x).shape == y.shape
        assert float((conv(x) * y).sum().detach()) == pytest.approx(
            float((x * up(y)).sum().detach()), rel=1e-3, abs=1e-3
        )


def test_blur_is_binomial() -> None:
    x = torch.zeros(1, 2, 8, 8)
    x[0, 0, 3, 4] = 16
    out = Blur(2)(x)
    assert out[0, 0, 1:3, 1:4].tolist() == [[0, 2, 0], [0, 2, 0]]
    assert float(out.sum()) == 4
    assert torch.allclose(Blur(1)(torch.full((1, 1, 4, 4), 3.0)), torch.tensor(3.0))


def test_features_are_those_cut_compares() -> None:
    assert contrastive_layers(GeneratorConfig(down="blur")) == (0, 4, 8, 12, 16)
    assert contrastive_layers(GeneratorConfig()) == (0, 4, 7, 10, 14)
    assert contrastive_layers(GeneratorConfig(blocks=0)) == (0, 4, 7)
    config = GeneratorConfig(filters=2, blocks=9, norm="none")
    net = build_generator(config, 3, 3)
    initialise(net, config, torch.Generator().manual_seed(0))
    assert isinstance(net, nn.Sequential)
    image = torch.randn(1, 3, 32, 32)
    found = features(net, image, contrastive_layers(config))
    shapes = [(3, 38, 38), (4, 16, 16), (8, 8, 8), (8, 8, 8), (8, 8, 8)]
    assert [tuple(f.shape[1:]) for f in found] == shapes
    assert isinstance(net[10], ResidualBlock)
    assert isinstance(net[14], ResidualBlock)
    assert float(found[1].detach().min()) < 0  # before its activation, which works in place
    for layer, feature in zip(contrastive_layers(config), found, strict=True):
        x = image
        for module in list(net)[: layer + 1]:
            x = module(x)
        torch.testing.assert_close(feature, x)
    torch.testing.assert_close(features(net, image, [len(net) - 1])[0], net(image))
    for wrong in ([], [-1], [len(net)]):
        with pytest.raises(UsageError, match="numbers of layers"):
            features(net, image, wrong)
    with pytest.raises(UsageError, match=r"nn\.Sequential"):
        features(build_generator(generator(name="unet"), 3, 3), image, [0])


@pytest.mark.parametrize("norm", ["weight", "spectral", "whitening", "layer", "group"])
@pytest.mark.parametrize("name", ["resnet", "unet"])
def test_a_training_with_each_norm_goes_on_exactly(norm: Any, name: Any) -> None:
    """Two steps equal one, a state's return, and one, averaged generators included."""
    shape = generator(name=name, norm=norm, whitening_channels=4)
    config = Config(
        data=DataConfig(size=32),
        generator=shape,
        discriminator=DiscriminatorConfig(filters=2, layers=2, norm=norm, whitening_channels=4),
        train=TrainConfig(pool=0, ema=2.0),
    )
    random = torch.Generator().manual_seed(0)
    pairs = torch.randint(256, (2, 2, 1, 32, 32, 3), generator=random).byte()
    batches = [Batch(*pair) for pair in pairs]
    straight, first, second = (Training(config, torch.device("cpu")) for _ in range(3))
    expected = [tiny.numbers(status.losses) for status in loop(straight, iter(batches), 2)]
    list(loop(first, iter(batches[:1]), 1))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    got = next(iter(loop(second, iter(batches[1:]), 2)))
    assert tiny.numbers(got.losses) == expected[1]
    for a, b in zip(straight.generators.values(), second.generators.values(), strict=True):
        theirs = b.state_dict()
        assert all(value.equal(theirs[key]) for key, value in a.state_dict().items())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GeneratorConfig(name="unet", downs=1), "downs of at least 2 for unet"),
        (lambda: GeneratorConfig(name="unet", downs=5, dropout=0.5), "generator.downs of at least 6"),
        (lambda: GeneratorConfig(test_dropout=True), "a generator.dropout above 0 for generator.test"),
        (lambda: GeneratorConfig(test_batch_statistics=True), "norm batch or whitening for"),
        (lambda: GeneratorConfig(norm_eps=0), "norm_eps above 0"),
        (lambda: GeneratorConfig(groups=0), "groups of at least 1"),
        (lambda: DiscriminatorConfig(members=0), "members of at least 1"),
        (lambda: DiscriminatorConfig(gamma_std=-1), "gamma_std of at least 0"),
        (
            lambda: Config(data=DataConfig(size=128), generator=GeneratorConfig(name="unet", downs=8)),
            "multiple of 256",
        ),
        (
            lambda: Config(
                data=DataConfig(size=64), discriminator=DiscriminatorConfig(name="multiscale")
            ),
            "size of at least 96",
        ),
        (
            lambda: Config(
                data=DataConfig(size=64),
                generator=GeneratorConfig(name="unet", downs=6, norm="whitening"),
            ),
            "received: 4 ",
        ),
        (
            lambda: Config(
                data=DataConfig(size=32), discriminator=DiscriminatorConfig(norm="whitening")
            ),
            "discriminator.s smallest normed layer\n  received: 9",
        ),
    ],
)  # fmt: skip
def test_what_cannot_work_is_said_at_once(make: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_whitening_takes_fewer_channels_or_a_larger_batch() -> None:
    for whitened, batch in ((3, 1), (16, 5)):
        net = GeneratorConfig(name="unet", downs=6, norm="whitening", whitening_channels=whitened)
        Config(data=DataConfig(size=64), generator=net, train=TrainConfig(batch=batch))


def guide(page: str) -> dict[str, Any]:
    """What a page's code defines, run as it stands there."""
    path = Path(__file__).parents[2] / "docs" / "guide" / page
    if not path.is_file():
        pytest.skip("the guide is not here")
    code = path.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(compile(code, str(path), "exec"), names)
    return names


def test_keras_example_by_the_guide() -> None:
    """Weights as its summary would list them: no bias before a norm, a scale and a shift after."""
    names = guide("networks.md")
    net = build_generator(names["generator"], 3, 3)
    stem = [(64, 3, 7, 7), (64,), (64,), (128, 64, 3, 3), (128,), (128,), (256, 128, 3, 3)]
    shapes = [tuple(p.shape) for p in net.parameters()]
    assert shapes[:7] == stem
    assert shapes[-8:] == [
        (256, 128, 3, 3), (128,), (128,), (128, 64, 3, 3), (64,), (64,), (3, 64, 7, 7), (3,)
    ]  # fmt: skip
    assert len(shapes) == 3 * (1 + 2 + 18 + 2) + 2


def test_the_explicit_form_of_the_guide_is_the_same_network() -> None:
    names = guide("two-forms.md")
    for blocks, downs in ((9, 2), (2, 3)):
        sequential = build_generator(GeneratorConfig(filters=4, blocks=blocks, downs=downs), 3, 1)
        explicit = names["ExplicitResnet"](3, 1, filters=4, blocks=blocks, downs=downs)
        theirs, own = sequential.state_dict(), explicit.state_dict()
        assert [v.shape for v in own.values()] == [v.shape for v in theirs.values()]
        explicit.load_state_dict(dict(zip(own, theirs.values(), strict=True)))
        image = torch.randn(2, 3, 32, 40)
        a, b = sequential(image), explicit(image)
        assert a.equal(b)
        for net, out in ((sequential, a), (explicit, b)):
            net.zero_grad()
            out.square().mean().backward()
        pairs = zip(sequential.parameters(), explicit.parameters(), strict=True)
        assert all(p.grad is not None and p.grad.equal(q.grad) for p, q in pairs)


def test_the_last_convolution_sees_the_input() -> None:
    """With the layers' part of its weights at 0 the input comes back; and the layers learn as without."""
    config = generator(name="resnet", stem=3, input_skip=True, filters=4, blocks=1)
    net = build_generator(config, 3, 3)
    inner, *_, last, _ = net.children()
    assert isinstance(last, nn.Conv2d)
    assert last.in_channels == 3 + 4
    with torch.no_grad():
        last.weight.zero_()
        for channel in range(3):
            last.weight[channel, channel, 1, 1] = 1
        assert last.bias is not None
        last.bias.zero_()
    image = torch.rand(1, 3, 16, 16) * 2 - 1
    assert torch.allclose(net(image), image.tanh(), atol=1e-6)
    plain = build_generator(generator(name="resnet", stem=3, filters=4, blocks=1), 3, 3)
    within = {k.removeprefix("0."): v for k, v in net.state_dict().items() if k.startswith("0.")}
    own = {k: v for k, v in plain.state_dict().items() if k in within}
    assert {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in within.items()}
    plain.load_state_dict({**plain.state_dict(), **within})
    layers = contrastive_layers(config)
    for one, other in zip(
        features(net, image, layers), features(plain, image, layers), strict=True
    ):
        assert torch.equal(one, other)
    assert isinstance(inner, Resnet)
    inner.checkpointing = True
    again = net(image.requires_grad_())
    again.sum().backward()
    assert torch.allclose(again, image.tanh(), atol=1e-6)
