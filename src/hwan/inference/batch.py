"""Folders of images translated: names and structure kept, nothing half written, errors reported."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from hwan.config import PixelFormat
from hwan.data.folders import list_images
from hwan.errors import UsageError
from hwan.imaging.codecs import WRITERS
from hwan.imaging.metadata import Metadata, read_metadata
from hwan.imaging.pixels import RGB, Picture, Pixels, decode, save, suffix_for
from hwan.inference.translate import Translator


@dataclass(frozen=True)
class Outcome:
    """One file of a folder translation: where it went, or why not; ``notes`` on its decoding."""

    source: Path
    target: Path
    error: str = ""
    notes: tuple[str, ...] = ()


def plan(
    inputs: Sequence[Path],
    out: Path,
    suffix: str = "",
    overwrite: bool = False,
    pixel_format: PixelFormat = RGB,
) -> list[tuple[Path, Path]]:
    """(source, target) of every image in ``inputs``, files and folders, for translations of ``pixel_format``.

    Files keep their name, folders their structure inside ``out``. A format that hwan does not write
    (GIF), or that does not hold the pixel_format (JPEG for 16 bit), becomes PNG, or TIFF where PNG does not
    hold it either; and every file gets ``suffix`` where that is given. Sources that would then share
    a target keep their full names ("a.gif.png").

    Raises ``UsageError`` for a missing input, one without images, a suffix not written or that does
    not hold the pixel_format, two inputs of one name, or (without ``overwrite``) a target that is there
    already; a source is never written over.
    """
    if suffix and suffix not in WRITERS:
        raise UsageError("--format is one of " + ", ".join(WRITERS), suffix, "give .png, say")
    if suffix and suffix_for(pixel_format, suffix) != suffix:
        raise UsageError(
            f"--format holds what the generator writes, {pixel_format}",
            suffix,
            f"give {suffix_for(pixel_format)}, say",
        )
    if not inputs:
        raise UsageError(
            "a translation reads images or folders",
            "none",
            "name them after the run: hwan translate RUN IMAGES --out DIR",
        )
    kept: list[tuple[Path, Path]] = []
    for item in inputs:
        if not item.exists():
            raise UsageError(
                "an input is an image file or a folder", f"{item}: not there", "check it"
            )
        files = list_images(item) if item.is_dir() else (item,)
        if not files:
            raise UsageError("an input folder holds images", f"{item}: none", "check the folder")
        base = item if item.is_dir() else item.parent
        kept += [(file, out / file.relative_to(base)) for file in files]
    uses = Counter(target.with_suffix(_suffix(target, suffix, pixel_format)) for _, target in kept)
    planned: dict[Path, Path] = {}
    for source, target in kept:
        ending = _suffix(target, suffix, pixel_format)
        final = target.with_suffix(ending)
        if uses[final] > 1 and target.suffix != ending:
            final = target.with_name(target.name + ending)
        if final in planned:
            raise UsageError(
                "every input has a name of its own",
                f"{planned[final]} and {source}",
                "translate them into different folders",
            )
        planned[final] = source
    sources = {source.resolve() for source in planned.values()}
    for final in planned:
        if final.resolve() in sources or (final.exists() and not overwrite):
            raise UsageError(
                "a translation does not replace a file",
                f"{final} is there already",
                "give another --out, or --overwrite for earlier translations",
            )
    return [(source, final) for final, source in planned.items()]


def _suffix(target: Path, wanted: str, pixel_format: PixelFormat) -> str:
    own = target.suffix if target.suffix.lower() in WRITERS else ".png"
    return wanted or suffix_for(pixel_format, own)


def unfinished(pairs: Sequence[tuple[Path, Path]]) -> list[tuple[Path, Path]]:
    """The pairs whose target is not there: files are written whole or not at all."""
    return [(source, target) for source, target in pairs if not target.exists()]


def translate_files(
    translator: Translator, pairs: Iterable[tuple[Path, Path]], batch: int = 1
) -> Iterator[Outcome]:
    """Translate every pair, in order; a broken file is reported and does not stop the rest.

    While the network runs, files ahead are decoded and those done encoded, in threads. ``batch`` equal
    sized pictures in a row go through the network together, where that does not mix their statistics.
    EXIF and ICC go with the picture.
    """
    if translator.spec.generator.test_batch_statistics:
        batch = 1
    if translator.side_by_side:
        yield from _side_by_side(translator, pairs, batch)
        return
    pool, writing = ThreadPoolExecutor(2, "hwan-files"), deque[Future[Outcome]]()
    try:
        for group in _grouped(
            _read_ahead(pool, translator.spec.format_in, pairs, 4 + batch), batch
        ):
            writing.extend(pool.submit(write) for write in _translated(translator, group))
            while len(writing) > 4 + batch or (writing and writing[0].done()):
                yield writing.popleft().result()
        while writing:
            yield writing.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


LANES, SMALL = 4, 1 << 20
"""Most pictures at once on a CPU, and the pixels up to which there is memory for as many."""


def _side_by_side(
    translator: Translator, pairs: Iterable[tuple[Path, Path]], batch: int
) -> Iterator[Outcome]:
    """A picture to each core, which then need not wait for each other in every layer; on processors.

    A large picture waits for those before it and has all cores.
    """
    cores = torch.get_num_threads()
    lanes = min(LANES, cores)
    reading = ThreadPoolExecutor(2, "hwan-files")
    working = ThreadPoolExecutor(
        lanes, "hwan-lanes", initializer=torch.set_num_threads, initargs=(cores // lanes,)
    )
    pending = deque[Future[list[Outcome]]]()
    ahead = lanes * (1 + batch)
    try:
        for group in _grouped(_read_ahead(reading, translator.spec.format_in, pairs, ahead), batch):
            first = group[0]
            if isinstance(first, _Read) and first.picture.pixels[..., 0].size > SMALL:
                while pending:
                    yield from pending.popleft().result()
                torch.set_num_threads(cores)
                yield from _finished(translator, group)
                torch.set_num_threads(cores // lanes)  # MKL has one number for all threads
                continue
            pending.append(working.submit(_finished, translator, group))
            while len(pending) > 2 * lanes or (pending and pending[0].done()):
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:
        reading.shutdown(cancel_futures=True)
        working.shutdown(cancel_futures=True)
        torch.set_num_threads(cores)


def _finished(translator: Translator, group: list[_Read | Outcome]) -> list[Outcome]:
    """A group translated and written, in this thread."""
    return [write() for write in _translated(translator, group)]


def _translated(
    translator: Translator, group: list[_Read | Outcome]
) -> list[Callable[[], Outcome]]:
    """A group translated: what is left to do for each file's outcome."""
    read = [item for item in group if isinstance(item, _Read)]
    try:
        made = translator.many([item.picture.pixels for item in read]) if read else []
    except UsageError as error:  # no disk for an image larger than memory
        return [partial(Outcome, item.source, item.target, _reason(error)) for item in read]
    lost = [item for item in group if isinstance(item, Outcome)]
    writes = [partial(_write, *both) for both in zip(read, made, strict=True)]
    return [*writes, *(partial(replace, outcome) for outcome in lost)]


@dataclass(frozen=True)
class _Read:
    source: Path
    target: Path
    picture: Picture
    tags: Metadata


def _read(pixel_format: PixelFormat, source: Path, target: Path) -> _Read | Outcome:
    try:
        data = source.read_bytes()
        return _Read(source, target, decode(data, pixel_format), read_metadata(data))
    except (UsageError, OSError) as error:
        return Outcome(source, target, _reason(error))


def _write(read: _Read, pixels: Pixels) -> Outcome:
    try:
        save(pixels, read.target, read.tags)
    except (UsageError, OSError) as error:
        return Outcome(read.source, read.target, _reason(error))
    return Outcome(read.source, read.target, notes=read.picture.notes)


def _reason(error: UsageError | OSError) -> str:
    return str(error.received) if isinstance(error, UsageError) else str(error)


def _read_ahead(
    pool: ThreadPoolExecutor,
    pixel_format: PixelFormat,
    pairs: Iterable[tuple[Path, Path]],
    ahead: int,
) -> Iterator[_Read | Outcome]:
    reading = deque[Future[_Read | Outcome]]()
    for source, target in pairs:
        reading.append(pool.submit(_read, pixel_format, source, target))
        if len(reading) > ahead:
            yield reading.popleft().result()
    while reading:
        yield reading.popleft().result()


def _grouped(items: Iterable[_Read | Outcome], batch: int) -> Iterator[list[_Read | Outcome]]:
    """Successive pictures of one size, up to ``batch`` of them; an outcome is a group of its own."""
    group: list[_Read | Outcome] = []
    for item in items:
        last = group[-1] if group else None
        alike = (
            isinstance(item, _Read)
            and isinstance(last, _Read)
            and item.picture.pixels.shape == last.picture.pixels.shape
        )
        if group and not (alike and len(group) < batch):
            yield group
            group = []
        group.append(item)
    if group:
        yield group
