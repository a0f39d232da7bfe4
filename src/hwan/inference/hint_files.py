"""Which colour hints belong to which picture, where both are files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hwan.data.folders import by_name
from hwan.errors import UsageError, require
from hwan.imaging.pixels import Pixels, decode
from hwan.inference.translate import Translator


def match_hints(
    translator: Translator, hints: Path, planned: Sequence[tuple[Path, Path]], out: Path
) -> dict[Path, Path]:
    """The hints of each source that has some. ``hints`` is one picture's, or a folder whose files have the
    names of the translations in ``out``, suffix aside; ``planned`` are (source, target).

    All are read, so that nothing is written where one is wrong. Raises ``UsageError`` for that, for hints
    without a picture, for two of one name, and for one file of hints for several pictures.
    """
    require(
        hints.exists(), "a picture or a folder at --hints", f"{hints}: not there", "check the path"
    )
    if hints.is_dir():
        names = {target.relative_to(out).with_suffix(""): source for source, target in planned}
        files = by_name(hints)
        expected = "pictures of hints in the folder at --hints"
        require(bool(files), expected, f"{hints}: none", "paint some")
        for name, file in files.items():
            expected = "hints of the name of their picture, suffix aside"
            require(name in names, expected, f"{file}, without a picture", "rename or remove it")
        found = {names[name]: file for name, file in files.items()}
    else:
        expected = "one picture to translate for one file of hints"
        fix = "give a folder of hints, named as the pictures"
        require(len(planned) == 1, expected, f"{len(planned)} pictures", fix)
        found = {planned[0][0]: hints}
    for source, file in found.items():
        pixels: Pixels | None = None
        with suppress(UsageError, OSError):  # a broken picture is reported when it is its turn
            pixels = decode(source, translator.spec.format_in).pixels
        if pixels is not None:
            translator.hinted(pixels, file)
    return found
