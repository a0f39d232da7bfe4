"""What is in a data set, and what is wrong with it, before hours of training are spent on it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from hwan.config import PixelFormat
from hwan.data.folders import ImageFolder, Layout, list_images
from hwan.data.masks import FIX, MaskCheck, check_masks
from hwan.errors import UsageError
from hwan.imaging.pixels import inspect

DEPTHS = {"8": "8 bit", "16": "16 bit", "float": "float"}
SHOWN = 5
"""How many examples of one kind are listed."""

Group = tuple[Path, ...]


@dataclass(frozen=True)
class Broken:
    """An image file that cannot be read, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Look:
    """One readable image, without its pixels: ``size`` is (width, height) as shown upright, ``notes`` says
    what decoding had to change, and images of one ``digest`` have the same pixels."""

    path: Path
    mode: str
    size: tuple[int, int]
    notes: tuple[str, ...]
    pixel_format: PixelFormat
    digest: bytes


@dataclass(frozen=True)
class Folder:
    """The contents of one folder: its role in the data set ("train A"), the readable and the broken images,
    and the number of other files, hidden ones too."""

    role: str
    path: Path
    readable: tuple[Look, ...]
    broken: tuple[Broken, ...]
    ignored: int

    @property
    def images(self) -> int:
        """The number of image files, broken ones too."""
        return len(self.readable) + len(self.broken)

    @property
    def duplicates(self) -> tuple[Group, ...]:
        """Groups of files with identical decoded pixels."""
        groups = defaultdict[bytes, list[Path]](list)
        for look in self.readable:
            groups[look.digest].append(look.path)
        return tuple(tuple(group) for group in groups.values() if len(group) > 1)

    @property
    def redundant(self) -> int:
        """How many files could go without losing an image: all but one of each group of duplicates."""
        return sum(len(group) - 1 for group in self.duplicates)


@dataclass(frozen=True)
class Findings:
    """What ``check`` found. ``leaks`` are groups of one image both among the training images and among those
    for validation, test or truth; ``crossed`` of one image in A and in B; ``unmatched`` are truths without
    a test image; ``masks`` has the folders of masks."""

    folders: tuple[Folder, ...]
    leaks: tuple[Group, ...]
    crossed: tuple[Group, ...]
    unmatched: Group
    masks: tuple[MaskCheck, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """What should be put right before training, and how, a sentence each.

        Duplicates inside a folder are no problem: such an image only weighs more.
        """
        return tuple(self._problems())

    def _problems(self) -> Iterator[str]:
        for folder in self.folders:
            role = folder.role
            if folder.broken:
                yield (
                    f"{role} has {_count(len(folder.broken), 'broken file')}, which training will skip; "
                    "replace or remove them."
                )
            if not folder.readable:
                yield f"{role} has no image; put images into {folder.path}."
            elif len(folder.readable) == 1 and role.startswith("train"):
                yield f"{role} has only one image; a domain is learned from many."
        if self.leaks:
            yield (
                f"{_count(len(self.leaks), 'training image')} also in the validation, test or truth folders, "
                "which makes every score too good; remove them from training."
            )
        if self.crossed:
            yield (
                f"{_count(len(self.crossed), 'image')} in both domains, which teaches the networks to change "
                "nothing; remove them from one of the two."
            )
        if self.unmatched:
            yield (
                f"{_count(len(self.unmatched), 'truth file')} without a test image of that name; truthB/NAME "
                "belongs to testA/NAME, truthA/NAME to testB/NAME."
            )
        for masks in self.masks:
            if masks.unfit:
                yield f"{_count(len(masks.unfit), 'mask')} of {masks.role} cannot be used; {FIX}."
            if masks.single:
                single = _count(len(masks.single), "mask")
                yield f"{single} of {masks.role} without an image; name each as its image."

    @property
    def clean(self) -> bool:
        """No problems."""
        return not self.problems


def check(layout: Layout) -> Findings:
    """Read every image of ``layout`` once, in as many threads as there are cores.

    Duplicates are exact: the same decoded RGB pixels, whatever the file format (for images that are not
    8-bit grey or colour, the same channels in the same depth). Near duplicates are not looked for.
    Broken files are reported, not raised; a folder that is missing counts as empty.
    """
    one = layout.train_a.folder == layout.train_b.folder  # A and B in one file
    folders, masks = dict[Path, Folder](), list[MaskCheck]()
    holders = defaultdict[bytes, list[tuple[str, str, Path]]](list)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, source in vars(layout).items():
            if source is None or source.folder in folders:
                continue  # with pairs, A and B may be one folder, and the truth the other domain's test
            kind, side = name.split("_")[0], "" if one else name[-1].upper()
            path = source.folder
            looks = tuple(pool.map(_look, list_images(path)))
            readable = tuple(look for look in looks if isinstance(look, Look))
            broken = tuple(look for look in looks if isinstance(look, Broken))
            ignored = sum(file.is_file() for file in path.rglob("*")) - len(looks)
            folders[path] = Folder(f"{kind} {side}".strip(), path, readable, broken, ignored)
            sizes = {look.path: look.size for look in readable}
            if found := check_masks(folders[path].role, source, sizes):
                masks.append(found)
            for look in readable:
                holders[look.digest].append((kind, side, look.path))
    leaks, crossed = [], []
    for holder in holders.values():
        group = tuple(path for _, _, path in holder)
        if 0 < sum(kind in ("train", "paired") for kind, _, _ in holder) < len(group):
            leaks.append(group)
        if 0 < sum(side == "A" for _, side, _ in holder) < len(group):
            crossed.append(group)
    pairs = ((layout.truth_b, layout.test_a), (layout.truth_a, layout.test_b))
    unmatched = tuple(path for truth, test in pairs for path in _unmatched(truth, test))
    every = tuple(folders.values()), tuple(leaks), tuple(crossed)
    return Findings(*every, unmatched, tuple(masks))


def _look(path: Path) -> Look | Broken:
    try:
        picture, pixel_format = inspect(path)
    except UsageError as error:
        return Broken(path, str(error.received))
    height, width, channels = picture.pixels.shape
    # The same bytes in another shape are another image.
    shape = f"{width}x{height}x{channels}x{pixel_format.depth}".encode()
    digest = hashlib.blake2b(picture.pixels.tobytes(), digest_size=16, key=shape).digest()
    return Look(path, picture.mode, (width, height), picture.notes, pixel_format, digest)


def _unmatched(truth: ImageFolder | None, test: ImageFolder | None) -> Group:
    def names(source: ImageFolder | None) -> dict[Path, Path]:
        found = list_images(source.folder) if source else ()
        return {path.relative_to(source.folder).with_suffix(""): path for path in found if source}

    inputs = names(test)
    return tuple(path for name, path in names(truth).items() if name not in inputs)


def describe(findings: Findings) -> str:
    """The findings as text for a person, the problems last."""
    lines = [line for folder in findings.folders for line in _describe_folder(folder)]
    lines += [line for masks in findings.masks for line in _describe_masks(masks)]
    for title, groups in (
        ("the same image in training and in validation, test or truth", findings.leaks),
        ("the same image in A and in B", findings.crossed),
        ("truth without a test image", [(path,) for path in findings.unmatched]),
    ):
        if groups:
            lines += [f"{title}: {len(groups)}", *_listed(map(_equal, groups))]
    problems = [f"  {problem}" for problem in findings.problems]
    return "\n".join([*lines, "problems" if problems else "no problems", *problems])


def _describe_folder(folder: Folder) -> Iterator[str]:
    yield f"{folder.role}: {_count(folder.images, 'image')} in {folder.path}"
    looks = folder.readable
    if looks:
        sides = [min(look.size) for look in looks]
        formats = [f"{x.pixel_format.channels} x {DEPTHS[x.pixel_format.depth]}" for x in looks]
        yield f"  sizes: {_histogram(f'{w}x{h}' for w, h in (look.size for look in looks))}"
        yield f"  shorter side: {min(sides)} to {max(sides)} pixels, median {median(sides):g}"
        yield f"  modes: {_histogram(look.mode for look in looks)}"
        if set(formats) != {f"3 x {DEPTHS['8']}"}:
            yield f"  channels and depth: {_histogram(formats)}"
    if ranges := [x.pixel_format.range for x in looks if x.pixel_format.depth == "float"]:
        low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
        yield f"  values: {low:g} to {high:g}"
    if notes := [note for look in looks for note in look.notes]:
        yield f"  decoding: {_histogram(notes)}"
    if folder.ignored:
        yield f"  ignored: {_count(folder.ignored, 'file')}, hidden or not images"
    if folder.broken:
        yield f"  broken: {len(folder.broken)}"
        yield from _listed((f"{broken.path}: {broken.reason}" for broken in folder.broken), "    ")
    if duplicates := folder.duplicates:
        redundant, groups = _count(folder.redundant, "redundant file"), len(duplicates)
        yield f"  duplicates: {redundant}, in {_count(groups, 'group')} of equal pixels"
        named = ([path.relative_to(folder.path) for path in group] for group in duplicates)
        yield from _listed(map(_equal, named), "    ")


def _describe_masks(masks: MaskCheck) -> Iterator[str]:
    yield f"{masks.role}: {_count(masks.matched, 'mask')} of its images in {masks.path}"
    for title, items in (
        ("images without a mask, which may change everywhere", masks.missing),
        ("masks without an image", masks.single),
        ("masks that cannot be used", masks.unfit),
    ):
        if items:
            yield f"  {title}: {len(items)}"
            yield from _listed(map(str, items), "    ")


def _histogram(values: Iterable[str]) -> str:
    """The most common of ``values`` with their counts."""
    counts = Counter(values).most_common()
    text = ", ".join(f"{name} ({count})" for name, count in counts[:SHOWN])
    return text + (f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else "")


def _listed(items: Iterable[str], indent: str = "  ") -> Iterator[str]:
    lines = [indent + item for item in items]
    yield from lines[:SHOWN]
    if len(lines) > SHOWN:
        yield f"{indent}and {len(lines) - SHOWN} more"


def _equal(group: Iterable[Path]) -> str:
    return " = ".join(map(str, group))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
