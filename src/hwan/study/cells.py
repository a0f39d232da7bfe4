"""Cells: one variant under one seed. A finished cell is a folder that appears whole or not at all.

OUT/data/TASK-…            embedded pictures, made once
OUT/trainings/KEY          a finished run folder, shared by all cells that need this training
OUT/cells/CLAIM/VARIANT-SEED-KEY/   cell.json and the pictures
A key hashes everything that determines the result, so what is found under it need not be made again.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import inspect
import json
import shutil
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwan.config import Config, to_dict
from hwan.data.folders import list_images, locate
from hwan.data.samples import TASKS
from hwan.errors import TrainingDiverged
from hwan.files import read_json
from hwan.imaging.pixels import save
from hwan.study.claim import Cell, Claim, Measurement, Scale, Variant, vary
from hwan.training import run as training_run
from hwan.training.recorder import Interrupted

TRAINING_VERSION = 1  # raise when hwan's training gives other weights for the same configuration
DATA_VERSION = 1  # raise when the embedded tasks draw other pictures
# Keys hash the scale's fields by the names that they had at first, so that older cells are found.
FIRST_NAMES = {"discriminator_filters": "judge_filters", "discriminator_layers": "judge_layers"}


class Stopped(Exception):
    """Ctrl-C stopped a training; its state is saved."""


@dataclass(frozen=True)
class Settings:
    """What all cells of a study have in common."""

    out: Path
    scale: Scale
    data: tuple[Path, ...] = ()
    """The user's own data set; empty: the embedded tasks."""
    device: str = "cpu"


@dataclass(frozen=True)
class Job:
    """One cell to make."""

    claim: Claim
    variant: Variant
    seed: int
    settings: Settings

    @property
    def on_own_data(self) -> bool:
        """Whether it uses the user's own data: they replace the hills, the other tasks are made for
        their claim."""
        return bool(self.settings.data) and self.variant.task == "hills"

    @property
    def needs_training(self) -> bool:
        """Whether a training must be finished before the measurement."""
        return self.variant.trained and not self.variant.probed

    @property
    def config(self) -> Config:
        """The variant's configuration under this seed."""
        return vary(self.variant.config, train={"seed": self.seed})

    def training_key(self) -> str:
        """Hash of everything that determines the training."""
        scale, device = self.settings.scale, self.settings.device
        data = _files(self.settings.data) if self.on_own_data else [self.variant.task, DATA_VERSION]
        sizes = [scale.size, scale.train, scale.test]
        return _hash([TRAINING_VERSION, changed_options(self.config), data, sizes, device])

    def key(self) -> str:
        """Hash of everything that determines the measurement."""
        code = ast.dump(ast.parse(textwrap.dedent(inspect.getsource(self.claim.measure))))
        fields = dataclasses.asdict(self.settings.scale).items()
        scale = {FIRST_NAMES.get(name, name): value for name, value in fields}
        return _hash([self.training_key(), self.claim.version, code, scale, self.needs_training])

    @property
    def training(self) -> Path:
        """The run folder of its finished training."""
        return self.settings.out / "trainings" / self.training_key()

    @property
    def folder(self) -> Path:
        """The folder of the finished cell."""
        name = f"{self.variant.name.replace(' ', '_').replace('/', '_')}-{self.seed}-{self.key()}"
        return self.settings.out / "cells" / self.claim.name / name


def run(job: Job) -> float:
    """Train what ``job`` needs, measure it, and leave ``job.folder``; returns the CPU seconds spent.

    Does nothing if the folder exists. Raises ``Stopped`` when Ctrl-C stopped a training.
    """
    with _locked(job.settings, job.key()):
        began = time.process_time()
        if not job.folder.is_dir():
            _make(job)
        return time.process_time() - began


def _make(job: Job) -> None:
    data = None
    if job.variant.trained or job.variant.probed:
        data = job.settings.data if job.on_own_data else (task_folder(job.variant, job.settings),)
    done = {"diverged": "", "cpu_seconds": 0.0}
    if job.needs_training and data:
        done = train(job, data)
    began = time.process_time()
    part = job.folder.with_name("." + job.folder.name)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    result = Measurement({})
    if not done["diverged"]:
        config = _with_own_length(job, data) if data else job.config
        run_folder = job.training if job.needs_training else None
        scale, device = job.settings.scale, job.settings.device
        cell = Cell(job.variant, config, scale, job.seed, run_folder, data, device)
        result = job.claim.measure(cell)
    for i, pixels in enumerate(result.pictures.values()):
        save(pixels, part / f"{i:02d}.png")
    record = {
        "seed": job.seed,
        "values": {name: float(value) for name, value in result.values.items()},
        "curves": {n: [[float(x), float(y)] for x, y in c] for n, c in result.curves.items()},
        "pictures": [[name, f"{i:02d}.png"] for i, name in enumerate(result.pictures)],
        "note": done["diverged"],
        "measuring_cpu_seconds": time.process_time() - began,
        "training": job.training.name if job.needs_training else "",
        "training_cpu_seconds": done["cpu_seconds"],
    }
    # Not by write_json, which would turn figures that are not finite into null.
    (part / "cell.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    part.replace(job.folder)


def train(job: Job, data: tuple[Path, ...]) -> dict[str, Any]:
    """Make ``job.training`` by hwan's own training, unless it exists; a killed one goes on where it
    was. Returns {"diverged": the reason or "", "cpu_seconds": …}."""
    with _locked(job.settings, job.training.name):
        if not job.training.is_dir():
            _train(job, data)
    done: dict[str, Any] = read_json(job.training / "done.json")
    return done


def _train(job: Job, data: tuple[Path, ...]) -> None:
    part = job.training.with_name("." + job.training.name)
    resume = (part / "state" / "latest.pt").is_file()
    if not resume:
        shutil.rmtree(part, ignore_errors=True)
    config, began, diverged = _with_own_length(job, data), time.process_time(), ""
    try:
        for event in training_run.train(config, data, part, job.settings.device, resume):
            if isinstance(event, Interrupted):
                raise Stopped
    except TrainingDiverged as error:
        diverged = str(error).splitlines()[0]
    shutil.rmtree(part / "state", ignore_errors=True)
    done = {"diverged": diverged, "cpu_seconds": time.process_time() - began, "resumed": resume}
    (part / "done.json").write_text(json.dumps(done), encoding="utf-8")
    part.replace(job.training)


def _with_own_length(job: Job, data: tuple[Path, ...]) -> Config:
    """The configuration with the scale's number of images seen, whatever the user's domains hold."""
    config = job.config
    if not job.on_own_data:
        return config
    layout = locate(data, config.data.pairs, config.data.swap)
    count = max(len(list_images(side.folder)) for side in (layout.train_a, layout.train_b))
    epochs = config.train.epochs * job.settings.scale.train / count
    return vary(config, train={"epochs": epochs})


@contextmanager
def _locked(settings: Settings, key: str) -> Iterator[None]:
    """Let one process at a time make what ``key`` names, so that two studies may share a folder. The
    system releases the lock of a killed process. Windows has no ``fcntl`` and gets no lock."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    locks = settings.out / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / key).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def task_folder(variant: Variant, settings: Settings) -> Path:
    """The folder of the variant's embedded task, drawn if it does not exist."""
    scale = settings.scale
    side = min(scale.size, 240)  # no larger crops can be cut from the embedded photographs
    name = f"{variant.task}-{side}-{scale.train}-{scale.test}-{DATA_VERSION}"
    place = settings.out / "data" / name
    if not place.is_dir():
        try:
            TASKS[variant.task](place, size=side, train=scale.train, test=scale.test, seed=0)
        except (OSError, ValueError):
            if not place.is_dir():  # another process was first
                raise
    return place


def changed_options(config: Config) -> dict[str, Any]:
    """Every option by its dotted name that is not at its default: a new option changes no key."""

    def flat(values: dict[str, Any]) -> dict[str, Any]:
        return {
            f"{section}.{name}": value
            for section, inner in values.items()
            for name, value in (inner.items() if isinstance(inner, dict) else [("", inner)])
        }

    defaults = flat(to_dict(Config()))
    return {n: value for n, value in flat(to_dict(config)).items() if value != defaults[n]}


def read_cell(job: Job) -> dict[str, Any]:
    """What ``run`` left of ``job``; ``pictures`` are pairs of title and path."""
    cell: dict[str, Any] = read_json(job.folder / "cell.json")
    return cell | {"pictures": [(title, job.folder / file) for title, file in cell["pictures"]]}


def _files(data: tuple[Path, ...]) -> list[Any]:
    """Name, size and time of every picture."""
    return [
        [str(file.relative_to(folder)), file.stat().st_size, file.stat().st_mtime_ns]
        for folder in data
        for file in list_images(folder)
    ]


def _hash(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
