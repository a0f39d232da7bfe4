"""One model runs at a time; what waits meanwhile, of one model and padded size, goes in together."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from hwan.serve.limits import Limits
from hwan.serve.measures import Measures
from hwan.serve.models import Model, Picture, translate_batch

log = logging.getLogger("hwan")


class Busy(Exception):
    """The server has no room now: the status to answer with, and the seconds to come back after."""

    def __init__(self, status: int, reason: str, after: float) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason
        self.after = min(600, max(1, math.ceil(after)))


@dataclass(frozen=True)
class Done:
    """A translation: the file's bytes, seconds waited, seconds its batch took (all of it, and in the
    network), and how many images it had."""

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

    @property
    def key(self) -> tuple[str, tuple[int, int]]:
        return self.model.name, self.size


class Batcher:
    """A bounded queue before one thread that translates batches."""

    def __init__(self, limits: Limits, measures: Measures) -> None:
        self.limits, self.measures = limits, measures
        self.draining = False
        self._inside = self._uploading = 0
        self._jobs: list[_Job] = []
        self._arrived = asyncio.Event()
        self._pace = 0.05  # seconds an image, smoothed
        self._thread = ThreadPoolExecutor(1, "translate")

    def refusal(self) -> Busy | None:
        """Why the next request would not be admitted."""
        if self.draining:
            return Busy(503, "the server is stopping", 5)
        if self._inside >= self.limits.queue:
            reason = f"{self._inside} requests are inside, the most it holds"
            return Busy(429, reason, self._inside * self._pace)
        return None

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A place among the requests held; what is refused costs no upload and no memory.

        Raises ``Busy`` (429) where there is none, and (503) while the server is stopping.
        """
        if refusal := self.refusal():
            raise refusal
        self._inside += 1
        self.measures.inside.set(self._inside)
        try:
            yield
        finally:
            self._inside -= 1
            self.measures.inside.set(self._inside)

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

        Raises ``Busy`` (503) after the time limit, and what decoding or the network raise.
        """
        job = _Job(model, size, picture, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._arrived.set()
        try:
            return await asyncio.wait_for(job.done, self.limits.timeout_s)
        except asyncio.TimeoutError:
            reason = f"not done within {self.limits.timeout_s:g} s"
            raise Busy(503, reason, self._inside * self._pace) from None

    async def work(self) -> None:
        """Batch after batch, for ever. Cancelled when the server stops."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                batch = await self._next()
                if not batch:
                    continue
                began = time.perf_counter()
                pictures = [job.picture for job in batch]
                try:
                    results, network = await loop.run_in_executor(
                        self._thread, translate_batch, batch[0].model, pictures, self.limits
                    )
                except (
                    Exception
                ) as error:  # of the network, out of memory: it fails the batch alone
                    log.exception("a batch of %d failed", len(batch))
                    results, network = [error] * len(batch), 0.0
                worked = time.perf_counter() - began
                self._pace += 0.1 * (worked / len(batch) - self._pace)
                self.measures.batch(batch[0].model.name, len(batch), network)
                for job, result in zip(batch, results, strict=True):
                    if job.done.done():
                        continue  # timed out
                    if isinstance(result, Exception):
                        job.done.set_exception(result)
                    else:
                        done = Done(result, began - job.since, worked, network, len(batch))
                        job.done.set_result(done)
        finally:
            self._thread.shutdown(wait=False)

    async def _next(self) -> list[_Job]:
        """The oldest job and those that fit it, after a short wait for what is being uploaded."""
        while not self._jobs:
            self._arrived.clear()
            await self._arrived.wait()
        first = self._jobs[0]
        most = min(self.limits.batch, max(1, self.limits.pixels // math.prod(first.size)))
        until = time.perf_counter() + self.limits.wait_ms / 1000
        while self._fitting(first, most) < most and self._uploading:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), until - time.perf_counter())
            except asyncio.TimeoutError:
                break
        same = [job for job in self._jobs if job.key == first.key][:most]
        taken = set(map(id, same))
        self._jobs = [job for job in self._jobs if id(job) not in taken]
        return [job for job in same if not job.done.done()]

    def _fitting(self, first: _Job, most: int) -> int:
        return sum(job.key == first.key for job in self._jobs) if most > 1 else most
