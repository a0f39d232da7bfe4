"""Each image decoded and resized once, before any augmentation, into one memory-mapped file.

(The Keras CycleGAN example caches *after* its random crop and flip, so every epoch repeats the
first one's draws. Here nothing random is ever cached.)
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hwan.config import DataConfig, PixelFormat
from hwan.data.folders import ImageFolder, list_images
from hwan.errors import UsageError, require
from hwan.files import cache_root, read_json
from hwan.imaging.pixels import DTYPES, Pixels, resize

VERSION = 2  # raise when the bytes written for the same images and settings would change


@dataclass(frozen=True)
class Index:
    """What the flat file holds: image i is ``shapes[i]`` (H, W, C) of ``dtype``, one after another.
    ``notes`` counts what decoding had to change."""

    shapes: list[tuple[int, int, int]]
    names: list[str]
    broken: list[str]
    enlarged: int
    dtype: str = "uint8"
    notes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Cache:
    """One domain, decoded: ``cache[i]`` is a picture's pixels (H, W, C), not copied; a tensor where the
    domain is ``resident`` on a device."""

    flat: np.ndarray | Tensor
    offsets: Sequence[int]
    index: Index

    def __len__(self) -> int:
        return len(self.index.shapes)

    def __getitem__(self, i: int) -> Any:
        shape = self.index.shapes[i]
        start = self.offsets[i]
        return self.flat[start : start + int(np.prod(shape))].reshape(shape)

    @property
    def resident(self) -> bool:
        """Whether the pictures lie on a device, as tensors."""
        return isinstance(self.flat, Tensor)

    def on(self, device: torch.device) -> Cache:
        """The same domain, copied to ``device``."""
        return Cache(torch.from_numpy(np.array(self.flat)).to(device), self.offsets, self.index)


def limit() -> int:
    """Most bytes that all caches together may take: ``$HWAN_CACHE_GB``, else 50 GB.

    Raises ``UsageError`` where that is no number above 0.
    """
    given = os.environ.get("HWAN_CACHE_GB", "50")
    try:
        size = float(given)
    except ValueError:
        size = 0.0
    require(size > 0, "HWAN_CACHE_GB is a number of gigabytes above 0", given, "give 50, say")
    return int(size * 1e9)


def trim(root: Path, keep: Path) -> None:
    """Delete the caches not used for longest until all are within ``limit``; never ``keep``.

    A training that reads a deleted one goes on (its file stays until it is closed; Windows refuses to
    delete it, and it is left). Parts that a killed process left are deleted after a day.
    """
    caches = []
    sizes = {}
    for folder in root.iterdir():
        # Another process may rename or remove it meanwhile; one that is being made has no index yet.
        with suppress(FileNotFoundError, NotADirectoryError):
            if not folder.name.startswith(".part-"):
                sizes[folder] = (folder / "pixels.bin").stat().st_size
                caches.append(((folder / "index.json").stat().st_mtime, folder))
            elif time.time() - folder.stat().st_mtime > 86400:
                shutil.rmtree(folder, ignore_errors=True)
    total, most = sum(sizes.values()), limit()
    for _, folder in sorted(caches):
        if total <= most:
            return
        if folder != keep:
            shutil.rmtree(folder, ignore_errors=True)
            total -= sizes[folder]


def part(cache: Cache, numbers: Sequence[int]) -> Cache:
    """Some of a cache's images."""
    index = cache.index
    shapes = [index.shapes[i] for i in numbers]
    names = [index.names[i] for i in numbers]
    return Cache(
        cache.flat, [cache.offsets[i] for i in numbers], replace(index, shapes=shapes, names=names)
    )


def open_cache(source: ImageFolder, config: DataConfig, pixel_format: PixelFormat) -> Cache:
    """The images of ``source`` as pixels of ``pixel_format``, resized by ``config``; made on first use.

    The cache's name is a hash of every file's path, size and time of change and of the settings, so
    a changed folder is decoded anew. Two processes may make the same cache: the first to finish
    wins. Broken files are listed in ``index.broken`` and skipped.

    Raises ``UsageError`` when no image is left, or, with ``config.strict``, on the first broken one.
    """
    folder = source.folder
    files = list_images(folder)
    if not files:
        raise UsageError(
            f"a domain has at least one image; {folder} has none",
            "no image file",
            "put JPEG, PNG, WebP, BMP, TIFF, GIF or NPY files there",
        )
    place = cache_root() / _key(files, source, config, pixel_format)
    if not place.is_dir():
        _make(place, files, source, config, pixel_format)
        trim(place.parent, keep=place)
    (place / "index.json").touch()  # used last: what is deleted last
    index = Index(**read_json(place / "index.json"))
    if config.strict and index.broken:
        raise UsageError(
            "with data.strict every image is readable",
            index.broken[0],
            "replace or remove it, or leave --data.strict out",
        )
    if not index.shapes:
        raise UsageError(
            f"a domain has at least one readable image; {folder} has none",
            f"{len(index.broken)} broken files, first: {index.broken[0]}",
            "replace them, or set --data.channels_a, depth_a, range_a (or _b) to what they hold; "
            "`hwan data check` says what that is",
        )
    ends = np.cumsum([int(np.prod(shape)) for shape in index.shapes])
    flat = np.memmap(place / "pixels.bin", index.dtype, mode="r", shape=(int(ends[-1]),))
    return Cache(flat, [0, *(int(end) for end in ends[:-1])], index)


def _key(
    files: Sequence[Path], source: ImageFolder, config: DataConfig, pixel_format: PixelFormat
) -> str:
    folder = source.folder
    stats = [(str(f.relative_to(folder)), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    settings = (
        VERSION,
        str(folder.resolve()),
        source.view,
        config.resized,
        config.fit,
        asdict(pixel_format),
    )
    return hashlib.sha256(json.dumps([settings, stats]).encode()).hexdigest()[:32]


def _make(
    place: Path,
    files: Sequence[Path],
    source: ImageFolder,
    config: DataConfig,
    pixel_format: PixelFormat,
) -> None:
    folder = source.folder
    place.parent.mkdir(parents=True, exist_ok=True)
    part = Path(mkdtemp(prefix=".part-", dir=place.parent))
    index = Index([], [], [], 0)
    enlarged, notes = 0, Counter[str]()
    try:
        with ThreadPoolExecutor() as pool, (part / "pixels.bin").open("wb") as out:
            # Pillow lets other threads run while it decodes and resizes.
            for file, result in zip(
                files,
                pool.map(lambda f: _read(f, source, config, pixel_format), files),
                strict=True,
            ):
                if isinstance(result, UsageError):
                    index.broken.append(f"{file.relative_to(folder)}: {result.received}")
                    continue
                pixels, was_small, noted = result
                notes.update(noted)
                enlarged += was_small
                index.shapes.append(pixels.shape)
                index.names.append(str(file.relative_to(folder)))
                out.write(np.ascontiguousarray(pixels).data)
        dtype = DTYPES[pixel_format.depth].name
        whole = Index(index.shapes, index.names, index.broken, enlarged, dtype, dict(notes))
        text = json.dumps(asdict(whole))
        (part / "index.json").write_text(text, encoding="utf-8")
        try:
            part.rename(place)
        except OSError:
            if not place.is_dir():  # anything but another process having been first
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _read(
    file: Path, source: ImageFolder, config: DataConfig, pixel_format: PixelFormat
) -> tuple[Pixels, bool, tuple[str, ...]] | UsageError:
    try:
        picture = source.read(file, pixel_format)
    except UsageError as error:
        return error
    pixels = picture.pixels
    return fit(pixels, config), min(pixels.shape[:2]) < config.resized, picture.notes


def fit(pixels: Pixels, config: DataConfig) -> Pixels:
    """Resize to ``config.resized``: the shorter side (cover), or both (stretch). Small images grow."""
    height, width, _ = pixels.shape
    if config.fit == "stretch":
        return resize(pixels, config.resized, config.resized)
    scale = config.resized / min(height, width)
    return resize(
        pixels,
        max(config.resized, round(height * scale)),
        max(config.resized, round(width * scale)),
    )
