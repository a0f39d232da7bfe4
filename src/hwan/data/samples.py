"""Sample tasks whose right answers are known: photo to webtoon, day to night, and the study's own.

A task is a folder of PNG images: ``trainA`` and ``trainB`` (unpaired), ``testA`` and ``testB`` (never
trained on), ``truthB`` (``truthB/x.png`` is what ``testA/x.png`` should become) and ``truthA`` (the same
for ``testB``). Their images come from six embedded photographs (NOTICE names their authors) or are
drawn from scratch. ``TASKS[NAME](out, size=64, train=400, test=40, seed=0)`` writes one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import islice, tee
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator, default_rng
from PIL import Image

from hwan.data.landscape import landscape
from hwan.data.scenes import hills, reduced, shapes, stripes
from hwan.data.webtoon import LUMA, to_bytes, webtoon
from hwan.imaging.pixels import Pixels

Scene = Callable[[bool], Pixels]  # one scene as A (False) or as B (True)
Render = Callable[[Pixels, bool], Pixels]  # a photograph as A or as B shows it
Scenes = tuple[Iterator[Scene], Iterator[Scene], Iterator[Scene]]
"""Endless scenes: to train on in A, in B, and to test with."""

# The domains share no photograph, and the test shares none with either. Each domain has one photograph
# with large areas and one of fine structure; the edges of those of B make good ink lines.
PHOTOS_A = ("flower", "rocket")
PHOTOS_B = ("astronaut", "china")
PHOTOS_TEST = ("chelsea", "coffee")
# Training photographs of both domains take the colours of any of these: otherwise the domains would
# differ in colour, and a network would learn the colours instead of the drawing.
PALETTES = PHOTOS_A + PHOTOS_B

SHORTEST = 300  # pixels of an embedded photograph's shorter side
LARGEST = int(SHORTEST * 0.8)  # side of a crop of it
WINDOW = 120  # a colourisation image shows at least so many pixels of a photograph; smaller ones are reduced


def photos() -> dict[str, Pixels]:
    """The embedded photographs by name, each (H, W, 3) uint8, 300 pixels on the shorter side."""
    found = sorted(Path(__file__).with_name("photos").glob("*.jpg"))
    return {file.stem: np.asarray(Image.open(file).convert("RGB")) for file in found}


def _root(matrix: Any) -> Any:
    """The symmetric square root of a symmetric positive matrix."""
    values, axes = np.linalg.eigh(matrix)
    return (axes * np.sqrt(values)) @ axes.T


def _palette(photo: Pixels) -> tuple[Any, Any]:
    """The mean (3,) and the covariance (3, 3) of the colours in [0, 1]."""
    colours = photo.reshape(-1, 3) / 255
    return colours.mean(0), np.cov(colours.T) + 1e-4 * np.eye(3)


def _recolour(photo: Pixels, like: Pixels, rng: Generator) -> Pixels:
    """The photograph in the palette of another, with random scale, mirroring, tint and gamma.

    The linear Monge-Kantorovich map of Pitié and Kokaram 2007, "The linear Monge-Kantorovitch
    linear colour mapping for example-based colour transfer".
    """
    scale = rng.uniform(0.85, 1.15)
    size = (round(photo.shape[1] * scale), round(photo.shape[0] * scale))
    image = Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS)
    pixels = np.asarray(image)[:, :: rng.choice([-1, 1])]
    (mean, spread), (mean_to, spread_to) = _palette(pixels), _palette(like)
    root = _root(spread)
    back = np.linalg.inv(root)
    x = mean_to + (pixels / 255 - mean) @ (back @ _root(root @ spread_to @ root) @ back)
    return to_bytes(np.clip(x * rng.uniform(0.9, 1.1, 3), 0, 1) ** rng.uniform(0.8, 1.2))


def _drawn(photo: Pixels, drawn: bool) -> Pixels:
    return webtoon(photo) if drawn else photo


def _coloured(photo: Pixels, colour: bool) -> Pixels:
    return photo if colour else to_bytes(photo @ LUMA / 255)


def _crop(sides: Scene, window: tuple[slice, slice], size: int, in_b: bool) -> Pixels:
    return reduced(sides(in_b)[window], size)


def _crops(
    names: tuple[str, ...], window: int, size: int, rng: Generator, recolour: bool, render: Render
) -> Iterator[Scene]:
    """Endless crops of ``window`` pixels, reduced to ``size``, of the photographs as ``render`` shows them.

    The whole photograph is rendered, so no crop has a border of its own. The best of four random
    places is taken, the one with most structure, so that no domain is half sky.
    """
    sources = photos()
    while True:
        for name in names:
            photo = sources[name]
            if recolour:
                photo = _recolour(photo, sources[rng.choice(PALETTES)], rng)
            sides = cache(partial(render, photo))
            steps = np.abs(np.diff(photo.astype(np.float32) @ LUMA, axis=1))
            for _ in range(8):
                best = (-1.0, 0, 0)
                for _ in range(4):
                    top, left = (int(rng.integers(0, n - window + 1)) for n in photo.shape[:2])
                    score = float(steps[top : top + window, left : left + window - 1].mean())
                    best = max(best, (score, top, left))
                cut = np.s_[best[1] : best[1] + window, best[2] : best[2] + window]
                yield partial(_crop, sides, cut, size)


def webtoons(size: int, seed: int) -> Scenes:
    """A: photographs; B: webtoons, drawn from other photographs.

    The test has photographs never trained on, in their own colours. What is drawn keeps its colours,
    which vary from crop to crop, so a generator with instance norm, which cannot see the mean colour of
    its input, cannot learn this task well; one without a norm can.
    """
    rng_a, rng_b, rng_test = default_rng(seed).spawn(3)
    return (
        _crops(PHOTOS_A, size, size, rng_a, True, _drawn),
        _crops(PHOTOS_B, size, size, rng_b, True, _drawn),
        _crops(PHOTOS_TEST, size, size, rng_test, False, _drawn),
    )


def colours(size: int, seed: int) -> Scenes:
    """A: photographs in grey; B: the same in colour, pairs by name.

    Any photograph takes any of four palettes, so its grey does not tell its colours. The test shows
    other photographs in the same palettes.
    """
    rng, rng_test = default_rng(seed).spawn(2)
    window = min(max(size, WINDOW), LARGEST)
    a, b = tee(_crops(PALETTES, window, size, rng, True, _coloured))
    return a, b, _crops(PHOTOS_TEST, window, size, rng_test, True, _coloured)


def drawings(draw: Callable[[int, int, bool], Pixels], size: int, seed: int) -> Scenes:
    """Scenes that ``draw`` makes of a seed, a size and a domain; all different."""

    def scenes(rng: Generator) -> Iterator[Scene]:
        while True:
            yield partial(draw, int(rng.integers(2**63)), size)

    a, b, test = map(scenes, default_rng(seed).spawn(3))
    return a, b, test


def write(
    scenes: Callable[[int, int], Scenes],
    largest: int,
    out: Path,
    size: int = 64,
    train: int = 400,
    test: int = 40,
    seed: int = 0,
) -> None:
    """Write a task's six folders, whole or not at all: ``train`` images of ``size`` x ``size`` pixels in
    each domain to train on, and ``test`` scenes to test with in each direction.

    Raises ValueError for an ``out`` that is not an empty folder, a count below 1, a size outside
    32..``largest`` or a negative seed.
    """
    if not 32 <= size <= largest:
        raise ValueError(f"size must be in 32..{largest}, not {size}")
    if train < 1 or test < 1:
        raise ValueError(f"train and test must be at least 1, not {train} and {test}")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ValueError(f"{out} exists and is not an empty folder")
    a, b, tested = scenes(size, seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as temporary:
        made = Path(temporary, "task")
        for folders, source, count in (
            (("trainA",), a, train),
            (("trainB",), b, train),
            (("testA", "truthB"), tested, test),
            (("testB", "truthA"), tested, test),
        ):
            for name in folders:
                (made / name).mkdir(parents=True)
            for k, scene in enumerate(islice(source, count)):
                for name in folders:
                    Image.fromarray(scene(name.endswith("B"))).save(made / name / f"{k:04d}.png")
        if out.exists():
            out.rmdir()  # Windows renames onto nothing only
        made.replace(out)


TASKS = {
    "webtoon": partial(write, webtoons, LARGEST),
    "colours": partial(write, colours, LARGEST),
    "daynight": partial(write, partial(drawings, landscape), 256),
    "hills": partial(write, partial(drawings, hills), 256),  # the study's day and night, plainer
    "shapes": partial(write, partial(drawings, shapes), 256),  # discs to diamonds
    "stripes": partial(write, partial(drawings, stripes), 256),  # plain discs to striped ones
}
