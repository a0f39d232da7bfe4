"""Starting from what exists: the generators, and where they fit the discriminators, of earlier trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hwan import config as configs
from hwan.config import Config, DiscriminatorConfig, GeneratorConfig
from hwan.errors import require
from hwan.inference.translate import find_generator, is_generator, located
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
    def generator(self) -> GeneratorConfig:
        """The options that its generators share."""
        return next(iter(self.generators.values()))[1].generator

    @property
    def trained_against(self) -> tuple[str, ...]:
        """The feature networks that its trainings saw by."""
        specs = [spec for _, spec in self.generators.values()]
        return tuple(sorted({name for spec in specs for name in spec.trained_against}))


def read_start(sources: Sequence[Path]) -> Start:
    """The networks in ``sources``: run folders, generator folders (also those that come with hwan, by their
    names), files that ``hwan import`` reads, and folders of the reference code's checkpoints
    (latest_net_G_A.pth, latest_net_D_A.pth and so on). A later source does not replace what an earlier one
    has.

    Raises ``UsageError`` for a source without a generator, and for generators of unlike networks.
    """
    generators: Generators = {}
    discriminators: Discriminators = {}
    for source in map(located, sources):
        some, others = _read(source)
        generators, discriminators = some | generators, others | discriminators
    first, *more = [vars(spec.generator) for _, spec in generators.values()]
    unlike = [name for other in more for name in first if other[name] != first[name]]
    received = f"other {', '.join(unlike)}"
    expected = "generators of the same options to start from"
    require(not unlike, expected, received, "give one of them")
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
    """Those in the state of ``run``; none where it has no state. Raises ``UsageError`` for a damaged one."""
    if not (run / "state").is_dir():
        return {}
    method = load_state(run / "state", torch.device("cpu"))[0]["method"]
    found = {}
    for domain in _domains(config):
        prefix = f"adversarial_{domain}.discriminator."
        own = {k.removeprefix(prefix): v for k, v in method.items() if k.startswith(prefix)}
        found[domain] = config.discriminator, own
    return found


def _domains(config: Config) -> list[str]:
    """The domains that the method has discriminators of."""
    return [direction[1] for direction in config.directions]


def begin_from(training: Training, start: Start) -> list[str]:
    """Put the networks of ``start`` into a new ``training``, whose generators have its options; what each
    began as, in words.

    A direction that ``start`` has no generator for begins as a copy of the other one, which at least gives
    back what it is given, where the channels allow it; else it is new. Discriminators are taken where they
    compute the same; where one is new, the generators are held at first unless ``train.warmup`` says
    otherwise. Raises ``UsageError`` for generators of other channels.
    """
    config, notes = training.config, []
    channels = {"a": config.data.channels_a, "b": config.data.channels_b}
    for name, net in training.method.generators.items():
        direction = name.removeprefix("generator_")
        source, other = (start.generators.get(d) for d in (direction, direction[::-1]))
        if source is None and other is not None and channels["a"] == channels["b"]:
            source = other
            notes.append(f"{name} begins as a copy of the other direction")
        if source is None:
            notes.append(f"{name} is new")
            continue
        spec = source[1]
        own = dict(zip(direction, (spec.channels_in, spec.channels_out), strict=True))
        fix = f"give --data.channels_a {own['a']} --data.channels_b {own['b']}"
        received = f"A {own['a']}, B {own['b']}"
        expected = f"a generator for channels A {channels['a']}, B {channels['b']}"
        require(own == channels, expected, received, fix)
        hints = config.data.hints > 0
        expected = f"a generator {'with' if hints else 'without'} colour hints"
        fix = f"{'leave out' if hints else 'add'} --data.hints, or start from another generator"
        received = f"data.hints {config.data.hints}, and the generator's hints {spec.hints}"
        require(spec.hints == hints, expected, received, fix)
        averaged = [training.average.networks[name]] if training.average else []
        for target in (net, *averaged):
            _load(target, source[0].state_dict())
    new = []
    for domain in _domains(config):
        net = getattr(training.method, f"adversarial_{domain}").discriminator
        shape, state = start.discriminators.get(domain, (None, {}))
        if shape and _computes(shape) == _computes(config.discriminator) and _fits(net, state):
            net.load_state_dict(state)
        else:
            new.append(f"the discriminator of {domain.upper()} is new")
    if new and config.train.warmup < 0:
        training.warmup = WARMUP
        new.append(f"the generators are held for {WARMUP} images (train.warmup)")
    training.trained_against = start.trained_against
    return [f"starting from {', '.join(map(str, start.sources))}", *notes, *new]


BEGINNING = ("init", "gain", "gamma_mean", "gamma_std")
"""Options of a network that say how its weights begin, and nothing of what it computes."""


def _computes(config: DiscriminatorConfig) -> dict[str, Any]:
    return {name: value for name, value in vars(config).items() if name not in BEGINNING}


def _fits(net: nn.Module, state: Mapping[str, Tensor]) -> bool:
    own = {name: tensor.shape for name, tensor in net.state_dict().items()}
    return own == {name: tensor.shape for name, tensor in state.items()}


def _load(net: nn.Module, state: dict[str, Tensor]) -> None:
    """``state`` into ``net``. Whether batch statistics are averaged may differ: they are taken where both
    have them."""
    averages = ("running_mean", "running_var", "num_batches_tracked")
    own = {k: v for k, v in net.state_dict().items() if k.endswith(averages)}
    kept = {k: v for k, v in state.items() if not k.endswith(averages) or k in own}
    net.load_state_dict(own | kept)
