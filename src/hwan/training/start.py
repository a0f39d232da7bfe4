"""Starting from what exists: the generators, and where they fit the discriminators, of earlier trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hwan import config as configs
from hwan.config import Config, DiscriminatorConfig
from hwan.errors import UsageError, require
from hwan.inference.translate import find_generator, is_generator
from hwan.interop import read_weights
from hwan.interop.reference import load_discriminator
from hwan.nets.folder import CONFIG, GeneratorSpec, load_generator
from hwan.training.state import Training
from hwan.training.state_file import load_state

WARMUP = 200
"""Images for which new discriminators learn before the generators go on."""


Generators = dict[str, tuple[nn.Module, GeneratorSpec]]
"""By direction."""
Discriminators = dict[str, tuple[DiscriminatorConfig, dict[str, Any]]]
"""Options and tensors, by the domain whose images they tell from generated ones."""


@dataclass(frozen=True)
class Start:
    """What ``--from`` names."""

    generators: Generators
    discriminators: Discriminators
    sources: tuple[Path, ...]

    @property
    def trained_against(self) -> tuple[str, ...]:
        """The feature networks that its trainings saw by."""
        specs = [spec for _, spec in self.generators.values()]
        return tuple(sorted({name for spec in specs for name in spec.trained_against}))


def read_start(sources: Sequence[Path]) -> Start:
    """The networks in ``sources``: run folders, generator folders, what ``hwan import`` reads, folders of
    the reference code's checkpoints (latest_net_G_A.pth, latest_net_D_A.pth …). A later source does not
    replace what an earlier one has.

    Raises ``UsageError`` for a source without a generator, and for generators of unlike networks.
    """
    generators: Generators = {}
    discriminators: Discriminators = {}
    for source in sources:
        some, others = _read(source)
        generators, discriminators = some | generators, others | discriminators
    kinds = [spec.generator for _, spec in generators.values()]
    received = " and ".join(f"{kind.name} of {kind.filters} filters" for kind in kinds)
    alike = all(kind == kinds[0] for kind in kinds)
    require(alike, "generators of the same options to start from", received, "give one of them")
    return Start(generators, discriminators, tuple(sources))


def _read(source: Path) -> tuple[Generators, Discriminators]:
    if is_generator(source):
        net, spec = load_generator(source)
        return {spec.direction: (net, spec)}, {}
    if (source / CONFIG).is_file():
        config = configs.load(source / CONFIG)
        folders = (find_generator(source, direction) for direction in config.directions)
        loaded = [load_generator(folder) for folder in folders]
        return {spec.direction: (net, spec) for net, spec in loaded}, _discriminators(
            source, config
        )
    files = sorted(source.glob("latest_net_*.pth")) if source.is_dir() else [source]
    generators = [read_weights(file) for file in files if "_net_D" not in file.name]
    discriminators = {}
    for file in files:
        if "_net_D" in file.name:  # "D_A" is that of domain B, and so is pix2pix's "D"
            net, shape, _ = load_discriminator(file)
            discriminators["a" if "_net_D_B" in file.name else "b"] = shape, net.state_dict()
    expected = "a run, a generator folder, or checkpoints of the reference code for --from"
    require(bool(generators), expected, f"{source}: none of these", "correct the path")
    return {spec.direction: (net, spec) for net, spec in generators}, discriminators


def _discriminators(run: Path, config: Config) -> Discriminators:
    """Those in the state of ``run``; none where it holds no state."""
    try:
        method = load_state(run / "state", torch.device("cpu"))[0]["method"]
    except UsageError:
        return {}
    found = {}
    for domain in _domains(config):
        prefix = f"adversarial_{domain}.discriminator."
        own = {k.removeprefix(prefix): v for k, v in method.items() if k.startswith(prefix)}
        found[domain] = config.discriminator, own
    return found


def adopted(config: Config, start: Start) -> Config:
    """``config`` with the generator of ``start``, and with a warm-up where its discriminators are new."""
    spec = next(iter(start.generators.values()))[1]
    config = replace(config, generator=spec.generator)
    known = all(domain in start.discriminators for domain in _domains(config))
    fits = known and all(
        shape == config.discriminator for shape, _ in start.discriminators.values()
    )
    if fits or config.train.warmup:
        return config
    return replace(config, train=replace(config.train, warmup=WARMUP))


def _domains(config: Config) -> list[str]:
    """The domains that the method has discriminators of."""
    return [direction[1] for direction in config.directions]


def begin_from(training: Training, start: Start) -> list[str]:
    """Put the networks of ``start`` into a new ``training``; what each began as, in words.

    A direction that ``start`` has no generator for begins as a copy of the other one, which at least gives
    back what it is given, where the channels allow it; else it is new. Discriminators are taken where
    their options are the training's. Raises ``UsageError`` for generators of other channels.
    """
    config, notes = training.config, []
    for name, net in training.method.generators.items():
        direction = name.removeprefix("generator_")
        source = start.generators.get(direction)
        other = start.generators.get(direction[::-1])
        if (
            source is None
            and other is not None
            and config.data.channels_a == config.data.channels_b
        ):
            source = other
            notes.append(f"{name} begins as a copy of the other direction")
        if source is None:
            notes.append(f"{name} is new")
            continue
        channels = {"a": config.data.channels_a, "b": config.data.channels_b}
        spec = source[1]
        own, wanted = (spec.channels_in, spec.channels_out), tuple(channels[d] for d in direction)
        fix = f"give --data.channels_a and --data.channels_b as {own[0]} and {own[1]}"
        received = f"{own[0]} to {own[1]} channels, of {spec.direction}"
        require(own == wanted, f"a generator of {wanted[0]} to {wanted[1]} channels", received, fix)
        hints = config.data.hints > 0
        expected = f"a generator {'with' if hints else 'without'} colour hints"
        fix = f"{'leave out' if hints else 'add'} --data.hints, or start from another generator"
        received = f"data.hints {config.data.hints}, and the generator's hints {spec.hints}"
        require(spec.hints == hints, expected, received, fix)
        _load(net, source[0].state_dict())
        if training.average:
            _load(training.average.networks[name], source[0].state_dict())
    for domain in _domains(config):
        net = getattr(training.method, f"adversarial_{domain}").discriminator
        shape, state = start.discriminators.get(domain, (None, {}))
        same = shape == config.discriminator and _shapes(state) == _shapes(net.state_dict())
        if same:
            net.load_state_dict(state)
        else:
            notes.append(f"the discriminator of {domain.upper()} is new")
    training.trained_against = start.trained_against
    return [f"starting from {', '.join(map(str, start.sources))}", *notes]


def _load(net: nn.Module, state: dict[str, Any]) -> None:
    # Whether batch statistics are averaged may differ; their averages then begin anew.
    net.load_state_dict({k: state.get(k, v) for k, v in net.state_dict().items()})


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}
