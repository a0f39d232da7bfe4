"""A run folder: what one training writes, and how it is gone on with.

RUN/config.json  data.json  log.jsonl  samples/000400.png
RUN/state/{latest,previous}.pt  generator_ab/  generator_ba/  best/{ranking.json, generator_ab …}
"""

from __future__ import annotations

import dataclasses
import json
import math
import signal
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from hwan import config as configs
from hwan.config import Config
from hwan.data.folders import locate
from hwan.data.loader import stream
from hwan.data.sets import TrainingSet, open_set, open_validation, remarks, to_device
from hwan.errors import TrainingDiverged, UsageError
from hwan.files import write_atomic, write_json
from hwan.nets.folder import GeneratorSpec, direction_of, save_generator
from hwan.runtime import describe, environment, pick_device
from hwan.training.best import ValidationFigures, ranked
from hwan.training.health import due, saturation
from hwan.training.loop import Status, Training, loop
from hwan.training.samples import Samples
from hwan.training.state_file import load_state, save_state

LOG_ROWS = 500  # about how many rows a whole training logs, besides one a tick
SAVE_SECONDS = 600.0  # a state is written at least this often, ticks or no ticks


@dataclass(frozen=True)
class Note:
    """Something to tell the user once."""

    text: str


@dataclass(frozen=True)
class LogRow:
    """One row of log.jsonl: means since the row before. At a ``tick`` samples were drawn, ``validation``
    measured on the validation images (with ``train.best``) and the state saved; at some ticks and the
    last one ``health`` was measured."""

    images: int
    total: int
    lr: float
    losses: dict[str, float]
    images_per_second: float
    tick: bool
    health: dict[str, float]
    validation: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Interrupted:
    """Stopped by Ctrl-C or SIGTERM after ``images``; the state is saved."""

    images: int
    total: int


Event = Note | LogRow | Interrupted


def train(
    config: Config, data: Sequence[Path], out: Path, device: str = "auto", resume: bool = False
) -> Iterator[Event]:
    """Train ``config`` on ``data`` (as ``locate`` takes it) into the run folder ``out``.

    Yields notes, log rows and, when stopped by Ctrl-C, ``Interrupted``. With ``resume`` it goes on
    from the folder's state, and on a CPU equals the uninterrupted training bit for bit.

    Raises ``UsageError`` for bad input and a folder already in use, ``TrainingDiverged`` when a loss
    or weight is no longer finite (the last good state stays).
    """
    if (out / "config.json").exists() and not resume:
        saved = (out / "state").exists()
        raise UsageError(
            "a new run needs a new folder",
            f"{out} holds a run" + (" that ended before its first state was saved" * (not saved)),
            f"go on with it by `hwan train {out} --resume`, or give another --out"
            if saved
            else "remove the folder, or give another --out",
        )
    layout = locate(data, config.data.pairs, config.data.swap)
    images = open_set(layout, config)
    samples = Samples(layout, config)
    validate = (
        ValidationFigures(open_validation(layout, config), config) if config.train.best else None
    )
    training = Training(config, pick_device(device))
    notes = list(remarks(images, config))
    window, since = RunningMeans({}, 0), []
    if resume:
        state, note = load_state(out / "state", training.device)
        window, since = _restore(training, state), state.get("since", [])
        _cut_log(out / "log.jsonl", training.seen)
        notes += [note] * bool(note) + [f"going on from image {training.seen}"]
        if (counts := [len(images.a), len(images.b)]) != state["counts"]:
            notes.append(
                f"the data changed ({state['counts']} images before, {counts} now): the "
                "training goes on, but not as it would have without the stop"
            )
    out.mkdir(parents=True, exist_ok=True)
    configs.save(config, out / "config.json")
    paths = [str(path.resolve()) for path in data]
    held = {"a": len(images.a), "b": len(images.b)}
    kept = {"data": paths, "counts": held, "environment": environment(training.device)}
    write_json(out / "data.json", kept)
    yield Note(
        f"{len(images.a)} images in A, {len(images.b)} in B; {describe(training.device)}; "
        f"{training.precision}"
    )
    yield from map(Note, notes)
    yield from _run(training, window, since, images, samples, validate, out)


def _run(
    training: Training,
    window: RunningMeans,
    since: list[dict[str, float]],  # the rows' losses since the last measurement of health
    images: TrainingSet,
    samples: Samples,
    validate: ValidationFigures | None,
    out: Path,
) -> Iterator[Event]:
    config = training.config
    total = max(1, round(config.train.epochs * images.epoch))
    train, on = config.train, to_device(images, config, training.device)
    workers, pinned = config.speed.workers, training.device.type == "cuda"
    batches = stream(on, config.data, train.seed, training.seen, train.batch, workers, pinned)
    counts = [len(images.a), len(images.b)]
    if training.seen == 0:
        samples.draw(training, out / "samples")
    last_save = last_row = time.perf_counter()
    row_at = before = training.seen
    with stop_signals() as stopped, (out / "log.jsonl").open("a", encoding="utf-8") as log:
        for status in loop(training, batches, total):
            window.add(status)
            tick = _crossed(before, status.seen, config.train.ticks, total)
            if tick or _crossed(before, status.seen, LOG_ROWS, total):
                now = time.perf_counter()
                speed, last_row = (status.seen - row_at) / (now - last_row), now
                row_at, losses = status.seen, window.means()
                _check(losses, training, out)
                since.append(losses)
                examined = tick and due(status.seen, config.train.ticks, total)
                health = samples.draw(training, out / "samples", examined) if tick else {}
                if examined:
                    health |= saturation(since, config)
                    since.clear()
                figures = validate(training) if validate and tick else {}
                for direction in ranked(out / "best", config.train.best, status.seen, figures):
                    save_generators(training, out / "best", (direction,))
                row = LogRow(status.seen, total, status.lr, losses, speed, tick, health, figures)
                log.write(json.dumps(dataclasses.asdict(row)) + "\n")
                log.flush()
                window = RunningMeans({}, 0)
                yield row
            before = status.seen
            if tick or stopped or time.perf_counter() - last_save > SAVE_SECONDS:
                _check(window.means(), training, out)
                save_state(
                    out / "state",
                    {
                        **training.state_dict(),
                        "counts": counts,
                        "window": dataclasses.asdict(window),
                        "since": since,
                    },
                )
                save_generators(training, out)
                last_save = time.perf_counter()
            if stopped and status.seen < total:
                yield Interrupted(status.seen, total)
                return


def _crossed(before: int, after: int, count: int, total: int) -> bool:
    """Whether one of ``count`` even marks up to ``total`` lies in (before, after]: no state to keep."""
    return after * count // total > before * count // total


@dataclass
class RunningMeans:
    """Losses summed since the last row, kept on the device and read back only for a row."""

    sums: dict[str, Tensor]
    steps: int

    def add(self, status: Status) -> None:
        self.sums = {k: v + self.sums.get(k, 0) for k, v in status.losses.items()}
        self.steps += 1

    def means(self) -> dict[str, float]:
        return {name: float(value) / self.steps for name, value in self.sums.items()}


def _check(losses: dict[str, float], training: Training, out: Path) -> None:
    bad = [name for name, value in losses.items() if not math.isfinite(value)]
    if bad or not training.finite():
        raise TrainingDiverged(
            f"{', '.join(bad) or 'a weight'} is no longer a number at image {training.seen}. "
            + (f"The last good state stays in {out / 'state'}; " * (out / "state").exists())
            + f"start again with a smaller --train.lr (now {training.config.train.lr:g}) or "
            "--train.precision fp32"
        )


def save_generators(training: Training, out: Path, only: Collection[str] = ("ab", "ba")) -> None:
    """Write ``out/generator_ab`` and ``out/generator_ba`` from the (averaged) generators."""
    config = training.config
    kinds = {"a": config.data.format_a, "b": config.data.format_b}
    for name, net in training.generators.items():
        direction = direction_of(name)
        if direction not in only:
            continue
        format_in, format_out = kinds[direction[0]], kinds[direction[1]]
        spec = GeneratorSpec(
            config.generator,
            format_in.channels,
            format_out.channels,
            direction,
            (config.data.size, config.data.size),
            training.seen,
            config.method,
            depth_in=format_in.depth,
            depth_out=format_out.depth,
            range_in=format_in.range,
            range_out=format_out.range,
        )
        save_generator(out / name, net, spec)


def _restore(training: Training, state: dict[str, Any]) -> RunningMeans:
    try:
        training.load_state_dict(state)
        return RunningMeans(**state["window"])
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        raise UsageError(
            "a run goes on with the networks and options it was saved with",
            str(error)[:300],
            "leave the changed option out",
        ) from error


def _cut_log(path: Path, seen: int) -> None:
    """Drop rows later than the state: they will come again."""
    if path.exists():
        rows = [
            line
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.endswith("}") and json.loads(line)["images"] <= seen
        ]
        write_atomic(path, "".join(row + "\n" for row in rows).encode())


class Stopped:
    """True once a signal has asked for an end."""

    asked = False

    def __bool__(self) -> bool:
        return self.asked


@contextmanager
def stop_signals() -> Iterator[Stopped]:
    """Turn the first Ctrl-C or SIGTERM into a request to stop after the step; a second one is at once."""
    stopped = Stopped()
    if threading.current_thread() is not threading.main_thread():
        yield stopped  # Python lets only the main thread listen
        return

    def ask(number: int, frame: object) -> None:
        if stopped:
            raise KeyboardInterrupt
        stopped.asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
