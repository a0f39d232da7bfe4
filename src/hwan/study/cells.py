"""Cells: one variant under one seed, each finished one a folder that appears whole or not at all.

OUT/data/TASK-…            embedded pictures, made once
OUT/trainings/KEY          a finished run folder, shared by every cell that needs just this training
OUT/cells/CLAIM/VARIANT-SEED-KEY/   cell.json and the pictures
A key hashes all that determines the result, so what is found under it need not be made again.
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
from hwan.errors import TrainingDiverged
from hwan.files import read_json
from hwan.study.claim import Cell, Claim, Scale, Variant

TRAINING_VERSION = 1  # raise when hwan's training gives other weights for the same configuration
DATA_VERSION = 1  # raise when the embedded tasks draw other pictures


class Stopped(Exception):
    """A training was stopped by Ctrl-C; its state is kept."""


@dataclass(frozen=True)
class Setting:
    """What all cells of a study have in common."""

    out: Path
    scale: Scale
    data: tuple[Path, ...] = ()
    """The user's own data set; empty: the embedded tasks."""
    device: str = "cpu"


@dataclass(frozen=True)
class Job:
    """One cell to be made."""

    claim: Claim
    variant: Variant
    seed: int
    setting: Setting

    @property
    def own(self) -> bool:
        """Whether it is trained on the user's own data."""
        return bool(self.setting.data) and self.claim.own_data

    @property
    def trains(self) -> bool:
        """Whether it needs a finished training."""
        return self.variant.trained and not self.variant.probed

    @property
    def config(self) -> Config:
        """The variant's configuration under this seed."""
        config = self.variant.config
        return dataclasses.replace(config, train=dataclasses.replace(config.train, seed=self.seed))

    def training_key(self) -> str:
        """Hash of everything that determines the training."""
        setting = self.setting
        data = _fingerprint(setting.data) if self.own else [self.variant.task, DATA_VERSION]
        sizes = [setting.scale.size, setting.scale.train, setting.scale.test]
        return _hash([TRAINING_VERSION, chosen(self.config), data, sizes, setting.device])

    def key(self) -> str:
        """Hash of everything that determines the measurement."""
        code = ast.dump(ast.parse(textwrap.dedent(inspect.getsource(self.claim.measure))))
        scale = dataclasses.asdict(self.setting.scale)
        return _hash([self.training_key(), self.claim.version, code, scale, self.trains])

    @property
    def training(self) -> Path:
        """Where its finished training lies."""
        return self.setting.out / "trainings" / self.training_key()

    @property
    def folder(self) -> Path:
        """Where its finished cell lies."""
        name = f"{self.variant.name.replace(' ', '_').replace('/', '_')}-{self.seed}-{self.key()}"
        return self.setting.out / "cells" / self.claim.name / name


def run(job: Job) -> float:
    """Train what ``job`` needs, measure it, and leave ``job.folder``; returns the CPU seconds spent.

    Does nothing where the folder is there. Raises ``Stopped`` when a training was stopped.
    """
    with _alone(job.setting, job.key()):
        return 0.0 if job.folder.is_dir() else _run(job)


def _run(job: Job) -> float:
    began = time.process_time()
    data, diverged = None, ""
    trained = 0.0
    if job.variant.trained or job.variant.probed:
        data = job.setting.data if job.own else (embedded(job.variant, job.setting),)
    if job.trains and data:
        diverged = train(job, data)
        trained = float(read_json(job.training / "done.json")["cpu_seconds"])
    measuring = time.process_time()
    part = job.folder.with_name("." + job.folder.name)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    record: dict[str, Any] = {
        "seed": job.seed,
        "values": {},
        "curves": {},
        "pictures": [],
        "note": diverged,
    }
    if not diverged:
        record |= _measure(job, data, part)
    record |= {"measuring_cpu_seconds": time.process_time() - measuring}
    record |= {"training": job.training.name if job.trains else "", "training_cpu_seconds": trained}
    (part / "cell.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    part.replace(job.folder)
    return time.process_time() - began


def _measure(job: Job, data: tuple[Path, ...] | None, part: Path) -> dict[str, Any]:
    from hwan.imaging.pixels import save

    setting = job.setting
    where = job.training if job.trains else None
    cell = Cell(
        job.variant,
        _fitted(job, data) if data else job.config,
        setting.scale,
        job.seed,
        where,
        data,
        setting.device,
    )
    found = job.claim.measure(cell)
    for i, pixels in enumerate(found.pictures.values()):
        save(pixels, part / f"{i:02d}.png")
    return {
        "values": {name: float(value) for name, value in found.values.items()},
        "curves": {n: [[float(x), float(y)] for x, y in c] for n, c in found.curves.items()},
        "pictures": [[name, f"{i:02d}.png"] for i, name in enumerate(found.pictures)],
    }


def train(job: Job, data: tuple[Path, ...]) -> str:
    """Make ``job.training`` by hwan's own training, unless it is there; goes on where a killed one
    stopped. Returns why it diverged, else nothing."""
    with _alone(job.setting, job.training.name):
        if not job.training.is_dir():
            _train(job, data)
    return str(read_json(job.training / "done.json")["diverged"])


def _train(job: Job, data: tuple[Path, ...]) -> None:
    from hwan.training import run as training
    from hwan.training.recorder import Interrupted

    place, config = job.training, _fitted(job, data)
    part = place.with_name("." + place.name)
    resume = (part / "state" / "latest.pt").is_file()
    if not resume:
        shutil.rmtree(part, ignore_errors=True)
    began, diverged = time.process_time(), ""
    try:
        for event in training.train(config, data, part, job.setting.device, resume):
            if isinstance(event, Interrupted):
                raise Stopped
    except TrainingDiverged as error:
        diverged = str(error).splitlines()[0]
    shutil.rmtree(part / "state", ignore_errors=True)
    done = {"diverged": diverged, "cpu_seconds": time.process_time() - began, "resumed": resume}
    (part / "done.json").write_text(json.dumps(done), encoding="utf-8")
    part.replace(place)


def _fitted(job: Job, data: tuple[Path, ...]) -> Config:
    """The configuration with as many images seen, however many the user's domains hold."""
    from hwan.data.folders import list_images, locate

    config = job.config
    if not job.own:
        return config
    layout = locate(data, config.data.pairs, config.data.swap)
    count = max(len(list_images(side.folder)) for side in (layout.train_a, layout.train_b))
    epochs = config.train.epochs * job.setting.scale.train / count
    return dataclasses.replace(config, train=dataclasses.replace(config.train, epochs=epochs))


@contextmanager
def _alone(setting: Setting, key: str) -> Iterator[None]:
    """Only one process at a time makes what ``key`` names, so that two studies may share a folder. The
    system takes the lock from a killed process; Windows has no ``fcntl``, and there it is left out."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    locks = setting.out / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / key).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def embedded(variant: Variant, setting: Setting) -> Path:
    """The folder of the variant's embedded task, drawn if it is not there."""
    from hwan.data.samples import TASKS

    scale = setting.scale
    side = min(scale.size, 240)  # of photographs no larger crops can be cut
    name = f"{variant.task}-{side}-{scale.train}-{scale.test}-{DATA_VERSION}"
    place = setting.out / "data" / name
    if not place.is_dir():
        try:
            TASKS[variant.task](place, size=side, train=scale.train, test=scale.test, seed=0)
        except (OSError, ValueError):
            if not place.is_dir():  # another process was first
                raise
    return place


def chosen(config: Config) -> dict[str, Any]:
    """Every option by its dotted name that is not at its default: a new option changes no key."""

    def flat(values: dict[str, Any]) -> dict[str, Any]:
        return {
            f"{section}.{name}": value
            for section, inner in values.items()
            for name, value in (inner.items() if isinstance(inner, dict) else [("", inner)])
        }

    plain = flat(to_dict(Config()))
    return {name: value for name, value in flat(to_dict(config)).items() if value != plain[name]}


def record(job: Job) -> dict[str, Any]:
    """What ``run`` left of ``job``."""
    found: dict[str, Any] = read_json(job.folder / "cell.json")
    return found


def _fingerprint(data: tuple[Path, ...]) -> list[Any]:
    from hwan.data.folders import list_images

    return [
        [str(file.relative_to(folder)), file.stat().st_size, file.stat().st_mtime_ns]
        for folder in data
        for file in list_images(folder)
    ]


def _hash(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
