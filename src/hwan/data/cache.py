"""Each image decoded and resized once, before any augmentation, into one memory-mapped file.

(The Keras CycleGAN example caches *after* its random crop and flip, so every epoch repeats the crops and
flips of the first. Here nothing random is ever cached.)
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hwan.config import DataConfig, PixelFormat
from hwan.data.augment import fit
from hwan.data.folders import ImageFolder, list_images, stamps
from hwan.errors import UsageError, require
from hwan.files import cache_root, digest, read_json
from hwan.imaging.pixels import DTYPES, Picture

Read = Callable[[Path], tuple[Picture, bool]]
"""A file as the picture to store, and whether it was enlarged; raises ``UsageError`` for a broken one."""
VERSION = 2  # raise when the bytes written for the same images and settings would change


@dataclass(frozen=True)
class Index:
    """What the flat file holds: image i is ``shapes[i]`` (H, W, C) of ``dtype``, one after another.
    ``enlarged`` counts images smaller than the size they were resized to; ``notes`` counts what
    decoding had to change."""

    shapes: list[tuple[int, int, int]]
    names: list[str]
    broken: list[str]
    enlarged: int = 0
    dtype: str = "uint8"
    notes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Cache:
    """The decoded images of one domain: ``cache[i]`` is an image's pixels (H, W, C), not copied; a
    tensor where the domain is ``resident`` on a device. ``masks`` has the images' masks by their numbers,
    where the training reads them."""

    flat: np.ndarray | Tensor
    offsets: Sequence[int]
    index: Index
    masks: Cache | None = None

    def __len__(self) -> int:
        return len(self.index.shapes)

    def __getitem__(self, i: int) -> Any:
        shape, start = self.index.shapes[i], self.offsets[i]
        return self.flat[start : start + int(np.prod(shape))].reshape(shape)

    @property
    def resident(self) -> bool:
        """Whether the images lie on a device, as tensors."""
        return isinstance(self.flat, Tensor)

    @property
    def nbytes(self) -> int:
        """Bytes of the images and their masks."""
        return self.flat.nbytes + (self.masks.nbytes if self.masks else 0)

    def on(self, device: torch.device) -> Cache:
        """The same domain, copied to ``device``."""
        masks = self.masks.on(device) if self.masks else None
        return replace(self, flat=torch.from_numpy(np.array(self.flat)).to(device), masks=masks)

    def subset(self, numbers: Sequence[int]) -> Cache:
        """Some of the images, not copied."""
        shapes = [self.index.shapes[i] for i in numbers]
        names = [self.index.names[i] for i in numbers]
        index = replace(self.index, shapes=shapes, names=names)
        masks = self.masks.subset(numbers) if self.masks else None
        return Cache(self.flat, [self.offsets[i] for i in numbers], index, masks)


def open_cache(source: ImageFolder, config: DataConfig, pixel_format: PixelFormat) -> Cache:
    """The images of ``source`` as pixels of ``pixel_format``, resized by ``config``; made on first use.

    The cache's name is a hash of the settings and of every file's path, size and time of change, so a
    changed folder is decoded anew. Two processes may make the same cache: the first to finish wins.
    Broken files are listed in ``index.broken`` and skipped.

    Raises ``UsageError`` when no image is left, or, with ``config.strict``, on the first broken one.
    """
    files = list_images(source.folder)
    require(
        len(files) > 0,
        f"at least one image in {source.folder}",
        "no image file",
        "put JPEG, PNG, WebP, BMP, TIFF, GIF or NPY files there",
    )
    folder, kind = str(source.folder.resolve()), asdict(pixel_format)
    settings = (VERSION, folder, source.view, config.resized, config.fit, kind)

    def read(file: Path) -> tuple[Picture, bool]:
        picture = source.read(file, pixel_format)
        small = min(picture.pixels.shape[:2]) < config.resized
        return replace(picture, pixels=fit(picture.pixels, config)), small

    key = [settings, stamps(source.folder, files)]
    cache = stored(key, source.folder, files, read, DTYPES[pixel_format.depth].name)
    index = cache.index
    if config.strict and index.broken:
        raise UsageError(
            "no broken image, with data.strict",
            index.broken[0],
            "replace it, or leave --data.strict out",
        )
    if not index.shapes:
        raise UsageError(
            f"at least one readable image in {source.folder}",
            f"{len(index.broken)} broken files, the first: {index.broken[0]}",
            "replace them, or set --data.channels_a, depth_a, range_a (or _b) to what they hold; "
            "`hwan data check` says what that is",
        )
    return cache


def stored(key: Any, folder: Path, files: Sequence[Path], read: Read, dtype: str) -> Cache:
    """What ``read`` makes of ``files`` in ``folder``, pixels of ``dtype``; made on first use under a hash of
    ``key``. Broken files are listed in ``index.broken`` and skipped; there may be no image left."""
    place = cache_root() / digest(key)[:32]
    if not place.is_dir():
        _make(place, folder, files, read, dtype)
        delete_unused(place.parent, keep=place)
    (place / "index.json").touch()  # the time of its last use, for ``delete_unused``
    index = Index(**read_json(place / "index.json"))
    ends = np.cumsum([0, *(int(np.prod(shape)) for shape in index.shapes)]).tolist()
    empty = np.empty(0, index.dtype)  # no file of no bytes can be mapped
    path, shape = place / "pixels.bin", (ends[-1],)
    flat = np.memmap(path, index.dtype, mode="r", shape=shape) if index.shapes else empty
    return Cache(flat, ends[:-1], index)


def _make(place: Path, folder: Path, files: Sequence[Path], read: Read, dtype: str) -> None:
    """Decode ``files`` in threads into a temporary folder, then rename it to ``place``."""

    def read_or_refused(file: Path) -> tuple[Picture, bool] | UsageError:
        try:
            return read(file)
        except UsageError as error:
            return error

    place.parent.mkdir(parents=True, exist_ok=True)
    index, enlarged, notes = Index([], [], []), 0, Counter[str]()
    with TemporaryDirectory(prefix=".part-", dir=place.parent, ignore_cleanup_errors=True) as made:
        part = Path(made)
        with ThreadPoolExecutor() as pool, (part / "pixels.bin").open("wb") as out:
            # Pillow lets other threads run while it decodes and resizes.
            for file, result in zip(files, pool.map(read_or_refused, files), strict=True):
                name = str(file.relative_to(folder))
                if isinstance(result, UsageError):
                    index.broken.append(f"{name}: {result.received}")
                    continue
                picture, small = result
                notes.update(picture.notes)
                enlarged += small
                index.shapes.append(picture.pixels.shape)
                index.names.append(name)
                out.write(np.ascontiguousarray(picture.pixels).data)
        whole = replace(index, enlarged=enlarged, dtype=dtype, notes=dict(notes))
        (part / "index.json").write_text(json.dumps(asdict(whole)), encoding="utf-8")
        try:
            part.rename(place)
        except OSError:
            if not place.is_dir():  # anything but another process having been first
                raise


def size_limit() -> int:
    """Most bytes that all caches together may take: ``$HWAN_CACHE_GB``, else 50 GB.

    Raises ``UsageError`` where that is no number above 0.
    """
    given = os.environ.get("HWAN_CACHE_GB", "50")
    with suppress(ValueError):
        if 0 < float(given) < inf:
            return int(float(given) * 1e9)
    raise UsageError("a number of gigabytes above 0 in HWAN_CACHE_GB", repr(given), "give 50, say")


def delete_unused(root: Path, keep: Path) -> None:
    """Delete the least recently used caches until the others are within ``size_limit``; never ``keep``.

    A training that reads a deleted one goes on: the system keeps its file until it is closed (Windows
    refuses to delete it, and it stays). Parts that a killed process left are deleted after a day.
    """
    caches = []
    for folder in root.iterdir():
        # Another process may rename or remove it meanwhile; one that is being made has no index yet.
        with suppress(FileNotFoundError, NotADirectoryError):
            if not folder.name.startswith(".part-"):
                size = (folder / "pixels.bin").stat().st_size
                caches.append(((folder / "index.json").stat().st_mtime, folder, size))
            elif time.time() - folder.stat().st_mtime > 86400:  # a day
                shutil.rmtree(folder, ignore_errors=True)
    total, limit = sum(size for _, _, size in caches), size_limit()
    for _, folder, size in sorted(caches):
        if total > limit and folder != keep:
            shutil.rmtree(folder, ignore_errors=True)
            total -= size
