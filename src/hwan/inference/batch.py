"""Many image files translated: decoded ahead, written behind, and what breaks is reported."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import TypeVar

import torch

from hwan.errors import UsageError
from hwan.imaging.metadata import NO_METADATA, Metadata, read_metadata
from hwan.imaging.pixels import Pixels, decode, save
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
    translator: Translator,
    pairs: Iterable[tuple[Path, Path]],
    batch: int = 1,
    hints: Mapping[Path, Path] | None = None,
) -> Iterator[FileResult]:
    """Translate every pair, in order; a broken file is reported and does not stop the rest.

    While the network runs, files ahead are decoded and those done encoded, in threads. ``batch`` equal
    sized images in a row go through the network together, where that does not mix their statistics.
    On several cores of a CPU each core has images of its own, and need not wait for the others in every
    layer. EXIF and ICC go with the image. ``hints`` names the colour hints of a source, where it has any.
    """
    if translator.spec.generator.test_batch_statistics:
        batch = 1
    cores = torch.get_num_threads()
    lanes = min(LANES, cores) if translator.parallel else 0
    own = cores // max(1, lanes)
    files = ThreadPoolExecutor(2, "hwan-files")
    # Threads start at their first task, so without lanes there are none.
    pool = ThreadPoolExecutor(lanes or 1, "hwan-lanes", torch.set_num_threads, (own,))
    try:
        reading = (files.submit(_read, translator, hints or {}, *pair) for pair in pairs)
        groups = _same_size(_in_order(reading, lanes * (1 + batch) or 4 + batch), batch)
        if lanes:
            writing = _on_lanes(translator, groups, pool, own)
            for results in _in_order(writing, 2 * lanes, early=True):
                yield from results
        else:
            saving = (files.submit(_save, f) for g in groups for f in _translated(translator, g))
            yield from _in_order(saving, 4 + batch, early=True)
    finally:
        files.shutdown(cancel_futures=True)
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(cores)


def _on_lanes(
    translator: Translator, groups: Iterable[list[_File]], pool: ThreadPoolExecutor, own: int
) -> Iterator[Future[list[FileResult]]]:
    """Groups translated and written by the threads of ``pool``, each with ``own`` of the CPU's cores.

    A large image waits for those before it, and then has all cores, in this thread.
    """

    def finish(group: list[_File]) -> list[FileResult]:
        return [_save(file) for file in _translated(translator, group)]

    cores = torch.get_num_threads()
    running: list[Future[list[FileResult]]] = []
    for group in groups:
        pixels = group[0].pixels
        if pixels is not None and pixels[..., 0].size > SMALL:
            wait(running)
            torch.set_num_threads(cores)
            done = Future[list[FileResult]]()
            done.set_result(finish(group))
            torch.set_num_threads(own)  # MKL has one number for all threads
        else:
            done = pool.submit(finish, group)
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
    yield from (future.result() for future in waiting)


@dataclass(frozen=True)
class _File:
    """A file under way: its result if all goes well, its pixels (none once it failed), its metadata."""

    result: FileResult
    pixels: Pixels | None = None
    tags: Metadata = NO_METADATA


def _read(translator: Translator, hints: Mapping[Path, Path], source: Path, target: Path) -> _File:
    try:
        data = source.read_bytes()
        image = decode(data, translator.spec.format_in)
        own, pixels = hints.get(source), image.pixels
        result = FileResult(source, target, notes=image.notes)
        pixels = translator.hinted(pixels, own) if own else pixels
        return _File(result, pixels, read_metadata(data))
    except (UsageError, OSError) as error:
        return _failed(source, target, error)


def _same_size(files: Iterable[_File], batch: int) -> Iterator[list[_File]]:
    """Successive images of one size, or failed files, up to ``batch`` of them."""
    for _, some in groupby(files, lambda file: None if file.pixels is None else file.pixels.shape):
        while group := list(islice(some, batch)):
            yield group


def _translated(translator: Translator, group: list[_File]) -> list[_File]:
    pictures = [file.pixels for file in group if file.pixels is not None]
    try:
        made = translator.batch(pictures) if pictures else [None] * len(group)
    except UsageError as error:  # no disk for an image larger than memory
        return [_failed(file.result.source, file.result.target, error) for file in group]
    return [replace(file, pixels=pixels) for file, pixels in zip(group, made, strict=True)]


def _save(file: _File) -> FileResult:
    try:
        if file.pixels is not None:
            save(file.pixels, file.result.target, file.tags)
    except (UsageError, OSError) as error:
        return _failed(file.result.source, file.result.target, error).result
    return file.result


def _failed(source: Path, target: Path, error: UsageError | OSError) -> _File:
    reason = error.received if isinstance(error, UsageError) else error
    return _File(FileResult(source, target, str(reason)))
