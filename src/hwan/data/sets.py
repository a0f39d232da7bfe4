"""What a training reads: two domains, and which of their images belong together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from hwan.config import Config, PixelFormat
from hwan.data.cache import Cache, open_cache
from hwan.data.folders import ImageFolder, Layout
from hwan.data.masks import open_masks
from hwan.errors import UsageError, require

Match = tuple[tuple[int, int], ...]
"""(number in A, number in B) of every pair."""


@dataclass(frozen=True)
class TrainingSet:
    """Domains A and B; with ``match`` their images are drawn as pairs, else independently. ``paired``
    holds the pairs that semi-paired training draws as well."""

    a: Cache
    b: Cache
    match: Match | None = None
    paired: TrainingSet | None = None

    @property
    def epoch(self) -> int:
        """Images of an epoch: every pair, or the larger domain, once."""
        return len(self.match) if self.match else max(len(self.a), len(self.b))

    @property
    def caches(self) -> dict[str, Cache]:
        """Every domain by the name of its folders."""
        found = {"A": self.a, "B": self.b}
        if self.paired:
            found |= {"pairedA": self.paired.a, "pairedB": self.paired.b}
        return found


def to_device(data: TrainingSet, config: Config, device: torch.device) -> TrainingSet:
    """``data`` on the GPU where ``speed.data`` says so; with "auto", where the images are only cropped and
    mirrored and take at most a quarter of its free memory.

    Raises ``UsageError`` where "device" is asked for and there is no GPU, or images are turned, jittered
    or of 16 bit.
    """
    possible = could_lie_on(device, config)
    require(
        config.speed.data != "device" or possible,
        "a GPU, and 8-bit or float images that are only cropped and mirrored, for speed.data device",
        f"{device.type}, data.rotate {config.data.rotate}, data.jitter {config.data.jitter}, "
        f"depths {config.data.depth_a} and {config.data.depth_b}",
        "give --speed.data host",
    )
    size = sum(cache.nbytes for cache in data.caches.values())
    return resident(data, device) if possible and has_room(device, config, size) else data


def could_lie_on(device: torch.device, config: Config) -> bool:
    """Whether ``device`` could hold the images: a GPU, and 8-bit or float images that are only cropped and
    mirrored."""
    data = config.data
    plain = not data.rotate and not data.jitter and "16" not in (data.depth_a, data.depth_b)
    return plain and device.type == "cuda" and config.speed.data != "host"


def has_room(device: torch.device, config: Config, size: float) -> bool:
    """Whether ``device``, where ``could_lie_on`` holds, should hold ``size`` bytes of images."""
    return config.speed.data == "device" or size <= torch.cuda.mem_get_info(device)[0] / 4


def resident(data: TrainingSet, device: torch.device) -> TrainingSet:
    """``data`` with its images copied to ``device``, a domain that serves as both only once."""
    a = data.a.on(device)
    b = a if data.b is data.a else data.b.on(device)
    return TrainingSet(a, b, data.match, resident(data.paired, device) if data.paired else None)


def open_set(layout: Layout, config: Config) -> TrainingSet:
    """Open (and on first use make) the caches a training needs.

    Raises ``UsageError`` for an empty domain, a paired method without pairs, pairs of two shapes,
    ``loss.paired`` without pairedA and pairedB, and ``loss.outside`` without masks.
    """
    sources = {"a": layout.train_a, "b": layout.train_b}
    begin = [direction[0] for direction in config.directions]
    require(
        not config.loss.outside or any(sources[domain].mask for domain in begin),
        f"masks in {' or '.join(f'train{domain.upper()}_mask' for domain in begin)}, for loss.outside",
        "none",
        "make the folder beside the images, each mask under its image's name, or name it: "
        "--data.mask-a DIR",
    )
    a, b = _share(_open(layout.train_a, layout.train_b, config), config, held_out=False)
    match = None
    if config.record.draws_pairs:
        match = pair(a, b, layout.train_a.folder, config.data.pairs in ("sides", "self"))
    if not config.loss.paired:
        return TrainingSet(a, b, match)
    if layout.paired_a is None or layout.paired_b is None:
        raise UsageError(
            "pairs in folders pairedA and pairedB beside trainA and trainB, for loss.paired",
            f"{layout.train_a.folder.parent} without them",
            "make the two folders with files of the same names, or leave loss.paired out",
        )
    paired_a, paired_b = _open(layout.paired_a, layout.paired_b, config)
    pairs = pair(paired_a, paired_b, layout.paired_a.folder)
    return TrainingSet(a, b, match, TrainingSet(paired_a, paired_b, pairs))


def open_validation(layout: Layout, config: Config) -> TrainingSet:
    """The images that the best generator is chosen by: the share ``data.val`` of the training images, else
    those in valA and valB (with pairs in one file: val). Matched where A and B are pairs.

    Raises ``UsageError`` where there are none, and what ``open_set`` raises.
    """
    if config.data.val:
        a, b = _share(_open(layout.train_a, layout.train_b, config), config, held_out=True)
    elif layout.val_a and layout.val_b:
        a, b = _open(layout.val_a, layout.val_b, config)
    else:
        raise UsageError(
            "validation images for train.best: folders valA and valB (with pairs in one file: train, val "
            "and test)",
            "none",
            "make them, or set a share of the training images aside: --data.val 0.1",
        )
    if config.data.pairs == "none":
        return TrainingSet(a, b)
    return TrainingSet(a, b, pair(a, b, layout.train_a.folder, config.data.pairs != "names"))


def _open(a: ImageFolder, b: ImageFolder, config: Config) -> tuple[Cache, Cache]:
    def opened(source: ImageFolder, pixel_format: PixelFormat) -> Cache:
        cache = open_cache(source, config.data, pixel_format)
        if not config.loss.outside or source.mask is None:
            return cache
        return replace(cache, masks=open_masks(source, cache, config.data, pixel_format))

    return opened(a, config.data.format_a), opened(b, config.data.format_b)


def _share(domains: tuple[Cache, Cache], config: Config, held_out: bool) -> tuple[Cache, Cache]:
    """The images that ``data.val`` holds out, or the others. A hash of the name without its suffix decides:
    the two images of a pair go together, and an image added later moves no other."""
    share = config.data.val
    if not share:
        return domains

    def place(name: str) -> float:
        digest = hashlib.sha256(Path(name).with_suffix("").as_posix().encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    def subset(cache: Cache) -> Cache:
        names = cache.index.names
        numbers = [i for i, name in enumerate(names) if (place(name) < share) == held_out]
        require(
            len(numbers) >= (2 if held_out else 1),
            "at least 2 images to validate with and 1 to train on, for data.val",
            f"{len(numbers)} of {len(cache)} at a share of {share:g}",
            "give another share, or folders valA and valB",
        )
        return cache.subset(numbers)

    return subset(domains[0]), subset(domains[1])


def pair(a: Cache, b: Cache, folder: Path, suffixes: bool = False) -> Match:
    """Match images of one name, whatever their suffixes unless ``suffixes`` count too (A and B in one file);
    others are left out.

    Raises ``UsageError`` where no name is shared, where one domain has a name twice, or where the
    shapes of a pair differ: its crops would not show the same place.
    """
    numbers_a, numbers_b = (_by_name(cache, suffixes) for cache in (a, b))
    match = tuple((i, numbers_b[name]) for name, i in numbers_a.items() if name in numbers_b)
    require(
        len(match) > 0,
        "pairs with the same file name in A and in B",
        f"no shared name in {folder}",
        "rename them, or add --data.pairs sides for pairs side by side in one file",
    )
    for i, j in match:
        shapes = a.index.shapes[i][:2], b.index.shapes[j][:2]
        require(
            tuple(shapes[0]) == tuple(shapes[1]),
            "one shape for the two images of a pair",
            f"{a.index.names[i]}: {shapes[0]} and {shapes[1]} as resized",
            "crop them alike, or add --data.fit stretch",
        )
    return match


def _by_name(cache: Cache, suffixes: bool) -> dict[Path, int]:
    numbers, names = dict[Path, int](), cache.index.names
    for i, name in enumerate(names):
        key = Path(name) if suffixes else Path(name).with_suffix("")
        first = numbers.setdefault(key, i)
        expected = f"images of different names in a domain{'' if suffixes else ', suffix aside'}"
        require(first == i, expected, f"{names[first]} and {name}", "rename one")
    return numbers


def remarks(data: TrainingSet, config: Config) -> Iterator[str]:
    """What the user should know: broken, enlarged, converted, single and unmatched images."""
    for domain, cache in data.caches.items():
        index = cache.index
        if index.broken:
            shown = "; ".join(index.broken[:3]) + (" …" if len(index.broken) > 3 else "")
            yield f"{len(index.broken)} broken files in {domain} skipped: {shown}"
        if index.enlarged:
            yield (
                f"{index.enlarged} of {len(cache)} images in {domain} are smaller than "
                f"{config.data.resized} pixels and were enlarged"
            )
        for note, times in index.notes.items():
            yield f"{times} images in {domain}: {note}"
        for note, times in cache.masks.index.notes.items() if cache.masks else ():
            yield f"{times} images in {domain}: {note}"
        if len(cache) == 1:
            yield f"domain {domain} has one image: the training sees only crops of it"
    for part in (data, data.paired):
        if part and part.match is not None:
            left = len(part.a) + len(part.b) - 2 * len(part.match)
            if left:
                yield f"{left} images have no partner of their name and were left out of the pairs"
    if data.paired:
        yield f"{data.paired.epoch} pairs beside the unpaired images"
