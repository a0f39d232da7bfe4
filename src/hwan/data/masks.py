"""Masks: of an image, white is what may change and black what must stay.

A mask lies in a folder of masks under its image's name, the suffix aside, in any format and size. It is
resized, cropped, mirrored and turned as its image is. An image without a mask may change everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hwan.config import Config, DataConfig, PixelFormat
from hwan.data.augment import fit
from hwan.data.cache import Cache, stored
from hwan.data.folders import ImageFolder, Layout, by_name, list_images, stamps
from hwan.errors import UsageError, require
from hwan.imaging.pixels import Picture, Pixels, decode, resize

GREY = PixelFormat(1)
FITTING = "masks of black (0) and white (255) that can be read, each of the shape of its image"
FIX = "make each from its image, in any size but uncropped, or remove it: then all of the image may change"
UNMASKED = "no mask, so all of it may change"
VERSION = 1  # raise when the bytes of a mask in the cache would change


def absolute(config: DataConfig) -> DataConfig:
    """``config`` with the paths of its folders of masks absolute, so that a training can be resumed from
    anywhere."""
    a, b = (path and str(Path(path).resolve()) for path in (config.mask_a, config.mask_b))
    return replace(config, mask_a=a, mask_b=b)


def with_masks(layout: Layout, config: DataConfig) -> Layout:
    """``layout`` with the folders ``data.mask_a`` and ``mask_b``, where given, in place of those beside the
    training images. Raises ``UsageError`` for a missing one."""
    given = {"train_a": config.mask_a, "train_b": config.mask_b}
    for name, folder in given.items():
        expected = f"a folder for --data.mask-{name[-1]}"
        require(not folder or Path(folder).is_dir(), expected, folder, "check the path")
    train = vars(layout)
    masked = {k: replace(train[k], mask=Path(folder)) for k, folder in given.items() if folder}
    return replace(layout, **masked)


def mask_of(masks: Mapping[Path, Path], name: Path, shape: tuple[int, ...]) -> Pixels | None:
    """The mask of image ``name``, uint8 (H, W, 1), of the image's ``shape`` (H, W, ...); None without one.
    ``masks`` are the files by name, as ``by_name`` finds them.

    Raises ``UsageError`` for one that cannot be read, has another shape than the image or counts to 1.
    """
    file = masks.get(name.with_suffix(""))
    if file is None:
        return None
    mask = decode(file, GREY).pixels
    (height, width), (across, down) = mask.shape[:2], (shape[1], shape[0])
    # A smaller copy is rounded to whole pixels, and some tools to a few more.
    fits = abs(width - height * across / down) <= max(1, width / 100)
    sizes = f"the mask {file} is {width}x{height}, its image {across}x{down}"
    require(fits, FITTING, sizes, FIX)
    require(mask.max() != 1, FITTING, f"values 0 and 1 in {file}", "multiply them by 255")
    return resize(mask, down, across, area=True)


def masks_in(source: ImageFolder) -> dict[Path, Path]:
    """The masks of the images in ``source`` by name, none where it has no folder of masks.

    Raises ``UsageError`` where none has the name of an image, and for two of one name.
    """
    if source.mask is None:
        return {}
    found = by_name(source.mask)
    names = {path.relative_to(source.folder).with_suffix("") for path in list_images(source.folder)}
    expected = f"masks in {source.mask} with the names of the images in {source.folder}"
    fix = "name each as its image, or remove the folder"
    require(bool(names & found.keys()), expected, f"{len(found)} others", fix)
    return found


def open_masks(
    source: ImageFolder, images: Cache, config: DataConfig, pixel_format: PixelFormat
) -> Cache:
    """The masks of ``images``, all those of ``source``, under the same numbers and of the same sides: uint8
    (H, W, 1), white where there is none. Cached as the images are.

    Raises ``UsageError`` as ``masks_in`` does, and for a mask that ``mask_of`` refuses.
    """
    masks, folder = masks_in(source), source.folder
    files = [folder / name for name in images.index.names]

    def read(file: Path) -> tuple[Picture, bool]:
        height, width, _ = source.read(file, pixel_format).pixels.shape
        mask = mask_of(masks, file.relative_to(folder), (height, width))
        notes = (UNMASKED,) if mask is None else ()
        whole = np.full((height, width, 1), 255, np.uint8) if mask is None else mask
        return Picture(fit(whole, config, area=True), "L", notes), False

    settings = ("masks", VERSION, str(folder.resolve()), source.view, config.resized, config.fit)
    changed = stamps(folder, files), stamps(source.mask or folder, masks.values())
    cache = stored([settings, *changed], folder, files, read, "uint8")
    if broken := cache.index.broken:
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        raise UsageError(FITTING, broken[0] + more, FIX)
    return cache


def untrained(layout: Layout, config: Config) -> list[str]:
    """A note where training images have masks that the training does not read."""
    if config.loss.outside or not (layout.train_a.mask or layout.train_b.mask):
        return []
    return [
        "the masks of the training images are not read, since loss.outside is 0; the test reads its own"
    ]


@dataclass(frozen=True)
class MaskCheck:
    """What is in the folder of masks ``path``, of the images of ``role`` ("train A"): how many images have
    one, the ``missing`` images, the masks that are ``single``, and what does not fit, in words."""

    role: str
    path: Path
    matched: int
    missing: tuple[Path, ...]
    single: tuple[Path, ...]
    unfit: tuple[str, ...]


def check_masks(
    role: str, source: ImageFolder, sizes: Mapping[Path, tuple[int, int]]
) -> MaskCheck | None:
    """The masks of ``source``, whose readable images have these ``sizes`` (width, height); None where it has
    no folder of masks."""
    if source.mask is None:
        return None
    unfit = []
    try:
        masks = by_name(source.mask)
    except UsageError as error:
        return MaskCheck(role, source.mask, 0, (), (), (str(error.received),))
    names = {path: path.relative_to(source.folder) for path in sizes}
    for path, (width, height) in sizes.items():
        shown = width if source.view == "whole" else width // 2
        try:
            mask_of(masks, names[path], (height, shown))
        except UsageError as error:
            unfit.append(str(error.received))
    known = {path.relative_to(source.folder).with_suffix("") for path in list_images(source.folder)}
    missing = tuple(path for path, name in names.items() if name.with_suffix("") not in masks)
    single = tuple(path for name, path in masks.items() if name not in known)
    return MaskCheck(role, source.mask, len(sizes) - len(missing), missing, single, tuple(unfit))
