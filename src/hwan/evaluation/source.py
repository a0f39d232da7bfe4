"""What a test is of: a run, whose config.json says everything, or a generator folder without its run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hwan import config as configs
from hwan.config import Config, DataConfig, Pairing
from hwan.config.applicability import options
from hwan.inference.translate import is_generator
from hwan.nets.folder import GeneratorSpec, read_spec


@dataclass(frozen=True)
class GeneratorSource:
    """A generator without its run. ``data``: what its card says of the pixels and the size of crops; of
    all else, how the images were prepared, nothing is known."""

    spec: GeneratorSpec
    data: DataConfig

    @property
    def method(self) -> str:
        """What trained it."""
        return self.spec.method

    @property
    def directions(self) -> tuple[str, ...]:
        """Its own, alone."""
        return (self.spec.direction,)


EvaluationSource = Config | GeneratorSource
"""Both say ``method``, ``directions`` and ``data``."""


def read_source(folder: Path, pairs: Pairing | None = None, swap: bool = False) -> EvaluationSource:
    """The run or the generator in ``folder``; ``pairs`` and ``swap`` say how the data it is tested on
    belong together, where they are not as the run's own.

    Raises ``UsageError`` for a folder that is neither.
    """
    if not is_generator(folder):
        config = configs.load(folder / "config.json")
        return replace(config, data=_paired(config.data, pairs, swap))
    spec = read_spec(folder)
    kinds = (spec.format_in, spec.format_out)
    a, b = kinds if spec.direction == "ab" else kinds[::-1]
    data = DataConfig(
        size=min(spec.size),  # its tests are on squares
        channels_a=a.channels, channels_b=b.channels,
        depth_a=a.depth, depth_b=b.depth,
        range_a=a.range, range_b=b.range,
    )  # fmt: skip
    return GeneratorSource(spec, _paired(data, pairs, swap))


def _paired(data: DataConfig, pairs: Pairing | None, swap: bool) -> DataConfig:
    return replace(data, pairs=pairs or data.pairs, swap=data.swap or swap)


def known_options(tested: EvaluationSource) -> dict[str, str]:
    """Every option that is known, by its dotted name."""
    if isinstance(tested, GeneratorSource):
        spec = tested.spec
        return {
            "method": spec.method,
            "data.size": str(min(spec.size)),
            **{f"generator.{key}": str(value) for key, value in asdict(spec.generator).items()},
        }
    return {name: str(value) for name, value in options(tested).items()}
