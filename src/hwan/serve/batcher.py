"""A lane for each core. Requests that wait while the lanes are busy go into one together, if they are for
one model and of one padded size."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice

from hwan.serve.limits import Limits
from hwan.serve.measures import Measures
from hwan.serve.models import Model, Picture, translate_batch
from hwan.serve.refusals import busy

log = logging.getLogger("hwan")


@dataclass(frozen=True)
class Done:
    """A translation: the file's bytes, seconds waited, seconds its batch took (all of it, and in the
    network with its padding), and how many images it had."""

    data: bytes
    waited: float
    worked: float
    network: float
    batch: int


@dataclass(frozen=True, eq=False)
class _Job:
    model: Model
    size: tuple[int, int]
    picture: Picture
    done: asyncio.Future[Done]
    since: float = field(default_factory=time.perf_counter)


class Batcher:
    """A bounded queue before ``lanes`` threads that each translate batches. A single batch that waited
    for all would have the requests and the network take turns instead of overlapping."""

    def __init__(self, limits: Limits, measures: Measures, lanes: int = 1) -> None:
        self.limits, self.measures = limits, measures
        self.lanes = lanes if limits.batch > 1 else 1
        self.draining = False
        self._inside = self._uploading = self._running = self._pixels = 0
        self._jobs: list[_Job] = []
        self._arrived = asyncio.Event()
        self._choosing = asyncio.Lock()
        self._pace = 0.05  # seconds an image, smoothed
        self._threads = ThreadPoolExecutor(self.lanes, "lane")

    def check_open(self) -> None:
        """Raise ``Refused`` (503) while the server is stopping."""
        if self.draining:
            raise busy(503, "the server is stopping", 5)

    def check_room(self) -> None:
        """Raise ``Refused``: 429 where the queue is full, 503 while the server is stopping."""
        self.check_open()
        if self._inside >= self.limits.queue:
            reason = f"{self._inside} requests are inside, the most it holds"
            raise busy(429, reason, self._inside * self._pace)

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A place among the requests held; what is refused costs no upload and no memory.

        Raises ``Refused`` as ``check_room``.
        """
        self.check_room()
        self._inside += 1
        try:
            with self.measures.inside.track_inprogress():
                yield
        finally:
            self._inside -= 1

    @contextmanager
    def uploading(self) -> Iterator[None]:
        """While a body is read: a batch waits a moment for it."""
        self._uploading += 1
        try:
            yield
        finally:
            self._uploading -= 1
            self._arrived.set()

    async def translate(self, model: Model, size: tuple[int, int], picture: Picture) -> Done:
        """The translation of an image that is ``size`` once padded. One that is cancelled before its
        batch begins is not begun.

        Raises ``Refused`` (503) after the time limit, and what decoding or the network raise.
        """
        job = _Job(model, size, picture, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._arrived.set()
        try:
            return await asyncio.wait_for(job.done, self.limits.timeout_s)
        except asyncio.TimeoutError:
            reason = f"not done within {self.limits.timeout_s:g} s"
            raise busy(503, reason, self._inside * self._pace) from None

    async def work(self) -> None:
        """One lane: batch after batch, for ever. Cancelled when the server stops."""
        while True:
            batch, pixels, alone = await self._next()
            began = time.perf_counter()
            model, pictures = batch[0].model, [job.picture for job in batch]
            try:
                results, network = await asyncio.get_running_loop().run_in_executor(
                    self._threads, translate_batch, model, pictures, self.limits, alone
                )
            except Exception as error:  # of the network, out of memory: it fails the batch alone
                log.exception("a batch of %d failed", len(batch))
                results, network = [error] * len(batch), 0.0
            finally:
                self._running -= 1
                self._pixels -= pixels
                self._arrived.set()
            worked = time.perf_counter() - began
            self._pace += 0.1 * (worked / len(batch) / self.lanes - self._pace)
            self.measures.batch(model.name, len(batch), network)
            for job, result in zip(batch, results, strict=True):
                if job.done.done():
                    continue  # timed out, or its client left
                if isinstance(result, Exception):
                    job.done.set_exception(result)
                else:
                    waited = began - job.since
                    job.done.set_result(Done(result, waited, worked, network, len(batch)))

    async def _next(self) -> tuple[list[_Job], int, bool]:
        """The oldest job and a lane's share of those that fit it; their pixels; and whether it has the
        machine for itself. After a short wait for what is being uploaded."""
        async with self._choosing:
            until, left = 0.0, None
            while True:
                if same := self._same():
                    until = until or time.perf_counter() + self.limits.wait_ms / 1000
                    left = until - time.perf_counter()
                    if len(same) >= self.limits.batch or not self._uploading or left <= 0:
                        break
                self._arrived.clear()
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._arrived.wait(), left)
            # A share, even where the other lanes are busy now: they will be back for theirs soon.
            batch = same[: math.ceil(len(same) / self.lanes)]
            alone = self._running == 0 and len(same) == 1
            self._jobs = [job for job in self._jobs if job not in batch]
            pixels = len(batch) * math.prod(batch[0].size)
            self._running += 1
            self._pixels += pixels
            return batch, pixels, alone

    def _same(self) -> list[_Job]:
        """The oldest job and those like it, as many as memory has room for beside what runs now."""
        self._jobs = [job for job in self._jobs if not job.done.done()]
        if not self._jobs:
            return []
        first = self._jobs[0]
        room = (self.limits.pixels - self._pixels) // math.prod(first.size)
        most = min(self.limits.batch, max(room, 0 if self._running else 1))
        fits = (j for j in self._jobs if j.model is first.model and j.size == first.size)
        return list(islice(fits, most))
