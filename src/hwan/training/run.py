"""A run folder: what one training writes, and how it is resumed.

RUN/config.json  data.json  log.jsonl  samples/000400.png
RUN/state/{latest,previous}.pt  generator_ab/  generator_ba/  best/{ranking.json, generator_ab …}

``train`` sets everything up. Next: training/loop.py for the steps, training/recorder.py for the files.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from hwan import config as configs
from hwan.config import Config
from hwan.data.folders import locate
from hwan.data.loader import stream
from hwan.data.masks import absolute, untrained, with_masks
from hwan.data.sets import open_set, open_validation, remarks, to_device
from hwan.errors import require
from hwan.files import write_json
from hwan.runtime import describe, environment, pick_device
from hwan.training.best import ValidationFigures
from hwan.training.loop import loop
from hwan.training.recorder import Event, Note, Recorder
from hwan.training.samples import Samples
from hwan.training.start import Start, begin_from
from hwan.training.state import Training
from hwan.training.state_file import load_state


def train(
    config: Config,
    data: Sequence[Path],
    out: Path,
    device: str = "auto",
    resume: bool = False,
    start: Start | None = None,
) -> Iterator[Event]:
    """Train ``config`` on ``data`` (as ``locate`` takes it) into the run folder ``out``.

    Yields notes, log rows and, when stopped by Ctrl-C, ``Interrupted``. With ``resume`` it goes on
    from the folder's state, and on a CPU equals the uninterrupted training bit for bit.

    ``start``: the networks that a new training begins with.

    Raises ``UsageError`` for bad input and a folder already in use, ``TrainingDiverged`` when a loss
    or weight is no longer finite (the last good state stays).
    """
    if not resume:
        _refuse_used(out)
    config = replace(config, data=absolute(config.data))
    layout = with_masks(locate(data, config.data.pairs, config.data.swap), config.data)
    images, samples = open_set(layout, config), Samples(layout, config)
    validation = open_validation(layout, config) if config.train.best else None
    validate = ValidationFigures(validation, config) if validation else None
    on = pick_device(device)
    training = Training(config, on)
    begun = begin_from(training, start) if start and not resume else []
    total = max(1, round(config.train.epochs * images.epoch))
    counts = {"a": len(images.a), "b": len(images.b)}
    recorder = Recorder(training, out, total, counts, samples, validate)
    machine = f"{describe(on)}; {training.precision}"
    notes = [
        f"{counts['a']} images in A, {counts['b']} in B; {machine}",
        *begun,
        *remarks(images, config),
        *untrained(layout, config),
    ]
    if resume:
        state, note = load_state(out / "state", on)
        notes += [note] * bool(note) + recorder.resume(state)
    configs.save(config, out / "config.json")
    paths = [str(path.resolve()) for path in data]
    origin = {"data": paths, "counts": counts, "environment": environment(on)}
    write_json(out / "data.json", origin)
    yield from map(Note, notes)
    images, workers, pinned = to_device(images, config, on), config.speed.workers, on.type == "cuda"
    seed, batch = config.train.seed, config.train.batch
    # Without end: every epoch in an order of its own, each image cropped and mirrored by its number.
    batches = stream(images, config.data, seed, training.seen, batch, workers, pinned)
    recorder.begin()
    with stop_signals() as stopped:
        for status in loop(training, batches, total):
            yield from recorder.record(status, stopped)
            if stopped.is_set() or recorder.ended:
                return


def _refuse_used(out: Path) -> None:
    saved = (out / "state").exists()
    fix = f"go on with it by `hwan train {out} --resume`" if saved else "remove the folder"
    received = f"{out} holds a run" + (" that ended before its first state was saved" * (not saved))
    free = not (out / "config.json").exists()
    require(free, "a new folder for a new run", received, f"{fix}, or give another --out")


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets; a second one raises ``KeyboardInterrupt``."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped  # Python lets only the main thread listen
        return

    def ask(number: int, frame: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    with ExitStack() as restored:
        for number in (signal.SIGINT, signal.SIGTERM):
            restored.callback(signal.signal, number, signal.signal(number, ask))
        yield stopped
