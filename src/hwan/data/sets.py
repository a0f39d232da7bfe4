"""What a training reads: two domains, and which of their images belong together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from hwan.config import Config
from hwan.data.cache import Cache, open_cache, part
from hwan.data.folders import Layout
from hwan.errors import UsageError, require

Match = tuple[tuple[int, int], ...]
"""(number in A, number in B) of every pair."""


@dataclass(frozen=True)
class TrainingSet:
    """Domains A and B; with ``match`` their images are drawn as pairs, else independently. ``paired``
    holds pairs that semi-paired training draws as well."""

    a: Cache
    b: Cache
    match: Match | None = None
    paired: TrainingSet | None = None

    @property
    def epoch(self) -> int:
        """Images of an epoch: every pair, or the larger domain, once."""
        return len(self.match) if self.match else max(len(self.a), len(self.b))


def to_device(data: TrainingSet, config: Config, device: torch.device) -> TrainingSet:
    """``data`` on the GPU where ``speed.data`` says so: "auto" where the pictures are only cropped and
    mirrored and take a quarter of its free memory at most.

    Raises ``UsageError`` where "device" is asked for and pictures are turned, jittered or 16 bit, or
    there is no GPU.
    """
    caches = [data.a, data.b] + ([data.paired.a, data.paired.b] if data.paired else [])
    wanted, possible = config.speed.data, could_lie_on(device, config)
    require(
        wanted != "device" or possible,
        "speed.data device is for a GPU that crops and mirrors 8-bit or float pictures",
        f"{device.type}, data.rotate {config.data.rotate}, data.jitter {config.data.jitter}",
        "give --speed.data host",
    )
    if not possible:
        return data
    size = sum(cache.flat.nbytes for cache in caches)
    return resident(data, device) if has_room(device, config, size) else data


def could_lie_on(device: torch.device, config: Config) -> bool:
    """Whether ``device`` could hold the pictures: a GPU, of 8-bit or float ones only cropped and mirrored."""
    data = config.data
    plain = not data.rotate and not data.jitter and "16" not in (data.depth_a, data.depth_b)
    return plain and device.type == "cuda" and config.speed.data != "host"


def has_room(device: torch.device, config: Config, size: float) -> bool:
    """Whether ``device``, where pictures could lie, is to hold ``size`` bytes of them."""
    return config.speed.data == "device" or size <= torch.cuda.mem_get_info(device)[0] / 4


def resident(data: TrainingSet, device: torch.device) -> TrainingSet:
    """``data`` with its pictures copied to ``device``, a domain that serves as both only once."""
    a = data.a.on(device)
    b = a if data.b is data.a else data.b.on(device)
    return TrainingSet(a, b, data.match, resident(data.paired, device) if data.paired else None)


def open_set(layout: Layout, config: Config) -> TrainingSet:
    """Open (and on first use make) the caches a training needs.

    Raises ``UsageError`` for an empty domain, a paired method without pairs, pairs that do not fit
    together, and ``loss.paired`` without pairedA and pairedB.
    """
    a, b = (_share(cache, config, held_out=False) for cache in _domains(layout, config))
    one_file = config.data.pairs in ("sides", "self")
    match = None
    if config.record.draws_pairs:
        match = pair(a, b, layout.train_a.folder, one_file)
    if not config.loss.paired:
        return TrainingSet(a, b, match)
    if layout.pair_a is None or layout.pair_b is None:
        raise UsageError(
            "loss.paired teaches from pairs in pairedA and pairedB, beside trainA and trainB",
            f"{layout.train_a.folder.parent} without them",
            "make the two folders with files of the same names, or leave loss.paired out",
        )
    pair_a = open_cache(layout.pair_a, config.data, config.data.format_a)
    pair_b = open_cache(layout.pair_b, config.data, config.data.format_b)
    pairs = TrainingSet(pair_a, pair_b, pair(pair_a, pair_b, layout.pair_a.folder))
    return TrainingSet(a, b, match, pairs)


def open_validation(layout: Layout, config: Config) -> TrainingSet:
    """The images that the best checkpoint is chosen by: the share ``data.val`` of the training's, else
    those in valA and valB (of pairs in one file, val). Matched where A and B are pairs.

    Raises ``UsageError`` where there are none, and what ``open_set`` raises.
    """
    if config.data.val:
        a, b = (_share(cache, config, held_out=True) for cache in _domains(layout, config))
    elif layout.val_a and layout.val_b:
        a = open_cache(layout.val_a, config.data, config.data.format_a)
        b = open_cache(layout.val_b, config.data, config.data.format_b)
    else:
        raise UsageError(
            "train.best chooses by validation images: folders valA and valB (of pairs in one file: "
            "train, val and test)",
            "none",
            "make them, or set a share of the training images aside: --data.val 0.1",
        )
    if config.data.pairs == "none":
        return TrainingSet(a, b)
    return TrainingSet(a, b, pair(a, b, layout.train_a.folder, config.data.pairs != "names"))


def _domains(layout: Layout, config: Config) -> tuple[Cache, Cache]:
    a = open_cache(layout.train_a, config.data, config.data.format_a)
    return a, open_cache(layout.train_b, config.data, config.data.format_b)


def _share(cache: Cache, config: Config, held_out: bool) -> Cache:
    """The images that ``data.val`` holds out, or the others. By a hash of the name without its suffix: the
    two of a pair go together, and an image added later moves no other."""
    share = config.data.val
    if not share:
        return cache

    def place(name: str) -> float:
        digest = hashlib.sha256(Path(name).with_suffix("").as_posix().encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    numbers = [i for i, name in enumerate(cache.index.names) if (place(name) < share) == held_out]
    least = 2 if held_out else 1
    if len(numbers) < least:
        raise UsageError(
            "data.val leaves at least 2 images to validate by, and 1 to train on",
            f"{len(numbers)} of {len(cache)} at a share of {share:g}",
            "give another share, or folders valA and valB",
        )
    return part(cache, numbers)


def pair(a: Cache, b: Cache, folder: Path, suffixes: bool = False) -> Match:
    """Images of one name belong together, whatever their suffixes unless ``suffixes`` count too (A and B
    in one file); others are left out.

    Raises ``UsageError`` where no name is shared, where one domain has a name twice, or where a
    pair's shapes differ: its crops would not show the same place.
    """
    numbers_a, numbers_b = (_by_name(cache, suffixes) for cache in (a, b))
    match = tuple((i, numbers_b[name]) for name, i in numbers_a.items() if name in numbers_b)
    if not match:
        raise UsageError(
            "pairs have the same file name in A and in B",
            f"{folder}: no name is shared",
            "rename them, or add --data.pairs sides for pairs side by side in one file",
        )
    for i, j in match:
        if tuple(a.index.shapes[i][:2]) != tuple(b.index.shapes[j][:2]):
            raise UsageError(
                "the two images of a pair have one shape",
                f"{a.index.names[i]}: {a.index.shapes[i][:2]} and {b.index.shapes[j][:2]} as resized",
                "crop them alike, or add --data.fit stretch",
            )
    return match


def _by_name(cache: Cache, suffixes: bool) -> dict[Path, int]:
    numbers: dict[Path, int] = {}
    for i, name in enumerate(cache.index.names):
        key = Path(name) if suffixes else Path(name).with_suffix("")
        if key in numbers:
            raise UsageError(
                "of pairs by name, each domain has a name once",
                f"{cache.index.names[numbers[key]]} and {name}",
                "rename or remove one",
            )
        numbers[key] = i
    return numbers


def remarks(data: TrainingSet, config: Config) -> Iterator[str]:
    """What the user should know: broken, enlarged, single and unmatched images."""
    domains = [("A", data.a), ("B", data.b)]
    if data.paired:
        domains += [("pairedA", data.paired.a), ("pairedB", data.paired.b)]
    for domain, cache in domains:
        index = cache.index
        if index.broken:
            shown = "; ".join(index.broken[:3]) + (" …" if len(index.broken) > 3 else "")
            yield f"{len(index.broken)} broken files in {domain} skipped: {shown}"
        if index.enlarged:
            yield (
                f"{index.enlarged} of {len(cache)} images in {domain} are smaller than "
                f"{config.data.resized} and were enlarged"
            )
        for note, times in index.notes.items():
            yield f"{times} images in {domain}: {note}"
        if len(cache) == 1:
            yield f"domain {domain} has one image: the training sees only crops of it"
    for where in (data, data.paired):
        if where and where.match is not None:
            left = len(where.a) + len(where.b) - 2 * len(where.match)
            if left:
                yield f"{left} images have no partner of their name and were left out of the pairs"
    if data.paired and data.paired.match:
        yield f"{len(data.paired.match)} pairs beside the unpaired images"
