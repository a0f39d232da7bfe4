"""What is in a data set, and what is wrong with it, before hours go into training on it."""

from __future__ import annotations

import hashlib
import os
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hwan.config import PixelFormat, ValueRange
from hwan.data.folders import ImageFolder, Layout, list_images
from hwan.errors import UsageError
from hwan.imaging.pixels import inspect

WORDS = {"8": "8 bit", "16": "16 bit", "float": "float"}
SHOWN = 5
"""How many examples of one kind are spelled out."""


@dataclass(frozen=True)
class Broken:
    """An image file that cannot be read, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Folder:
    """One folder's contents. ``images`` counts the image files, broken ones too; ``ignored`` all
    other files, hidden ones too. The histograms are of readable images, most common first; a size
    is (width, height) as shown upright, and ``shorter`` the least, median and greatest shorter
    side, in pixels."""

    role: str
    path: Path
    images: int
    ignored: int
    broken: tuple[Broken, ...]
    modes: tuple[tuple[str, int], ...]
    sizes: tuple[tuple[tuple[int, int], int], ...]
    shorter: tuple[int, float, int] | None
    notes: tuple[tuple[str, int], ...]
    kinds: tuple[tuple[str, int], ...]
    """Channels and depth, "3 x 8 bit"; of floats and integers of any other width, the values' range
    over all of them is ``values``."""
    values: ValueRange | None
    duplicates: tuple[tuple[Path, ...], ...]
    """Groups of files with identical decoded pixels."""

    @property
    def readable(self) -> int:
        """How many images can be read."""
        return self.images - len(self.broken)

    @property
    def redundant(self) -> int:
        """How many files could go without losing a picture: all but one of each group."""
        return sum(len(group) - 1 for group in self.duplicates)


@dataclass(frozen=True)
class Findings:
    """What ``check`` found. ``leaks`` are groups of one picture in training and in test or truth;
    ``crossed`` of one picture in A and in B; ``unmatched`` the truths with no test image."""

    folders: tuple[Folder, ...]
    leaks: tuple[tuple[Path, ...], ...]
    crossed: tuple[tuple[Path, ...], ...]
    unmatched: tuple[Path, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """What should be put right before training, a sentence and advice each.

        Duplicates inside a folder are no problem: they only weigh their picture more.
        """
        found = []
        for folder in self.folders:
            if folder.broken:
                found.append(
                    f"{folder.role}: {_count(len(folder.broken), 'broken file')}; "
                    "replace or remove them, or training will skip them."
                )
            if not folder.readable:
                found.append(f"{folder.role} has no image; put images into {folder.path}.")
            elif folder.readable == 1 and folder.role.startswith("train"):
                found.append(f"{folder.role} has only one image; a domain is learned from many.")
        if self.leaks:
            found.append(
                f"{_count(len(self.leaks), 'picture')} of the test also in training, "
                "which flatters every score; remove them from training."
            )
        if self.crossed:
            found.append(
                f"{_count(len(self.crossed), 'picture')} in both domains, which teaches "
                "leaving them as they are; remove them from one of the two."
            )
        if self.unmatched:
            found.append(
                f"{_count(len(self.unmatched), 'truth file')} with no test image of that "
                "name; truthB/NAME belongs to testA/NAME, truthA to testB."
            )
        return tuple(found)

    @property
    def clean(self) -> bool:
        """No problems."""
        return not self.problems


@dataclass(frozen=True)
class _Look:
    """One readable image, without its pixels."""

    path: Path
    mode: str
    size: tuple[int, int]
    notes: tuple[str, ...]
    kind: PixelFormat
    digest: bytes


def check(layout: Layout) -> Findings:
    """Read every image of ``layout`` once, in as many threads as there are cores.

    Duplicates are exact: the same decoded RGB pixels, whatever the file format (of pictures that are
    no 8-bit grey or colour, the same channels in the same depth); near ones are not looked for.
    Broken files are found, not raised; a folder that is missing counts as empty.
    """
    one = layout.train_a.folder == layout.train_b.folder
    places = (
        ("train" if one else "train A", layout.train_a),
        ("train B", layout.train_b),
        ("train paired A", layout.pair_a),
        ("train paired B", layout.pair_b),
        ("test" if one else "test A", layout.test_a),
        ("test B", layout.test_b),
        ("truth A", layout.truth_a),
        ("truth B", layout.truth_b),
    )
    folders, holders = [], defaultdict[bytes, list[tuple[str, Path]]](list)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = set[Path]()
        for role, source in places:
            if source is not None and source.folder not in done:
                path = source.folder
                done.add(path)  # of pairs, A and B may be one folder, and the truth the other test
                paths = list_images(path)
                looks = tuple(pool.map(_look, paths))
                folders.append(_folder(role, path, looks))
                for look in looks:
                    if isinstance(look, _Look):
                        holders[look.digest].append((role, look.path))
    leaks, crossed = [], []
    for holder in holders.values():
        roles, group = [role for role, _ in holder], tuple(path for _, path in holder)
        if 0 < sum(role.startswith("train") for role in roles) < len(roles):
            leaks.append(group)
        if 0 < sum(role.endswith("A") for role in roles) < len(roles):
            crossed.append(group)
    pairs = ((layout.truth_b, layout.test_a), (layout.truth_a, layout.test_b))
    unmatched = tuple(path for truth, test in pairs for path in _unmatched(truth, test))
    return Findings(tuple(folders), tuple(leaks), tuple(crossed), unmatched)


def _look(path: Path) -> _Look | Broken:
    try:
        picture, kind = inspect(path)
    except UsageError as error:
        return Broken(path, str(error.received))
    height, width, channels = picture.pixels.shape
    shape = b"%dx%dx%dx%s" % (
        width,
        height,
        channels,
        kind.depth.encode(),
    )  # the same bytes in another shape are another picture
    digest = hashlib.blake2b(picture.pixels.tobytes(), digest_size=16, key=shape).digest()
    return _Look(path, picture.mode, (width, height), picture.notes, kind, digest)


def _folder(role: str, path: Path, looks: Sequence[_Look | Broken]) -> Folder:
    good = [look for look in looks if isinstance(look, _Look)]
    groups = defaultdict[bytes, list[Path]](list)
    for look in good:
        groups[look.digest].append(look.path)
    sides = [min(look.size) for look in good]
    ranges = [look.kind.range for look in good if look.kind.depth == "float"]
    kinds = [f"{look.kind.channels} x {WORDS[look.kind.depth]}" for look in good]
    return Folder(
        role=role,
        path=path,
        images=len(looks),
        ignored=sum(file.is_file() for file in path.rglob("*")) - len(looks),
        broken=tuple(look for look in looks if isinstance(look, Broken)),
        modes=tuple(Counter(look.mode for look in good).most_common()),
        sizes=tuple(Counter(look.size for look in good).most_common()),
        shorter=(min(sides), statistics.median(sides), max(sides)) if sides else None,
        notes=tuple(Counter(note for look in good for note in look.notes).most_common()),
        kinds=tuple(Counter(kinds).most_common()),
        values=(min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None,
        duplicates=tuple(tuple(group) for group in groups.values() if len(group) > 1),
    )


def _unmatched(truth_in: ImageFolder | None, test_in: ImageFolder | None) -> tuple[Path, ...]:
    if truth_in is None:
        return ()
    truth, test = truth_in.folder, test_in.folder if test_in else None
    files = list_images(test) if test else ()
    names = {path.relative_to(test).with_suffix("") for path in files if test}
    return tuple(p for p in list_images(truth) if p.relative_to(truth).with_suffix("") not in names)


def describe(findings: Findings) -> str:
    """The findings as text for a person, the problems last."""
    lines = [line for folder in findings.folders for line in _describe_folder(folder)]
    for title, groups in (
        ("in training and in test", findings.leaks),
        ("in A and in B", findings.crossed),
    ):
        if groups:
            lines += [f"the same picture {title}: {len(groups)}", *_listed(map(_equal, groups))]
    if findings.unmatched:
        lines += [f"truth without a test image: {len(findings.unmatched)}"]
        lines += _listed(map(str, findings.unmatched))
    if findings.clean:
        return "\n".join([*lines, "no problems"])
    return "\n".join([*lines, "problems", *(f"  {problem}" for problem in findings.problems)])


def _describe_folder(folder: Folder) -> Iterable[str]:
    yield f"{folder.role}: {_count(folder.images, 'image')} in {folder.path}"
    if folder.shorter:
        least, median, greatest = folder.shorter
        sizes = [(f"{width}x{height}", count) for (width, height), count in folder.sizes]
        yield f"  sizes: {_histogram(sizes)}"
        yield f"  shorter side: {least} to {greatest} pixels, median {median:g}"
        yield f"  modes: {_histogram(folder.modes)}"
        if [name for name, _ in folder.kinds] != [f"3 x {WORDS['8']}"]:
            yield f"  channels and depth: {_histogram(folder.kinds)}"
    if folder.values:
        yield f"  values: {folder.values[0]:g} to {folder.values[1]:g}"
    if folder.notes:
        yield f"  decoding: {_histogram(folder.notes)}"
    if folder.ignored:
        yield f"  ignored: {_count(folder.ignored, 'file')}, hidden or not images"
    if folder.broken:
        yield f"  broken: {len(folder.broken)}"
        yield from _listed((f"{broken.path}: {broken.reason}" for broken in folder.broken), "    ")
    if folder.duplicates:
        yield (
            f"  duplicates: {_count(folder.redundant, 'redundant file')}, "
            f"in {_count(len(folder.duplicates), 'group')} of equal pixels"
        )
        groups = ([p.relative_to(folder.path) for p in group] for group in folder.duplicates)
        yield from _listed(map(_equal, groups), "    ")


def _histogram(counts: Sequence[tuple[str, int]]) -> str:
    text = ", ".join(f"{name} ({count})" for name, count in counts[:SHOWN])
    return text + (f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else "")


def _listed(items: Iterable[str], indent: str = "  ") -> Iterable[str]:
    lines = [indent + item for item in items]
    yield from lines[:SHOWN]
    if len(lines) > SHOWN:
        yield f"{indent}and {len(lines) - SHOWN} more"


def _equal(group: Iterable[Path]) -> str:
    return " = ".join(map(str, group))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
