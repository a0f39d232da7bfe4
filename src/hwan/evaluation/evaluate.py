"""The test: every held-out image is translated, measured, and compared with the baselines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from hwan.config import PixelFormat
from hwan.data.folders import Layout, list_images
from hwan.errors import require
from hwan.evaluation.images import (
    baselines_of,
    changed_by,
    fit_truth,
    readable_images,
    translation_path,
)
from hwan.evaluation.results import BEST, CHOICE, HINTED, HINTS, OURS, ImageRow
from hwan.evaluation.source import EvaluationSource, direction_data, read_source
from hwan.files import read_json
from hwan.imaging.hints import hints_of
from hwan.imaging.pixels import Pixels, resize, save, to_tensor
from hwan.inference.translate import Translator, is_generator, load
from hwan.metrics.labels import confusion, label_figures
from hwan.metrics.metric import Measure
from hwan.metrics.pairwise import l1
from hwan.metrics.records import METRICS

THUMB = 32  # side of the pictures that diversity is measured on


def count(layout: Layout, source: EvaluationSource) -> int:
    """How many rows ``evaluate`` will yield at most."""
    return sum(len(list_images(data.test.folder)) for data in direction_data(layout, source))


def evaluate(
    run: Path,
    layout: Layout,
    device: str = "auto",
    perceptual: Measure | None = None,
    palettes: Mapping[str, np.ndarray] | None = None,
) -> Iterator[ImageRow]:
    """Translate and measure all test images of every direction of ``run`` (a run folder, or a generator
    folder: its one direction), one row each.

    Each translation is written to ``run/evaluation/{ab,ba}/NAME.png`` (.tiff where PNG does not hold
    it), and, where the run kept its best generator, that one's to ``run/evaluation/best/…``. The
    metrics with a ``measure`` (SSIM, MS-SSIM, PSNR, L1) and, with ``perceptual``, LPIPS are taken
    where the truth is known (``truthB/NAME`` for testA/NAME, or its partner in a set of pairs), on
    pictures of the original size and depth, for hwan and for three baselines: the input itself, the
    mean training picture of the target domain, and Reinhard colour transfer to that domain. A generator that
    takes colour hints is also measured with ``HINTS`` of them, from the truth (``evaluation/hints``). Pixels
    are counted by class where ``palettes[direction]`` has the colours of label maps. ``cycle_l1`` is
    the error there and back, nan without a way back. Both L1 are shares of the range, 0 to 1.
    How much changed inside and outside the mask is taken of every test image that has one (``testA_mask``).
    Unreadable files are passed over.

    Raises ``UsageError`` for a folder that is neither, data without test folders, and masks that do not fit.
    """
    source = read_source(run)
    both = direction_data(layout, source)
    translators = {data.direction: load(run, device, data.direction) for data in both}
    measures = pair_measures() | ({"lpips": perceptual} if perceptual else {})
    for data in both:
        there, back = translators[data.direction], translators.get(data.direction[::-1])
        ours, best = {OURS: there}, run / "best" / f"generator_{data.direction}"
        if is_generator(best):
            ours[BEST] = load(best, device)
        palette = (palettes or {}).get(data.direction)
        some = any(True for _ in readable_images(data.test, data.format_in))
        none = f"none for {data.direction} in {data.test.folder}"
        require(some, "a readable image in every test folder", none, "`hwan data check` names them")
        for name, image in readable_images(data.test, data.format_in):
            outputs = {system: translator.pixels(image) for system, translator in ours.items()}
            truth = data.truth_of(name)
            if truth is not None:
                truth = fit_truth(truth, name, outputs[OURS], source.data.fit)
                if there.spec.hints:
                    outputs[HINTED] = with_true_hints(there, image, truth, name)
            for system, picture in outputs.items():
                save(picture, translation_path(run, data, name, system))
            figures, tables, systems = {}, {}, outputs
            if truth is not None or data.test.mask is not None:
                made = {k: make(image) for k, make in baselines_of(data, source).items()}
                systems = outputs | made
            changed = changed_by(data, name, systems) if data.test.mask is not None else {}
            if truth is not None:
                for system, picture in systems.items():
                    figures[system] = measure_pair(measures, picture, truth, data.format_out)
                    if palette is not None:
                        tables[system] = confusion(picture, truth, palette)
                        accuracy = label_figures(tables[system])["pixel_accuracy"]
                        figures[system]["pixel_accuracy"] = accuracy
            cycle = math.nan
            if back:
                returned = back.pixels(outputs[OURS])
                cycle = measure_pair({"l1": l1}, returned, image, data.format_in)["l1"]
            small, made_small = (resize(p, THUMB, THUMB) for p in (image, outputs[OURS]))
            yield ImageRow(
                data.direction,
                str(name),
                figures,
                cycle,
                small,
                made_small,
                tables,
                there.spec.images,
                changed,
            )


def with_true_hints(translator: Translator, image: Pixels, truth: Pixels, name: Path) -> Pixels:
    """The translation with ``HINTS`` colour hints of ``truth``, always the same for an image of this name."""
    rng = np.random.default_rng(list(name.as_posix().encode()))
    hints = hints_of(torch.from_numpy(truth), HINTS, min(translator.spec.size), rng)
    return translator.pixels(image, hints.numpy())


def describe_best(run: Path) -> dict[str, str]:
    """How the best generator was chosen, for the protocol; empty for a run that kept none."""
    path = run / "best" / "ranking.json"
    if not path.is_file():
        return {}
    found = read_json(path)
    tops = (f"{d} at {rows[0]['images']} images" for d, rows in found["ranking"].items() if rows)
    return {CHOICE: f"by {found['figure']} on the validation images: {', '.join(tops)}"}


def pair_measures() -> dict[str, Measure]:
    """Every metric that is computed from one output and its truth alone."""
    return {name: metric.measure for name, metric in METRICS.items() if metric.measure}


def measure_pair(
    measures: Mapping[str, Measure], picture: Pixels, truth: Pixels, pixel_format: PixelFormat
) -> dict[str, float]:
    """Every metric of ``measures`` that takes pictures of this size and these channels: one tiny image
    does not stop a test."""
    pair = to_tensor(torch.from_numpy(np.stack((picture, truth))), pixel_format.range)
    size = min(pair.shape[2:]), pair.shape[1]
    fitting = {name: f for name, f in measures.items() if METRICS[name].takes(*size)}
    return {"ssim": math.nan} | {name: float(f(pair[:1], pair[1:])) for name, f in fitting.items()}


def real_thumbs(layout: Layout, source: EvaluationSource) -> list[Pixels]:
    """The test images of the target domain, made small, where one direction alone is tested."""
    data, *back = direction_data(layout, source)
    if back or data.reals is None:
        return []
    return [resize(p, THUMB, THUMB) for _, p in readable_images(data.reals, data.format_out)]
