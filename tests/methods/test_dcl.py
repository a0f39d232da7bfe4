"""DCL: both ways, two encoders, patches in place of a cycle."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from hwan.config import (
    Config,
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    LossConfig,
    TrainConfig,
)
from hwan.errors import UsageError
from hwan.methods.base import summed
from hwan.methods.dcl import DCL
from hwan.nets.resnet import contrastive_layers, features


def dcl(**options: Any) -> DCL:
    torch.manual_seed(0)
    config = Config(
        method="dcl",
        data=DataConfig(size=32, **options.pop("data", {})),
        generator=GeneratorConfig(filters=4, blocks=2, stem=3, **options),
        discriminator=DiscriminatorConfig(filters=2, layers=2),
        loss=LossConfig(nce=2.0, identity=1.0, nce_patches=16),
        train=TrainConfig(pool=0),
    )
    return DCL(config).train()


def images() -> tuple[Tensor, Tensor]:
    return torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 32, 32) * 2 - 1


def test_the_contrast_is_the_papers_written_again() -> None:
    """Equation 4: queries of the output by F's encoder and its projections, keys of the input by G's."""
    method, (a, b) = dcl(), images()
    made = method(a, b)
    layers = contrastive_layers(GeneratorConfig(filters=4, blocks=2, stem=3))[1:]
    state = method.projections_a.random.get_state()
    got = method.generator_loss("a", made)["nce_a"]
    method.projections_a.random.set_state(state)
    losses = []
    keys = features(method.generator_ab, a, layers)
    queries = features(method.generator_ba, made["fake_b"], layers)
    for i, (key, query) in enumerate(zip(keys, queries, strict=True)):
        places = torch.randperm(key[0, 0].numel(), generator=method.projections_a.random)[:16]
        k = normalize(method.projections_a.heads[i](key[0].flatten(1)[:, places].T), dim=1)
        q = normalize(method.projections_b.heads[i](query[0].flatten(1)[:, places].T), dim=1)
        losses.append(cross_entropy(q @ k.T / 0.07, torch.arange(len(places))))
    assert float(got.detach()) == pytest.approx(
        2.0 * float(torch.stack(losses).mean().detach()), rel=1e-5
    )


def test_what_learns_from_which_direction() -> None:
    """Keys are held, so what A is seen by learns only through the way back."""
    method, (a, b) = dcl(), images()
    made = method(a, b)
    made["fake_b"] = made["fake_b"].detach()
    summed(method.generator_loss("a", {**made, "idt_a": made["idt_a"].detach()})).backward()  # type: ignore[no-untyped-call]
    touched = {name for name, weight in method.named_parameters() if weight.grad is not None}
    assert any(name.startswith("projections_b") for name in touched)
    assert any(name.startswith("generator_ba") for name in touched)
    assert not any(name.startswith(("projections_a", "generator_ab")) for name in touched)


def test_images_of_a_domain_alone_are_those_of_both() -> None:
    method, (a, b) = dcl(), images()
    both = method(a, b)
    assert set(both) == {"real_a", "fake_b", "idt_a", "real_b", "fake_a", "idt_b"}
    one = method(a, b, domains=("b",))
    assert set(one) == {"real_b", "fake_a", "idt_b"}
    assert all(torch.equal(image, both[name]) for name, image in one.items())
    assert set(method.eval()(a, b)) == {"real_a", "fake_b", "real_b", "fake_a"}


def test_draws_are_saved() -> None:
    method, (a, b) = dcl(), images()
    made, state = method(a, b), method.state_dict()
    first = float(method.generator_loss("b", made)["nce_b"].detach())
    assert float(method.generator_loss("b", made)["nce_b"].detach()) != first  # other patches
    method.load_state_dict(state)
    assert float(method.generator_loss("b", made)["nce_b"].detach()) == first


def test_domains_of_other_channels_need_no_identity() -> None:
    with pytest.raises(UsageError, match="as many channels in A as in B for the identity loss"):
        dcl(data={"channels_a": 1})
    with pytest.raises(UsageError, match="whose features method dcl reads"):
        Config(method="dcl", generator=GeneratorConfig(name="unet", downs=5))
