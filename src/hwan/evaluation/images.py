"""The images of a test: reading the readable ones, and where translations are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from hwan.config import PixelFormat
from hwan.data.folders import ImageFolder, evenly, list_images
from hwan.errors import UsageError
from hwan.evaluation.results import BEST, OURS
from hwan.evaluation.source import DirectionData
from hwan.imaging.pixels import Pixels, resize, suffix_for


def readable_images(
    folder: ImageFolder, pixel_format: PixelFormat, files: Iterable[Path] | None = None
) -> Iterator[tuple[Path, Pixels]]:
    """Every image of a folder (or those ``files`` of it) that can be read, with its name in the folder;
    the others are passed over."""
    for file in list_images(folder.folder) if files is None else files:
        try:
            pixels = folder.read(file, pixel_format).pixels
        except UsageError:
            continue
        yield file.relative_to(folder.folder), pixels


def some_images(folder: ImageFolder, pixel_format: PixelFormat, count: int) -> Iterator[Pixels]:
    """The readable images among ``count`` evenly chosen ones of a folder."""
    files = evenly(list_images(folder.folder), count)
    return (pixels for _, pixels in readable_images(folder, pixel_format, files))


def translation_path(run: Path, data: DirectionData, name: Path, system: str = OURS) -> Path:
    """Where the test writes its translation of image ``name``, without loss: "a.jpg" as "a.jpg.png"."""
    suffix = suffix_for(data.format_out)
    written = name if name.suffix == suffix else name.with_name(name.name + suffix)
    folder = run / "evaluation" / "best" if system == BEST else run / "evaluation"
    return folder / data.direction / written


def fit_truth(truth: Pixels, name: Path, output: Pixels, fit: str) -> Pixels:
    """``truth`` in the size of ``output``: stretched where the training stretched its pairs.

    Raises ``UsageError`` where the sizes differ and pairs were not stretched.
    """
    if fit == "stretch" and truth.shape[:2] != output.shape[:2]:
        return resize(truth, *output.shape[:2])
    if output.shape != truth.shape:
        raise UsageError(
            "a truth of the size of its test image",
            f"{name}: {truth.shape[:2]}, translated {output.shape[:2]}",
            "give the picture that belongs to it",
        )
    return truth
