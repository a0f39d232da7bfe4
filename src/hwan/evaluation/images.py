"""The images of a test: reading the readable ones, where translations are written, and what each
baseline makes of an image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from hwan.config import PixelFormat
from hwan.data.cache import open_cache
from hwan.data.folders import ImageFolder, evenly, list_images
from hwan.data.masks import mask_of, masks_in
from hwan.errors import UsageError, require
from hwan.evaluation.results import BEST, HINTED, OURS
from hwan.evaluation.source import DirectionData, EvaluationSource
from hwan.imaging.pixels import Pixels, decode, for_display, from_unit, resize, suffix_for, to_unit
from hwan.metrics.baselines import lab_statistics, mean_image, reinhard, with_channels
from hwan.metrics.masks import changes

Baseline = Callable[[Pixels], Pixels]
"""What a baseline makes of an input image, in the same size."""
AS_IS = "input as it is"
"""The baseline that translates nothing."""


def readable_images(
    folder: ImageFolder, pixel_format: PixelFormat, files: Iterable[Path] | None = None
) -> Iterator[tuple[Path, Pixels]]:
    """Every image of a folder (or those ``files`` of it) that can be read, with its name in the folder;
    the others are passed over."""
    for file in list_images(folder.folder) if files is None else files:
        with suppress(UsageError):
            yield file.relative_to(folder.folder), folder.read(file, pixel_format).pixels


def some_images(folder: ImageFolder, pixel_format: PixelFormat, count: int) -> Iterator[Pixels]:
    """The readable images among ``count`` evenly chosen ones of a folder."""
    files = evenly(list_images(folder.folder), count)
    return (pixels for _, pixels in readable_images(folder, pixel_format, files))


def translation_path(run: Path, data: DirectionData, name: Path, system: str = OURS) -> Path:
    """Where the test writes its translation of image ``name``, without loss: "a.jpg" as "a.jpg.png"."""
    suffix = suffix_for(data.format_out)
    written = name if name.suffix == suffix else name.with_name(name.name + suffix)
    place = {BEST: "best", HINTED: "hints"}.get(system, "")
    return run / "evaluation" / place / data.direction / written


def translation(run: Path, data: DirectionData, name: Path, system: str = OURS) -> Pixels:
    """The translation that the test has written."""
    return decode(translation_path(run, data, name, system), data.format_out).pixels


def displayed(run: Path, data: DirectionData, name: Path) -> tuple[Pixels, Pixels, Pixels | None]:
    """Test image ``name``, its translation and, where known, its truth as a screen shows them."""
    before, after = for_display(data.read(name), data.format_in), translation(run, data, name)
    truth = data.truth_of(name)
    shown = None if truth is None else for_display(truth, data.format_out)
    return before, for_display(after, data.format_out), shown


def fit_truth(truth: Pixels, name: Path, output: Pixels, fit: str) -> Pixels:
    """``truth`` in the size of ``output``: stretched where the training stretched its pairs.

    Raises ``UsageError`` where the sizes differ and pairs were not stretched.
    """
    if fit == "stretch":
        truth = resize(truth, *output.shape[:2])
    sizes = f"{name}: {truth.shape[:2]}, translated {output.shape[:2]}"
    fits = truth.shape == output.shape
    require(fits, "a truth of the size of its test image", sizes, "give the one that belongs to it")
    return truth


@lru_cache(maxsize=4)
def _masks(data: DirectionData) -> dict[Path, Path]:
    return masks_in(data.test)


def changed_by(
    data: DirectionData, name: Path, systems: Mapping[str, Pixels]
) -> dict[str, dict[str, float]]:
    """How much each of ``systems`` changed test image ``name`` inside its mask and outside, measured from
    ``AS_IS``; empty where the image has no mask, or cannot be shown in the outputs' channels.

    Raises ``UsageError`` as ``masks_in`` and ``mask_of`` do.
    """
    before = systems.get(AS_IS)
    mask = None if before is None else mask_of(_masks(data), name, before.shape)
    if before is None or mask is None:
        return {}
    unit = {system: to_unit(pixels, data.format_out) for system, pixels in systems.items()}
    return {system: changes(unit[AS_IS], pixels, mask) for system, pixels in unit.items()}


@lru_cache(maxsize=4)
def baselines_of(data: DirectionData, source: EvaluationSource) -> dict[str, Baseline]:
    """Every baseline by its name, from the training images of the target domain."""
    cache, out = open_cache(data.trained, source.data, data.format_out), data.format_out
    pictures = [cache[i] for i in range(len(cache))]
    statistics = lab_statistics(pictures, out)
    mean = mean_image(pictures, source.data.size, source.data.size)
    found: dict[str, Baseline] = {
        "mean picture": lambda image: resize(mean, *image.shape[:2]),
        "Reinhard": lambda image: reinhard(image, statistics, data.format_in, out),
    }
    if data.format_in.channels in (1, out.channels):  # grey can be shown in any number of channels
        found[AS_IS] = lambda image: with_channels(
            from_unit(to_unit(image, data.format_in), out), out.channels
        )
    return found
