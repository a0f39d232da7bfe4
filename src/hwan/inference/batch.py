"""Many image files translated: decoded ahead, written behind, and what breaks is reported."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import TypeVar

import torch

from hwan.config import PixelFormat
from hwan.errors import UsageError
from hwan.imaging.metadata import Metadata, read_metadata
from hwan.imaging.pixels import Picture, Pixels, decode, save
from hwan.inference.translate import Translator

T = TypeVar("T")
LANES, SMALL = 4, 1 << 20
"""Most images at once on a CPU, and the pixels up to which there is memory for as many."""


@dataclass(frozen=True)
class FileResult:
    """One file of a folder translation: where it went, or why not; ``notes`` on its decoding."""

    source: Path
    target: Path
    error: str = ""
    notes: tuple[str, ...] = ()


def translate_files(
    translator: Translator, pairs: Iterable[tuple[Path, Path]], batch: int = 1
) -> Iterator[FileResult]:
    """Translate every pair, in order; a broken file is reported and does not stop the rest.

    While the network runs, files ahead are decoded and those done encoded, in threads. ``batch`` equal
    sized images in a row go through the network together, where that does not mix their statistics.
    On several cores of a CPU each core has images of its own, and need not wait for the others in every
    layer. EXIF and ICC go with the image.
    """
    if translator.spec.generator.test_batch_statistics:
        batch = 1
    cores = torch.get_num_threads()
    lanes = min(LANES, cores) if translator.parallel else 0
    own = cores // lanes if lanes else cores
    files = ThreadPoolExecutor(2, "hwan-files")
    # Threads start at their first task, so without lanes there are none.
    pool = ThreadPoolExecutor(lanes or 1, "hwan-lanes", torch.set_num_threads, (own,))
    try:
        reading = (files.submit(_read, translator.spec.format_in, *pair) for pair in pairs)
        groups = _same_size(_in_order(reading, lanes * (1 + batch) or 4 + batch), batch)
        if lanes:
            writing = _on_lanes(translator, groups, pool, cores, own)
        else:
            writing = (files.submit(_all, [w]) for g in groups for w in _translated(translator, g))
        for results in _in_order(writing, 2 * lanes or 4 + batch, early=True):
            yield from results
    finally:
        files.shutdown(cancel_futures=True)
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(cores)


def _on_lanes(
    translator: Translator,
    groups: Iterable[list[_Decoded | FileResult]],
    pool: ThreadPoolExecutor,
    cores: int,
    own: int,
) -> Iterator[Future[list[FileResult]]]:
    """Groups translated and written by the threads of ``pool``, each with ``own`` of the CPU's cores.

    A large image waits for those before it, and then has all ``cores``, in this thread.
    """
    running: list[Future[list[FileResult]]] = []
    for group in groups:
        first = group[0]
        if isinstance(first, _Decoded) and first.image.pixels[..., 0].size > SMALL:
            wait(running)
            torch.set_num_threads(cores)
            done = Future[list[FileResult]]()
            done.set_result(_all(_translated(translator, group)))
            torch.set_num_threads(own)  # MKL has one number for all threads
        else:
            done = pool.submit(lambda group: _all(_translated(translator, group)), group)
            running = [*(future for future in running if not future.done()), done]
        yield done


def _in_order(futures: Iterable[Future[T]], most: int, early: bool = False) -> Iterator[T]:
    """The futures' results in order, with up to ``most`` futures under way. ``early`` gives a result as
    soon as it is there; else ``most`` stay under way, ahead of what is made of the results."""
    waiting = deque[Future[T]]()
    for future in futures:
        waiting.append(future)
        while len(waiting) > most or (early and waiting and waiting[0].done()):
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _all(steps: Iterable[Callable[[], FileResult]]) -> list[FileResult]:
    return [step() for step in steps]


def _translated(
    translator: Translator, group: list[_Decoded | FileResult]
) -> list[Callable[[], FileResult]]:
    """A group translated: what is left to do for each file's result."""
    decoded = [item for item in group if isinstance(item, _Decoded)]
    if not decoded:
        return [partial(replace, item) for item in group if isinstance(item, FileResult)]
    try:
        made = translator.batch([item.image.pixels for item in decoded])
    except UsageError as error:  # no disk for an image larger than memory
        return [partial(FileResult, item.source, item.target, _reason(error)) for item in decoded]
    return [partial(_write, *both) for both in zip(decoded, made, strict=True)]


@dataclass(frozen=True)
class _Decoded:
    source: Path
    target: Path
    image: Picture
    tags: Metadata


def _read(pixel_format: PixelFormat, source: Path, target: Path) -> _Decoded | FileResult:
    try:
        data = source.read_bytes()
        return _Decoded(source, target, decode(data, pixel_format), read_metadata(data))
    except (UsageError, OSError) as error:
        return FileResult(source, target, _reason(error))


def _write(decoded: _Decoded, pixels: Pixels) -> FileResult:
    try:
        save(pixels, decoded.target, decoded.tags)
    except (UsageError, OSError) as error:
        return FileResult(decoded.source, decoded.target, _reason(error))
    return FileResult(decoded.source, decoded.target, notes=decoded.image.notes)


def _reason(error: UsageError | OSError) -> str:
    return str(error.received) if isinstance(error, UsageError) else str(error)


def _same_size(
    items: Iterable[_Decoded | FileResult], batch: int
) -> Iterator[list[_Decoded | FileResult]]:
    """Successive images of one size, up to ``batch`` of them; a result is a group of its own."""
    for shape, some in groupby(
        items, lambda item: item.image.pixels.shape if isinstance(item, _Decoded) else None
    ):
        while group := list(islice(some, batch if shape else 1)):
            yield group
