"""The feature network, LPIPS and the colours of label maps that a test uses: found, given or made.

Nothing is downloaded. Each finder returns what it found and, where that is nothing, a sentence that
says what was left out and where to put the file.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from hwan.config import DataConfig
from hwan.data.cache import open_cache
from hwan.data.folders import Layout, evenly
from hwan.errors import UsageError, require
from hwan.evaluation.images import some_images
from hwan.evaluation.source import EvaluationSource, direction_data
from hwan.metrics.baselines import with_channels
from hwan.metrics.features import (
    ALEXNET,
    INCEPTION,
    Features,
    Resizing,
    find,
    load_inception,
    load_lite,
    where_to_put,
)
from hwan.metrics.labels import NAMED, find_palette, flat_colours, read_palette, share_named
from hwan.metrics.metric import Measure
from hwan.metrics.perceptual import load_lpips
from hwan.metrics.selfnet import SIDE, self_features, train_selfnet
from hwan.nets.efficientnet_lite import DIGESTS

PICTURES = 1000  # of each domain that the network of hwan's own learns from
SETS = "FID, KID, precision, recall, density and coverage"
LITE = tuple(DIGESTS)
MAPS = 100  # training pictures whose colours are counted


def pick_features(
    wanted: str,
    layout: Layout,
    config: EvaluationSource,
    resizing: Resizing = "clean",
    device: str = "cpu",
    trained_against: Collection[str] = (),
) -> tuple[list[Features], str]:
    """The feature networks for ``--features``, and a sentence on what is left out without one.

    ``auto``: Inception where its weights are found; ``none``; ``self``: a network trained on the data;
    ``lite0``, ``lite1``, ``lite2``: EfficientNet-Lite, and beside it an unrelated one, since a generator that
    was trained against one of them may please its siblings too; else a weight file.

    Raises ``UsageError`` for a file that is none, and for a network among ``trained_against``: scores by
    the features that a generator was trained against flatter it (Kynkäänniemi et al. 2023).
    """
    if wanted == "self":
        return [_self(layout, config.data)], ""
    if wanted in LITE:
        received = f"{wanted}, which the generator's training saw by"
        others = [name for name in ("lite2", "lite1", "lite0") if name not in trained_against]
        fix = f"give --features {' or '.join((*others, 'self'))}"
        require(
            wanted not in trained_against, "a judge that is new to the generator", received, fix
        )
        inception = find(INCEPTION)
        beside = (
            load_inception(inception, resizing, device) if inception else _self(layout, config.data)
        )
        return [load_lite(wanted, device), beside], ""
    path, why = _weights(INCEPTION, wanted, "Inception", "them", "features")
    if path:
        return [load_inception(path, resizing, device)], ""
    own = "; --features self trains a small substitute on the data, which is no FID"
    return [], f"{SETS} were left out: {why}{'' if wanted == 'none' else own}."


CLASSES = {
    "strawberry": 949, "orange": 950, "lemon": 951, "apple": 948, "banana": 954, "horse": 339,
    "zebra": 340, "lion": 291, "tiger": 292, "leopard": 288, "cheetah": 293,
}  # fmt: skip
"""Some of ImageNet's classes by number; "horse" is its sorrel, "apple" its Granny Smith."""


def parse_class(text: str) -> tuple[str, int]:
    """The name and the number among ImageNet's 1000 classes that ``--recognise`` means: "zebra=340", or
    a name of ``CLASSES``. Raises ``UsageError`` for anything else."""
    name, sign, number = text.partition("=")
    known = number if sign else str(CLASSES.get(name, ""))
    expected = "a class of ImageNet as NAME=NUMBER, the number from 0 to 999, for --recognise"
    fix = f"give zebra=340, say; by name alone: {', '.join(sorted(CLASSES))}"
    require(bool(name) and known.isdecimal() and int(known) < 1000, expected, text, fix)
    return name, int(known)


def _weights(
    names: tuple[str, ...], wanted: str, network: str, them: str, option: str
) -> tuple[Path | None, str]:
    """The weight file that an option (auto, none or a file) means, and why there is none."""
    if wanted == "none":
        return None, f"--{option} none"
    advice = f"To have {them} {where_to_put(names)}, or give --{option} FILE"
    path = find(names) if wanted == "auto" else Path(wanted)
    return path, f"no {network} weights were found. {advice}"


@lru_cache(maxsize=2)
def _self(layout: Layout, data: DataConfig) -> Features:
    probe = Features("", "", torch.nn.Identity(), SIDE, data.format_b.channels)
    squares = []
    for folder, own in ((layout.train_a, data.format_a), (layout.train_b, data.format_b)):
        cache = open_cache(folder, data, own)
        chosen = evenly(range(len(cache)), PICTURES)
        # A of other channels is shown as B's baselines show it.
        shown = (with_channels(cache[i], probe.channels) for i in chosen)
        squares.append(torch.stack([probe.square(picture, own) for picture in shown]))
    return self_features(train_selfnet(squares[0], squares[1])[0], probe.channels)


def find_lpips(wanted: str, device: str = "cpu") -> tuple[Measure | None, str, str]:
    """LPIPS for ``--lpips`` (auto, none or a file), the hash of its weights, and a sentence without it."""
    path, why = _weights(ALEXNET, wanted, "AlexNet", "it", "lpips")
    return (*load_lpips(path, device), "") if path else (None, "", f"LPIPS was left out: {why}.")


def find_palettes(wanted: str, layout: Layout, config: EvaluationSource) -> dict[str, np.ndarray]:
    """The class colours of each direction whose target domain is label maps, for ``--labels``: auto
    (their own colours, where training pictures look like label maps), none, or a file.

    Raises ``UsageError`` for a file that is no palette, or one that no domain has the colours of.
    """
    if wanted == "none":
        return {}
    given = None if wanted == "auto" else read_palette(Path(wanted))
    found, most = {}, 0.0
    for data in direction_data(layout, config):
        maps = some_images(data.trained, data.format_out, MAPS)
        with suppress(UsageError):
            palette = find_palette(maps) if given is None else given
            named = 1.0 if given is None else share_named(*flat_colours(maps), given)
            if named >= NAMED:
                found[data.direction] = palette
            most = max(most, named)
    require(
        given is None or bool(found),
        f"--labels with the colours of {NAMED:.0%} of the flat pixels of a target domain",
        f"{most:.0%} by {wanted}",
        "add the missing colours, or leave --labels out",
    )
    return found
