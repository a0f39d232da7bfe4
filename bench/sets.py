"""What the figures of a test say of planted failures: which of them moves, and which does not.

    python -m bench.sets RUN [--features self]     a run that `hwan evaluate` has tested

A constant generator, four outputs for all, the outputs shuffled among the inputs, and inverted colours
are made of the run's own test translations. Run from the project's folder.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np

from hwan import config as configs
from hwan.cli.tables import print_table
from hwan.data.folders import Layout
from hwan.evaluation.distributions import compare, sample
from hwan.evaluation.evaluate import measure_pair, pair_measures
from hwan.evaluation.feature_networks import pick_features
from hwan.evaluation.images import readable_images, translation_path
from hwan.evaluation.results import WORDS, shown
from hwan.evaluation.source import DirectionData, direction_data, run_data
from hwan.imaging.pixels import Pixels, decode, resize
from hwan.metrics.features import Features
from hwan.metrics.records import METRICS
from hwan.metrics.sliced import side_for


def planted(outputs: list[Pixels]) -> dict[str, list[Pixels]]:
    """The same count of pictures from each failure; one of another size is brought to its input's."""
    shapes = [picture.shape for picture in outputs]

    def fitted(chosen: list[Pixels]) -> list[Pixels]:
        return [resize(p, s[0], s[1]) for p, s in zip(chosen, shapes, strict=True)]

    order = np.random.default_rng(0).permutation(len(outputs))
    return {
        "as trained": outputs,
        "constant": fitted([outputs[0]] * len(outputs)),
        "4 outputs": fitted([outputs[i % 4] for i in range(len(outputs))]),
        "shuffled": fitted([outputs[i] for i in order]),
        "inverted": [np.iinfo(p.dtype).max - p for p in outputs],
    }


def measure(run: Path, data: DirectionData, networks: list[Features]) -> None:
    kind = data.format_out
    names = [name for name, _ in readable_images(data.test, data.format_in)]
    outputs = [decode(translation_path(run, data, name), kind).pixels for name in names]
    assert data.reals
    real = [picture for _, picture in readable_images(data.reals, kind)]
    finest = side_for([min(picture.shape[:2]) for picture in real])
    reals = sample(lambda: real, len(real), kind, networks, finest)
    samples, paired = {}, {}
    for failure, pictures in planted(outputs).items():
        samples[failure] = sample(partial(list, pictures), len(pictures), kind, networks, finest)
        found = []
        for name, picture in zip(names, pictures, strict=True):
            if (truth := data.truth_of(name)) is not None:
                found.append(measure_pair(pair_measures(), picture, truth, kind))
        paired[failure] = {
            metric: float(np.nanmean([one[metric] for one in found]))
            for metric in (found[0] if found else {})
        }
    table = compare(samples, reals, networks, kind)
    texts = {
        failure: {
            metric: shown(metric, value)
            for metric, value in {**table[failure], **paired[failure]}.items()
            if metric in METRICS
        }
        for failure in table
    }
    print_table(f"{run.name}, {WORDS[data.direction]}", texts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--features", default="self")
    given = parser.parse_args()
    config = configs.load(given.run / "config.json")
    layout: Layout = run_data(given.run)
    networks, _ = pick_features(given.features, layout, config)
    for data in direction_data(layout, config):
        measure(given.run, data, networks)


if __name__ == "__main__":
    main()
