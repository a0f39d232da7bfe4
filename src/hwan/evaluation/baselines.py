"""What each baseline makes of a test image."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from hwan.data.cache import open_cache
from hwan.evaluation.source import DirectionData, EvaluationSource
from hwan.imaging.pixels import Pixels, from_unit, resize, to_unit
from hwan.metrics.baselines import Statistics, lab_statistics, mean_image, reinhard


@lru_cache(maxsize=4)
def target_domain(data: DirectionData, source: EvaluationSource) -> tuple[Statistics, Pixels]:
    """Colour statistics and mean picture of the training images of the target domain."""
    cache = open_cache(data.trained, source.data, data.format_out)
    pictures = [cache[i] for i in range(len(cache))]
    size = source.data.size
    return lab_statistics(pictures, data.format_out), mean_image(pictures, size, size)


def baselines_of(
    data: DirectionData, source: EvaluationSource
) -> dict[str, Callable[[Pixels, int, int], Pixels]]:
    """Each baseline as a function of the input image and the output's height and width, by its name."""
    statistics, mean = target_domain(data, source)
    channels = data.format_out.channels

    def input_as_it_is(image: Pixels, height: int, width: int) -> Pixels:
        shown = from_unit(to_unit(image, data.format_in), data.format_out)
        return shown.repeat(channels // shown.shape[2], axis=2)

    found: dict[str, Callable[[Pixels, int, int], Pixels]] = {
        "mean picture": lambda image, height, width: resize(mean, height, width),
        "Reinhard": lambda image, height, width: reinhard(
            image, statistics, data.format_in, data.format_out
        ),
    }
    if data.format_in.channels in (1, channels):  # grey can be shown in any number of channels
        found["input as it is"] = input_as_it_is
    return found
