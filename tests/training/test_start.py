"""Starting from what exists: which networks are taken, which are new, and what is told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import tiny
from commands import say
from hwan import api
from hwan.config import Config
from hwan.errors import UsageError
from hwan.interop import export_reference
from hwan.methods.cyclegan import CycleGAN
from hwan.nets.folder import load_generator, read_spec, save_generator
from hwan.training.start import WARMUP, Start, begin_from, read_start
from hwan.training.state import Training

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return api.train(tiny.config(), data, tmp_path_factory.mktemp("runs") / "first", "cpu")


def adopted(config: Config, start: Start) -> Config:
    return dataclasses.replace(config, generator=start.generator)


def weights(net: nn.Module) -> dict[str, Tensor]:
    return net.state_dict()


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(
        torch.equal(a, b)
        for a, b in zip(weights(one).values(), weights(other).values(), strict=True)
    )


def test_a_run_gives_its_generators_and_its_discriminators(run: Path) -> None:
    start = read_start([run])
    config = adopted(tiny.config(seed=5), start)
    training = Training(config, CPU)
    notes = begin_from(training, start)
    assert training.warmup == 0  # its discriminators fit
    assert notes == [f"starting from {run}"]
    for name, net in training.method.generators.items():
        assert same(net, load_generator(run / name)[0])
    state = torch.load(_payload(run), weights_only=True)["method"]
    prefix = "adversarial_b.discriminator."
    for key, value in training.method.adversarial_b.discriminator.state_dict().items():
        assert torch.equal(value, state[prefix + key])


def _payload(run: Path) -> Path:
    path = run / "payload.pt"
    path.write_bytes((run / "state/latest.pt").read_bytes().partition(b"\n")[2])
    return path


def test_discriminators_of_other_options_are_new_and_warmed_up(
    run: Path, data: Path, tmp_path: Path
) -> None:
    start = read_start([run])
    wider = dataclasses.replace(tiny.config().discriminator, filters=6)
    config = adopted(dataclasses.replace(tiny.config(), discriminator=wider), start)
    training = Training(config, CPU)
    notes = begin_from(training, start)
    assert training.warmup == WARMUP
    assert notes[1:3] == ["the discriminator of B is new", "the discriminator of A is new"]
    given = dataclasses.replace(config, train=dataclasses.replace(config.train, warmup=0))
    training = Training(given, CPU)
    begin_from(training, start)
    assert training.warmup == 0  # as asked
    begun = dataclasses.replace(tiny.config().discriminator, init="xavier", gain=1.0)
    training = Training(dataclasses.replace(tiny.config(), discriminator=begun), CPU)
    assert len(begin_from(training, start)) == 1  # how weights begin does not matter
    # 6 images, all of them within the warm-up: the generators stay, the discriminators move.
    again = api.train(
        dataclasses.replace(tiny.config(), discriminator=wider),
        data,
        tmp_path / "again",
        "cpu",
        start=run,
    )
    for direction in ("ab", "ba"):
        first, second = (
            load_generator(folder / f"generator_{direction}")[0] for folder in (run, again)
        )
        assert same(first, second)
    moved = torch.load(_payload(again), weights_only=True)["method"][
        "adversarial_a.discriminator.0.weight"
    ]
    fresh = CycleGAN(config).adversarial_a.discriminator.state_dict()["0.weight"]
    assert not torch.equal(moved, fresh)


def test_one_generator_makes_the_other_direction_its_copy(run: Path) -> None:
    start = read_start([run / "generator_ba"])
    training = Training(adopted(tiny.config(), start), CPU)
    notes = begin_from(training, start)
    assert "generator_ab begins as a copy of the other direction" in notes
    assert same(training.method.generator_ab, training.method.generator_ba)
    assert same(training.method.generator_ba, load_generator(run / "generator_ba")[0])


def test_averages_begin_there_too(run: Path) -> None:
    start = read_start([run])
    training = Training(adopted(tiny.config(ema=100.0), start), CPU)
    begin_from(training, start)
    for name, net in training.generators.items():
        assert same(net, load_generator(run / name)[0])


def test_one_way_from_two_way_and_from_several_sources(run: Path) -> None:
    start = read_start([run / "generator_ab", run / "generator_ba"])
    assert set(start.generators) == {"ab", "ba"}
    config = dataclasses.replace(
        tiny.config(), method="gan", loss=dataclasses.replace(tiny.config().loss, identity=0)
    )
    training = Training(adopted(config, start), CPU)
    begin_from(training, start)
    assert same(training.method.generator_ab, load_generator(run / "generator_ab")[0])


def test_checkpoints_of_the_reference_code(run: Path, tmp_path: Path) -> None:
    """A folder of them: D_A is the discriminator that faces G_A, so it is domain B's."""
    config = dataclasses.replace(
        tiny.config(),
        generator=dataclasses.replace(tiny.config().generator, up="transposed", stem=7, blocks=6),
        discriminator=dataclasses.replace(tiny.config().discriminator, layers=3),
    )
    training = Training(config, CPU)
    for direction, net in zip(("ab", "ba"), training.method.generators.values(), strict=True):
        spec = dataclasses.replace(
            read_spec(run / f"generator_{direction}"), generator=config.generator
        )
        save_generator(tmp_path / direction, net, spec)
        export_reference(tmp_path / direction, tmp_path)
    judge = training.method.adversarial_b.discriminator.state_dict()
    torch.save(
        {f"model.{key}": value for key, value in judge.items()}, tmp_path / "latest_net_D_A.pth"
    )
    start = read_start([tmp_path])
    assert set(start.generators) == {"ab", "ba"}
    assert set(start.discriminators) == {"b"}
    other = Training(
        adopted(dataclasses.replace(config, train=tiny.config(seed=9).train), start), CPU
    )
    begin_from(other, start)
    for name, net in training.method.generators.items():
        assert same(net, other.method.generators[name])
    assert same(
        training.method.adversarial_b.discriminator, other.method.adversarial_b.discriminator
    )


def test_provenance_survives(run: Path, data: Path, tmp_path: Path) -> None:
    folder = run / "generator_ab"
    net, spec = load_generator(folder)
    known = tmp_path / "known"
    save_generator(known, net, dataclasses.replace(spec, trained_against=("lite0",)))
    second = api.train(tiny.config(), data, tmp_path / "second", "cpu", start=known)
    assert read_spec(second / "generator_ab").trained_against == ("lite0",)
    longer = dataclasses.replace(tiny.config(), train=tiny.config(epochs=2).train)
    api.train(longer, data, second, "cpu", resume=True)  # the state keeps it
    assert read_spec(second / "generator_ba").trained_against == ("lite0",)


def test_what_is_no_start_is_refused(run: Path, data: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match="a run, a generator folder, or checkpoints"):
        read_start([empty])
    with pytest.raises(UsageError, match="--from or --resume"):
        api.train(tiny.config(), data, run, "cpu", resume=True, start=run)
    grey = dataclasses.replace(tiny.config().data, channels_a=1)
    config = dataclasses.replace(
        tiny.config(), data=grey, loss=dataclasses.replace(tiny.config().loss, identity=0)
    )
    with pytest.raises(UsageError, match="a generator for channels A 1, B 3") as error:
        api.train(config, data, tmp_path / "grey", "cpu", start=run)
    assert "give --data.channels_a 3 --data.channels_b 3" in str(error.value)
    other = dataclasses.replace(tiny.config().generator, filters=3)
    made = CycleGAN(dataclasses.replace(tiny.config(), generator=other)).generator_ba
    spec = dataclasses.replace(read_spec(run / "generator_ba"), generator=other)
    save_generator(tmp_path / "unlike", made, spec)
    with pytest.raises(UsageError, match="generators of the same options") as error:
        read_start([run / "generator_ab", tmp_path / "unlike"])
    assert "received: other filters" in str(error.value)


def test_on_the_command_line(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    line = (
        f"train cyclegan --from {run} --data {data} --out {out} --data.size 32 --train.epochs 0.3"
    )
    refused = say(capsys, *line.split(), "--generator.filters", "2")
    assert refused.code == 2
    assert "no --generator options beside --from" in refused.err
    told = say(capsys, *line.split(), "--discriminator.filters", "4", "--discriminator.layers", "2")
    assert told.code == 0
    assert f"starting from {run}" in told.err
    assert f"hwan train {out} --resume --train.epochs" in told.out
