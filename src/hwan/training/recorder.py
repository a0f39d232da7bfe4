"""What a training leaves in its run folder while it goes on: log rows, samples, states, generators."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event as Flag
from typing import Any, final

from hwan.errors import TrainingDiverged, UsageError
from hwan.files import write_atomic
from hwan.methods.base import GroupedLosses
from hwan.nets.efficientnet_lite import EfficientNetLite
from hwan.nets.folder import GeneratorSpec, direction_of, save_generator
from hwan.training.best import ValidationFigures, ranked, ticks_without_gain
from hwan.training.health import due, saturation
from hwan.training.loop import Status
from hwan.training.samples import Samples
from hwan.training.state import Training
from hwan.training.state_file import save_state

LOG_ROWS = 500  # about how many rows a whole training logs, besides one a tick
SAVE_SECONDS = 600.0  # a state is written at least this often, ticks or no ticks

Means = dict[str, dict[str, float]]
"""Mean losses by optimizer group."""


@dataclass(frozen=True)
class Note:
    """Something to tell the user once."""

    text: str


@dataclass(frozen=True)
class LogRow:
    """One row of log.jsonl: means since the row before, the losses by optimizer group.

    At a ``tick`` samples were drawn, ``validation`` measured on the validation images (with
    ``train.best``) and the state saved; at some ticks and the last one ``health`` was measured.
    """

    images: int
    total: int
    lr: float
    losses: Means
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


@dataclass
class RunningMeans:
    """Losses summed since the last row, kept on the device and read back only for a row."""

    sums: GroupedLosses = field(default_factory=dict)
    steps: int = 0

    def add(self, losses: GroupedLosses) -> None:
        for group, values in losses.items():
            before = self.sums.get(group, {})
            self.sums[group] = {k: v + before.get(k, 0) for k, v in values.items()}
        self.steps += 1

    def means(self) -> Means:
        return {
            group: {name: float(value) / self.steps for name, value in sums.items()}
            for group, sums in self.sums.items()
        }


@final
@dataclass
class Recorder:
    """Writes what one training leaves in ``out``: ``begin``, then ``record`` after every step."""

    training: Training
    out: Path
    total: int
    counts: dict[str, int]
    samples: Samples
    validate: ValidationFigures | None
    running: RunningMeans = field(default_factory=RunningMeans)
    since: list[Means] = field(default_factory=list)
    """The rows' losses since health was last measured."""
    ended: bool = False
    """Whether the training has ended before its time, by ``train.patience``."""

    def resume(self, state: dict[str, Any]) -> list[str]:
        """Take up a saved state: the training, the means, the log. Returns notes for the user.

        Raises ``UsageError`` where the state does not fit the configuration.
        """
        try:
            self.training.load_state_dict(state)
            self.running = RunningMeans(**state["window"])
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            expected = "the networks and options that the run was saved with"
            raise UsageError(expected, str(error)[:300], "leave the changed option out") from error
        self.since = state.get("since", [])
        log, seen = self.out / "log.jsonl", self.training.seen
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        # Rows later than the state will come again.
        rows = [x for x in lines if x.endswith("}") and json.loads(x)["images"] <= seen]
        write_atomic(log, "".join(row + "\n" for row in rows).encode())
        notes = [f"going on from image {seen}"]
        if (counts := list(self.counts.values())) != state["counts"]:
            changed = f"the data changed ({state['counts']} images before, {counts} now)"
            notes.append(f"{changed}: training goes on, but not as it would have without the stop")
        return notes

    def begin(self) -> None:
        """Draw the samples of a training that has not begun, and start the clocks."""
        (self.out / "log.jsonl").touch()
        if self.training.seen == 0:
            self.samples.draw(self.training, self.out / "samples")
        self.row_at = self.before = self.training.seen
        self.last_row = self.last_save = time.perf_counter()

    def record(self, status: Status, stopped: Flag) -> Iterator[Event]:
        """Log, draw, measure and save what is due after the step of ``status``.

        Yields the log row if one was written, before a state is saved, and ``Interrupted`` once
        ``stopped`` is set. Raises ``TrainingDiverged`` for a loss or a weight that is no number.
        """
        self.running.add(status.losses)
        tick = self._crossed(status.seen, self.training.config.train.ticks)
        if tick or self._crossed(status.seen, LOG_ROWS):
            row = self._row(status, tick)
            with (self.out / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(asdict(row)) + "\n")
            yield row
        self.before = status.seen
        if tick or stopped.is_set() or time.perf_counter() - self.last_save > SAVE_SECONDS:
            self._save()
        if stopped.is_set() and status.seen < self.total:
            yield Interrupted(status.seen, self.total)
        patience = self.training.config.train.patience
        if tick and patience and ticks_without_gain(self.out / "best") >= patience:
            figure = self.training.config.train.best
            yield Note(
                f"no better {figure} at {patience} ticks in a row: the training ends at {status.seen}"
            )
            self.ended = True

    def _crossed(self, seen: int, count: int) -> bool:
        """Whether one of ``count`` even marks up to the total lies in the last step."""
        return seen * count // self.total > self.before * count // self.total

    def _row(self, status: Status, tick: bool) -> LogRow:
        training, config, now = self.training, self.training.config, time.perf_counter()
        speed, self.last_row = (status.seen - self.row_at) / (now - self.last_row), now
        self.row_at, losses = status.seen, self.running.means()
        self._check(losses)
        self.since.append(losses)
        examined = tick and due(status.seen, config.train.ticks, self.total)
        health = self.samples.draw(training, self.out / "samples", examined) if tick else {}
        if examined:
            health |= saturation(self.since, config)
            self.since.clear()
        figures = self.validate(training) if self.validate and tick else {}
        best = self.out / "best"
        for direction in ranked(best, config.train.best, status.seen, figures):
            save_generators(training, best, (direction,))
        self.running = RunningMeans()
        return LogRow(status.seen, self.total, status.lr, losses, speed, tick, health, figures)

    def _save(self) -> None:
        self._check(self.running.means())
        counts = list(self.counts.values())
        own = {"counts": counts, "window": asdict(self.running), "since": self.since}
        save_state(self.out / "state", {**self.training.state_dict(), **own})
        save_generators(self.training, self.out)
        self.last_save = time.perf_counter()

    def _check(self, means: Means) -> None:
        named = [item for losses in means.values() for item in losses.items()]
        bad = [name for name, value in named if not math.isfinite(value)]
        if bad or not self.training.finite():
            state = self.out / "state"
            raise TrainingDiverged(
                f"{', '.join(bad) or 'a weight'} is no longer a number at image {self.training.seen}. "
                + (f"The last good state stays in {state}; " * state.exists())
                + f"start again with a smaller --train.lr (now {self.training.config.train.lr:g}) or "
                "--train.precision fp32"
            )


def save_generators(training: Training, out: Path, only: Collection[str] = ("ab", "ba")) -> None:
    """Write ``out/generator_ab`` and ``out/generator_ba`` from the (averaged) generators."""
    config, size = training.config, training.config.data.size
    formats = {"a": config.data.format_a, "b": config.data.format_b}
    modules = training.method.modules()
    sees_by = {module.name for module in modules if isinstance(module, EfficientNetLite)}
    against = tuple(sorted(sees_by | {*training.trained_against}))
    for name, net in training.generators.items():
        if (direction := direction_of(name)) in only:
            pixels = {  # channels_in, depth_in, range_in, channels_out …
                f"{key}_{end}": value
                for end, domain in zip(("in", "out"), direction, strict=True)
                for key, value in vars(formats[domain]).items()
            }
            spec = GeneratorSpec(
                config.generator,
                direction=direction,
                size=(size, size),
                images=training.seen,
                method=config.method,
                trained_against=against,
                hints=config.data.hints > 0,
                **pixels,
            )
            save_generator(out / name, net, spec)
