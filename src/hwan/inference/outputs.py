"""Where the translations of files and folders go: names and structure kept, nothing replaced unasked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from hwan.config import PixelFormat
from hwan.data.folders import list_images
from hwan.errors import require
from hwan.imaging.codecs import WRITERS
from hwan.imaging.pixels import RGB, suffix_for


def plan_outputs(
    inputs: Sequence[Path],
    out: Path,
    suffix: str = "",
    overwrite: bool = False,
    pixel_format: PixelFormat = RGB,
) -> list[tuple[Path, Path]]:
    """(source, target) of every image in ``inputs``, files and folders; translations are of ``pixel_format``.

    Files keep their name, folders their structure inside ``out``. A format that hwan does not write
    (GIF), or that does not hold the translation (JPEG for 16 bit), becomes PNG, or TIFF where PNG does
    not hold it either; and every file gets ``suffix`` where that is given. Sources that would then share
    a target keep their full names ("a.gif.png").

    Raises ``UsageError`` for a missing input, one without images, a suffix not written or that does
    not hold the translation, two inputs of one name, or (without ``overwrite``) a target that is there
    already; a source is never written over.
    """
    if suffix:
        require(suffix in WRITERS, "a --format of " + ", ".join(WRITERS), suffix, "give .png, say")
        fits = suffix_for(pixel_format, suffix)
        expected = f"a --format that holds what the generator writes, {pixel_format}"
        require(fits == suffix, expected, suffix, f"give {fits}, say")
    fix = "name them after the run: hwan translate RUN IMAGES --out DIR"
    require(bool(inputs), "images or folders to translate", "none", fix)
    named: list[tuple[Path, Path, Path]] = []  # source, target of its own suffix, of the right one
    for item in inputs:
        require(item.exists(), "an image file or a folder", f"{item}: not there", "check the path")
        files = list_images(item) if item.is_dir() else (item,)
        require(bool(files), "a folder with images in it", f"{item}: none", "check the folder")
        base = item if item.is_dir() else item.parent
        for file in files:
            target = out / file.relative_to(base)
            own = target.suffix if target.suffix.lower() in WRITERS else ".png"
            short = target.with_suffix(suffix or suffix_for(pixel_format, own))
            named.append((file, target, short))
    uses = Counter(short for *_, short in named)
    sources: dict[Path, Path] = {}
    for source, target, short in named:
        full = uses[short] > 1 and target.suffix != short.suffix
        final = target.with_name(target.name + short.suffix) if full else short
        both, fix = f"{sources.get(final)} and {source}", "translate them into different folders"
        require(final not in sources, "inputs that each have a name of their own", both, fix)
        sources[final] = source
    planned = [(source, target) for target, source in sources.items()]
    refuse_replacing(planned, overwrite)
    return planned


def refuse_replacing(pairs: Sequence[tuple[Path, Path]], overwrite: bool) -> None:
    """Raise ``UsageError`` for a target that is a source, or (without ``overwrite``) is there."""
    sources = {source.resolve() for source, _ in pairs}
    expected = "an output folder without a file of this name: a translation does not replace a file"
    fix = "give another --out, or --overwrite for earlier translations"
    for _, target in pairs:
        free = target.resolve() not in sources and (overwrite or not target.exists())
        require(free, expected, f"{target} is there already", fix)


def unfinished(pairs: Iterable[tuple[Path, Path]]) -> list[tuple[Path, Path]]:
    """The pairs whose target is not there: files are written whole or not at all."""
    return [(source, target) for source, target in pairs if not target.exists()]
