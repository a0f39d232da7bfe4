"""Folders of images translated: names and structure kept, nothing half written, errors reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwan.config import Kind
from hwan.data.folders import list_images
from hwan.errors import UsageError
from hwan.formats import WRITERS
from hwan.image import RGB, decode, save, suffix_for
from hwan.translate import Translator


@dataclass(frozen=True)
class Outcome:
    """One file of a folder translation: where it went, or why not; ``notes`` on its decoding."""

    source: Path
    target: Path
    error: str = ""
    notes: tuple[str, ...] = ()


def plan(
    inputs: Sequence[Path], out: Path, suffix: str = "", overwrite: bool = False, kind: Kind = RGB
) -> list[tuple[Path, Path]]:
    """(source, target) of every image in ``inputs``, files and folders, for translations of ``kind``.

    Files keep their name, folders their structure inside ``out``. A format that hwan does not write
    (GIF), or that does not hold the kind (JPEG for 16 bit), becomes PNG, or TIFF where PNG does not
    hold it either; and every file gets ``suffix`` where that is given. Sources that would then share
    a target keep their full names ("a.gif.png").

    Raises ``UsageError`` for a missing input, one without images, a suffix not written or that does
    not hold the kind, two inputs of one name, or (without ``overwrite``) a target that is there
    already; a source is never written over.
    """
    if suffix and suffix not in WRITERS:
        raise UsageError("--format is one of " + ", ".join(WRITERS), suffix, "give .png, say")
    if suffix and suffix_for(kind, suffix) != suffix:
        raise UsageError(
            f"--format holds what the generator writes, {kind}",
            suffix,
            f"give {suffix_for(kind)}, say",
        )
    if not inputs:
        raise UsageError(
            "a translation reads images or folders",
            "none",
            "name them after the run: hwan translate RUN IMAGES --out DIR",
        )
    kept: list[tuple[Path, Path]] = []
    for item in inputs:
        if not item.exists():
            raise UsageError(
                "an input is an image file or a folder", f"{item}: not there", "check it"
            )
        files = list_images(item) if item.is_dir() else (item,)
        if not files:
            raise UsageError("an input folder holds images", f"{item}: none", "check the folder")
        base = item if item.is_dir() else item.parent
        kept += [(file, out / file.relative_to(base)) for file in files]
    uses = Counter(target.with_suffix(_suffix(target, suffix, kind)) for _, target in kept)
    planned: dict[Path, Path] = {}
    for source, target in kept:
        ending = _suffix(target, suffix, kind)
        final = target.with_suffix(ending)
        if uses[final] > 1 and target.suffix != ending:
            final = target.with_name(target.name + ending)
        if final in planned:
            raise UsageError(
                "every input has a name of its own",
                f"{planned[final]} and {source}",
                "translate them into different folders",
            )
        planned[final] = source
    sources = {source.resolve() for source in planned.values()}
    for final in planned:
        if final.resolve() in sources or (final.exists() and not overwrite):
            raise UsageError(
                "a translation does not replace a file",
                f"{final} is there already",
                "give another --out, or --overwrite for earlier translations",
            )
    return [(source, final) for final, source in planned.items()]


def _suffix(target: Path, wanted: str, kind: Kind) -> str:
    own = target.suffix if target.suffix.lower() in WRITERS else ".png"
    return wanted or suffix_for(kind, own)


def translate_files(
    translator: Translator, pairs: Iterable[tuple[Path, Path]]
) -> Iterator[Outcome]:
    """Translate every pair, one after another; a broken file is reported and does not stop the rest."""
    for source, target in pairs:
        try:
            picture = decode(source, translator.card.kind_in)
            save(translator.pixels(picture.pixels), target)
        except (UsageError, OSError) as error:
            reason = str(error.received) if isinstance(error, UsageError) else str(error)
            yield Outcome(source, target, reason)
        else:
            yield Outcome(source, target, notes=picture.notes)
