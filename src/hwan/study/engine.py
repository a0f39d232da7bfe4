"""The engine: every cell of the claims asked for, over processes, finished ones never lost."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from multiprocessing.synchronize import Event

from hwan.errors import Failure
from hwan.study.cells import Job, Setting, Stopped, run
from hwan.study.claim import Claim


@dataclass(frozen=True)
class Done:
    """A cell is there: ``count`` of ``total``. ``kept``: it was there before."""

    job: Job
    count: int
    total: int
    kept: bool
    cpu_seconds: float


def jobs(claim: Claim, seeds: int, setting: Setting) -> list[Job]:
    """Every cell of ``claim``, the seeds of a variant together."""
    variants = claim.variants(setting.scale)
    return [Job(claim, variant, seed, setting) for variant in variants for seed in range(seeds)]


def make(work: Sequence[Job], processes: int, resume: bool) -> Iterator[Done]:
    """Make every cell, ``processes`` at a time, each with its share of the cores.

    With ``resume`` finished cells are kept, else they (and their trainings) are made again. A killed
    study leaves only whole cells; a training that was cut off goes on from its last saved state.

    Raises ``KeyboardInterrupt`` after Ctrl-C with everything saved, ``Failure`` where a process died.
    """
    if not resume:
        for job in work:
            shutil.rmtree(job.folder, ignore_errors=True)
            shutil.rmtree(job.training, ignore_errors=True)
    kept = [job for job in work if job.folder.is_dir()]
    count = 0
    for job in kept:
        count += 1
        yield Done(job, count, len(work), True, 0.0)
    todo = [job for job in work if job not in kept]
    for job, seconds in _one_by_one(todo) if processes == 1 else _side_by_side(todo, processes):
        count += 1
        yield Done(job, count, len(work), False, seconds)


def _one_by_one(todo: Sequence[Job]) -> Iterator[tuple[Job, float]]:
    for job in todo:
        try:
            yield job, run(job)
        except Stopped:
            raise KeyboardInterrupt from None


def _side_by_side(todo: Sequence[Job], processes: int) -> Iterator[tuple[Job, float]]:
    """Cells of one training are given to one process together, so that it is trained once."""
    groups: dict[str, list[Job]] = {}
    for job in todo:
        groups.setdefault(job.training_key() if job.trains else job.key(), []).append(job)
    threads = max(1, (os.cpu_count() or 1) // processes)
    # A fresh interpreter each: forking a process that has run torch's threads may hang.
    context = get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(processes, context, _start, (threads, stop))
    try:
        futures = {pool.submit(_group, group): group for group in groups.values()}
        for future in as_completed(futures):
            for job, seconds in zip(futures[future], future.result(), strict=True):
                yield job, seconds
    except Stopped:
        raise KeyboardInterrupt from None
    except BrokenProcessPool as error:
        raise Failure(
            "a process of the study was killed (out of memory?); finished cells are kept: add --resume, "
            "and a smaller --processes"
        ) from error
    finally:
        stop.set()
        try:
            pool.shutdown(wait=True, cancel_futures=True)
        except KeyboardInterrupt:  # a second Ctrl-C does not wait, and the workers follow
            os._exit(130)


def _group(group: Sequence[Job]) -> list[float]:
    seconds = []
    for job in group:
        if WORKER["stop"].is_set():  # the pool hands out work ahead of time
            raise Stopped
        try:
            seconds.append(run(job))
        except Stopped:
            WORKER["stop"].set()
            raise
    return seconds


WORKER: dict[str, Event] = {}
"""A worker's own: what says that the study is to stop."""


def _start(threads: int, stop: Event) -> None:
    """A worker: its share of the cores, no part in Ctrl-C (a training listens by itself), and no life
    after its parent's."""
    import torch

    WORKER["stop"] = stop
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def follow() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
