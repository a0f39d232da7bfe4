"""The source of an evaluation: a run, whose config.json says everything, or a generator folder without
its run; and the images that each of its directions is tested on."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hwan import config as configs
from hwan.config import Config, DataConfig, Pairing, PixelFormat
from hwan.config.applicability import options
from hwan.data.folders import ImageFolder, Layout, locate
from hwan.errors import UsageError, require
from hwan.files import read_json
from hwan.imaging.codecs import SUFFIXES
from hwan.imaging.pixels import Pixels
from hwan.inference.translate import find_generator, is_generator
from hwan.nets.folder import CONFIG, GeneratorSpec, read_spec


@dataclass(frozen=True)
class GeneratorSource:
    """A generator without its run. ``data`` holds what its spec says: the pixel formats and the size of
    the crops. How else the images were prepared is not known."""

    spec: GeneratorSpec
    data: DataConfig
    method: str
    directions: tuple[str, ...]


EvaluationSource = Config | GeneratorSource
"""Both say ``method``, ``directions`` and ``data``."""


def read_source(folder: Path, pairs: Pairing | None = None, swap: bool = False) -> EvaluationSource:
    """The run or the generator in ``folder``. ``pairs`` and ``swap`` describe the test data where they
    differ from what the run was trained on.

    Raises ``UsageError`` for a folder that is neither.
    """
    found = _generator_source(folder) if is_generator(folder) else configs.load(folder / CONFIG)
    data = replace(found.data, pairs=pairs or found.data.pairs, swap=found.data.swap or swap)
    return replace(found, data=data)


def _generator_source(folder: Path) -> GeneratorSource:
    spec = read_spec(folder)
    sides = zip(spec.direction, (spec.format_in, spec.format_out), strict=True)
    formats = {f"{k}_{side}": v for side, pixels in sides for k, v in vars(pixels).items()}
    data = DataConfig(size=min(spec.size), **formats)  # its tests are on squares
    return GeneratorSource(spec, data, spec.method, (spec.direction,))


def trained_against(folder: Path, source: EvaluationSource) -> set[str]:
    """The feature networks that the training of the generators in ``folder`` saw by."""
    generators = [find_generator(folder, direction) for direction in source.directions]
    return {name for generator in generators for name in read_spec(generator).trained_against}


def known_options(source: EvaluationSource) -> dict[str, str]:
    """Every option that is known, by its dotted name."""
    if not isinstance(source, GeneratorSource):
        return {name: str(value) for name, value in options(source).items()}
    spec = asdict(source.spec)
    generator = {f"generator.{key}": str(value) for key, value in spec["generator"].items()}
    return {"method": source.method, "data.size": str(source.data.size), **generator}


@dataclass(frozen=True)
class DirectionData:
    """What one direction is tested on: its test images, the truth of each where it is known, the real
    test images of the target domain (``reals``) and the training images of that domain."""

    direction: str
    test: ImageFolder
    truth: ImageFolder | None
    reals: ImageFolder | None
    trained: ImageFolder
    format_in: PixelFormat
    format_out: PixelFormat

    def read(self, name: Path) -> Pixels:
        """Test image ``name``."""
        return self.test.read(self.test.folder / name, self.format_in).pixels

    def truth_of(self, name: Path) -> Pixels | None:
        """What test image ``name`` should become, where that is known: the file of its name, else the
        file whose name differs in its suffix alone."""
        if self.truth is None:
            return None
        exact = self.truth.folder / name
        same = sorted(exact.parent.glob(f"{glob.escape(name.stem)}.*"))
        for path in [exact] if exact.is_file() else same:
            if path.suffix.lower() in SUFFIXES:
                return self.truth.read(path, self.format_out).pixels
        return None


def direction_data(layout: Layout, source: EvaluationSource) -> tuple[DirectionData, ...]:
    """The data of each direction of ``source``. Raises ``UsageError`` where there is no test folder."""
    sides = {
        "a": (layout.train_a, layout.test_a, layout.truth_a, source.data.format_a),
        "b": (layout.train_b, layout.test_b, layout.truth_b, source.data.format_b),
    }
    found = []
    for direction in source.directions:
        _, test, _, format_in = sides[direction[0]]
        trained, reals, truth, format_out = sides[direction[1]]
        if test is None:
            raise UsageError(
                "held-out images in testA and testB (of pairs in one file: test or val)",
                f"{layout.train_a.folder.parent} without them",
                "set some images of each domain aside there; never test on trained ones",
            )
        found.append(DirectionData(direction, test, truth, reals, trained, format_in, format_out))
    return tuple(found)


def data_folders(run: Path, data: Sequence[Path] = ()) -> tuple[Path, ...]:
    """``data`` where given, else the folders that the run was trained on.

    Raises ``UsageError`` for a generator folder without ``data``.
    """
    named = bool(data) or not is_generator(run)
    received, fix = f"{run} without --data", "add --data (of pairs also --pairs), or test its run"
    require(named, "the data to test on, which a generator folder does not name", received, fix)
    return tuple(data) or tuple(Path(path) for path in read_json(run / "data.json")["data"])


def run_data(
    run: Path, data: Sequence[Path] = (), pairs: Pairing | None = None, swap: bool = False
) -> Layout:
    """The data set of a run: ``data`` where given, else what it was trained on. ``pairs`` and ``swap``
    as in ``read_source``."""
    config = read_source(run, pairs, swap).data
    return locate(data_folders(run, data), config.pairs, config.swap)
