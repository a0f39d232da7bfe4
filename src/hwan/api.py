"""The road from Python: ``hwan.train(hwan.recipes.cyclegan(size=128), data="horses2zebras", out="run")``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hwan.config import Config
from hwan.config.applicability import warn_unread
from hwan.training import run
from hwan.training.progress import watch
from hwan.training.tensorboard import record


def train(
    config: Config,
    data: str | Path | Sequence[str | Path],
    out: str | Path,
    device: str = "auto",
    resume: bool = False,
    tensorboard: bool = False,
) -> Path:
    """Train ``config`` on ``data`` (a folder with trainA and trainB, or the two folders) into ``out``.

    Shows progress and returns the run folder, whose ``generator_ab`` and ``generator_ba``
    ``hwan.load`` reads. Ctrl-C saves; ``resume=True`` goes on exactly; ``tensorboard`` also writes its
    event files, into ``out/tensorboard``. Warns (``UnreadOption``) of options that nothing reads. Raises what
    ``hwan.training.run.train`` raises, and ``KeyboardInterrupt`` after a stop.
    """
    if not resume:
        warn_unread(config, "hwan.train")
    folders = [Path(data)] if isinstance(data, str | Path) else [Path(folder) for folder in data]
    events = run.train(config, folders, Path(out), device, resume)
    stopped = watch(record(events, Path(out)) if tensorboard else events)
    if stopped:
        raise KeyboardInterrupt(
            f"stopped and saved at image {stopped.images} of {stopped.total}; resume=True goes on"
        )
    return Path(out)
