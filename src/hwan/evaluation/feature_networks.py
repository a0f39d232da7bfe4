"""The feature network, LPIPS and the colours of label maps that a test uses: found, given or made.

Nothing is downloaded. Each finder returns what it found and, where that is nothing, a sentence that
says what was left out and where to put the file.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from hwan.config import DataConfig, PixelFormat
from hwan.data.cache import open_cache
from hwan.data.folders import Layout, evenly
from hwan.errors import UsageError
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
    where_to_put,
)
from hwan.metrics.labels import NAMED, find_palette, flat_colours, read_palette, share_named
from hwan.metrics.metric import Measure
from hwan.metrics.perceptual import load_lpips
from hwan.metrics.selfnet import SIDE, self_features, train_selfnet

PICTURES = 1000  # of each domain that the network of hwan's own learns from
SETS = "FID, KID, precision, recall, density and coverage"
MAPS = 100  # training pictures whose colours are counted


def pick_features(
    wanted: str,
    layout: Layout,
    config: EvaluationSource,
    resizing: Resizing = "clean",
    device: str = "cpu",
) -> tuple[Features | None, str]:
    """The feature network for ``--features``, and a sentence on what is left out without one.

    ``auto``: Inception where its weights are found; ``none``; ``self``: a network trained on the
    data; else a weight file. Raises ``UsageError`` for a file that is none.
    """
    if wanted == "self":
        return _self(layout, config.data), ""
    if wanted == "none":
        return None, f"{SETS} were left out: --features none."
    path = find(INCEPTION) if wanted == "auto" else Path(wanted)
    if path is None:
        return None, (
            f"{SETS} were left out: no Inception weights were found. To have them {where_to_put(INCEPTION)}, "
            "or give --features FILE; --features self trains a small substitute on the data, which is "
            "no FID."
        )
    return load_inception(path, resizing, device), ""


@lru_cache(maxsize=2)
def _self(layout: Layout, data: DataConfig) -> Features:
    target = data.format_b
    squares = []
    for folder, own in ((layout.train_a, data.format_a), (layout.train_b, target)):
        cache = open_cache(folder, data, own)
        chosen = (cache[i] for i in evenly(range(len(cache)), PICTURES))
        # A of other channels is shown as B's baselines show it.
        shown = (with_channels(picture, target.channels) for picture in chosen)
        probe = Features("", "", torch.nn.Identity(), SIDE, target.channels)
        depth = PixelFormat(target.channels, own.depth, own.range)
        squares.append(torch.stack([probe.square(picture, depth) for picture in shown]))
    net, _ = train_selfnet(squares[0], squares[1])
    return self_features(net, target.channels)


def find_lpips(wanted: str, device: str = "cpu") -> tuple[Measure | None, str, str]:
    """LPIPS for ``--lpips`` (auto, none or a file), the hash of its weights, and a sentence without it."""
    if wanted == "none":
        return None, "", "LPIPS was left out: --lpips none."
    path = find(ALEXNET) if wanted == "auto" else Path(wanted)
    if path is None:
        return (
            None,
            "",
            (
                "LPIPS was left out: no AlexNet weights were found. To have it "
                f"{where_to_put(ALEXNET)}, or give --lpips FILE."
            ),
        )
    return *load_lpips(path, device), ""


def find_palettes(wanted: str, layout: Layout, config: EvaluationSource) -> dict[str, np.ndarray]:
    """The class colours of each direction whose target domain is label maps, for ``--labels``: auto
    (their own colours, where training pictures look like label maps), none, or a file.

    Raises ``UsageError`` for a file that is no palette, or one that no domain has the colours of.
    """
    if wanted == "none":
        return {}
    given = None if wanted == "auto" else read_palette(Path(wanted))
    found, named = {}, []
    for data in direction_data(layout, config):
        maps = some_images(data.trained, data.format_out, MAPS)
        try:
            if given is None:
                found[data.direction] = find_palette(maps)
            else:
                named.append(share_named(*flat_colours(maps), given))
                if named[-1] >= NAMED:
                    found[data.direction] = given
        except UsageError:
            continue
    if given is not None and not found:
        raise UsageError(
            f"--labels with the colours of {NAMED:.0%} of the flat pixels of a target domain",
            f"{max(named, default=0):.0%} by {wanted}",
            "add the missing colours, or leave --labels out",
        )
    return found
