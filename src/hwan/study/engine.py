"""The engine: makes every cell of the chosen claims, over processes, and never loses a finished one."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain
from multiprocessing import connection, get_context, parent_process
from multiprocessing.synchronize import Event

import torch

from hwan.errors import Failure
from hwan.study.cells import Job, Settings, Stopped, run
from hwan.study.claim import Claim


@dataclass(frozen=True)
class Done:
    """Cell number ``count`` of ``total`` is finished. ``reused``: it was there before."""

    job: Job
    count: int
    total: int
    reused: bool
    cpu_seconds: float


def jobs(claim: Claim, seeds: int, settings: Settings) -> list[Job]:
    """Every cell of ``claim``, the seeds of a variant one after another."""
    variants = claim.variants(settings.scale)
    return [Job(claim, variant, seed, settings) for variant in variants for seed in range(seeds)]


def make(work: Sequence[Job], processes: int, resume: bool) -> Iterator[Done]:
    """Make every cell, ``processes`` at a time, each with its share of the cores.

    With ``resume`` finished cells are reused, otherwise they and their trainings are made again. A
    killed study leaves only whole cells; an interrupted training goes on from its last saved state.

    Raises ``KeyboardInterrupt`` after Ctrl-C with everything saved, ``Failure`` if a process died.
    """
    if not resume:
        for job in work:
            shutil.rmtree(job.folder, ignore_errors=True)
            shutil.rmtree(job.training, ignore_errors=True)
    reused = [job for job in work if job.folder.is_dir()]
    rest = [job for job in work if job not in reused]
    made = ((job, run(job)) for job in rest) if processes == 1 else _in_parallel(rest, processes)
    finished = chain(((job, 0.0) for job in reused), made)
    for count, (job, seconds) in enumerate(finished, 1):
        yield Done(job, count, len(work), count <= len(reused), seconds)


def _in_parallel(work: Sequence[Job], processes: int) -> Iterator[tuple[Job, float]]:
    """One process makes all cells of one training, so that it is trained once."""
    groups: dict[str, list[Job]] = {}
    for job in work:
        groups.setdefault(job.training_key() if job.needs_training else job.key(), []).append(job)
    threads = max(1, (os.cpu_count() or 1) // processes)
    # A fresh interpreter each: forking a process that has run torch's threads may hang.
    context = get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(processes, context, _start_worker, (threads, stop))
    try:
        futures = {pool.submit(_run_group, group): group for group in groups.values()}
        for future in as_completed(futures):
            yield from zip(futures[future], future.result(), strict=True)
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


def _run_group(group: Sequence[Job]) -> list[float]:
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
"""State of a worker process: the event that tells it that the study is to stop."""


def _start_worker(threads: int, stop: Event) -> None:
    """Set up a worker: it uses its share of the cores, ignores Ctrl-C (a training listens by itself),
    and ends with its parent."""
    WORKER["stop"] = stop
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def follow() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
