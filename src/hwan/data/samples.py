"""Sample tasks whose right answers are known: photo to webtoon, day to night, and the study's own.

A task is a folder of PNG images: `trainA` and `trainB` (unpaired), `testA` and `testB` (held out),
`truthB` (`truthB/x.png` is what `testA/x.png` should become) and `truthA` (the same for `testB`).
They are made here, from six embedded photographs (NOTICE names their authors) and from nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import islice, tee
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hwan.data.landscape import landscape
from hwan.data.scenes import hills, shapes, stripes
from hwan.data.webtoon import LUMA, to_bytes, webtoon
from hwan.imaging.pixels import Pixels

Scene = Callable[[bool], Pixels]  # one scene as A (False) or as B (True)

# The domains share no photograph, and the test shares none with either. Either domain has one
# photograph with large areas and one of fine structure; those of B ink well.
PHOTOS_A = ("flower", "rocket")
PHOTOS_B = ("astronaut", "china")
PHOTOS_TEST = ("chelsea", "coffee")
# Training photographs of both domains take the colours of any of these: else the domains would
# differ in colour, and a network would learn that and not the drawing.
PALETTES = PHOTOS_A + PHOTOS_B

SHORTEST = 300  # of any embedded photograph's sides
WINDOW = (
    120  # least side of what a colourisation picture shows: smaller ones show the same, reduced
)


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


def _recolour(photo: Pixels, like: Pixels, rng: np.random.Generator) -> Pixels:
    """The photograph in the palette of another, at a drawn scale, side, tint and gamma.

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


def _side(photo: Pixels, drawn: bool) -> Pixels:
    return webtoon(photo) if drawn else photo


def _cut(sides: Scene, cut: tuple[slice, slice], drawn: bool) -> Pixels:
    return sides(drawn)[cut]


def _crops(
    names: tuple[str, ...],
    size: int,
    rng: np.random.Generator,
    recolour: bool,
    render: Callable[[Pixels, bool], Pixels] = _side,
) -> Iterator[Scene]:
    """Endless (size, size, C) crops of the photographs, or of what ``render`` makes of them (webtoons).

    The whole photograph is rendered, so no crop has a border of its own. Of four places the one
    with most structure is taken: no domain is half sky.
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
                    top, left = (int(rng.integers(0, n - size + 1)) for n in photo.shape[:2])
                    score = float(steps[top : top + size, left : left + size - 1].mean())
                    best = max(best, (score, top, left))
                cut = np.s_[best[1] : best[1] + size, best[2] : best[2] + size]
                yield partial(_cut, sides, cut)


def write_webtoon(
    out: Path, *, size: int = 64, train: int = 400, test: int = 40, seed: int = 0
) -> None:
    """Write the webtoon task: A photographs, B drawings, of different photographs.

    `train` crops a domain for training and `test` for the test, of photographs never trained on
    and in their own colours. What is drawn keeps its colours, which vary from crop to crop, so a
    generator with instance norm, blind to the mean colour of its input, cannot learn this task
    well; one without norm can. Raises ValueError for an `out` that is not empty, a count below one,
    a size outside 32..240 or a negative seed.
    """
    rng_a, rng_b, rng_test = np.random.default_rng(seed).spawn(3)
    a = _crops(PHOTOS_A, size, rng_a, recolour=True)
    b = _crops(PHOTOS_B, size, rng_b, recolour=True)
    held = _crops(PHOTOS_TEST, size, rng_test, recolour=False)
    _write(out, size, int(SHORTEST * 0.8), train, test, a, b, held)


def write_colours(
    out: Path, *, size: int = 32, train: int = 200, test: int = 24, seed: int = 0
) -> None:
    """Write the colourisation task: A photographs in grey, B the same in colour, pairs by name.

    Any photograph takes any of four palettes, so its grey does not say what its colours were. The test
    shows other photographs in the same palettes. Raises as `write_webtoon`.
    """
    window = min(max(size, WINDOW), int(SHORTEST * 0.8))
    rng, rng_test = np.random.default_rng(seed).spawn(2)

    def crops(names: tuple[str, ...], rng: np.random.Generator) -> Iterator[Scene]:
        for scene in _crops(names, window, rng, recolour=True, render=_grey):
            yield partial(_reduced, scene, size)

    first, second = tee(crops(PALETTES, rng))
    held = crops(PHOTOS_TEST, rng_test)
    _write(out, size, window, train, test, first, second, held)


def _grey(photo: Pixels, colour: bool) -> Pixels:
    return photo if colour else to_bytes(photo @ LUMA / 255)


def _reduced(scene: Scene, size: int, colour: bool) -> Pixels:
    image = Image.fromarray(scene(colour))
    return np.asarray(image.resize((size, size), Image.Resampling.BOX))


def write_daynight(
    out: Path, *, size: int = 64, train: int = 400, test: int = 40, seed: int = 0
) -> None:
    """Write the day-night task: A landscapes by day, B other landscapes by night.

    `train` scenes a domain for training and `test` for the test, all different. Raises ValueError
    for an `out` that is not empty, a count below one, a size outside 32..256 or a negative seed.
    """
    _write_scenes(landscape, out, size, train, test, seed)


def write_hills(
    out: Path, *, size: int = 32, train: int = 200, test: int = 24, seed: int = 0
) -> None:
    """Write the study's day-night task, as `write_daynight` with plainer scenes."""
    _write_scenes(hills, out, size, train, test, seed)


def write_shapes(
    out: Path, *, size: int = 32, train: int = 200, test: int = 24, seed: int = 0
) -> None:
    """Write the study's task of form: A discs, B diamonds. Raises as `write_daynight`."""
    _write_scenes(shapes, out, size, train, test, seed)


def write_stripes(
    out: Path, *, size: int = 32, train: int = 200, test: int = 24, seed: int = 0
) -> None:
    """Write the study's task of texture: A plain discs, B striped ones. Raises as `write_daynight`."""
    _write_scenes(stripes, out, size, train, test, seed)


def _write_scenes(
    draw: Callable[[int, int, bool], Pixels], out: Path, size: int, train: int, test: int, seed: int
) -> None:
    def scenes(spawned: np.random.SeedSequence) -> Iterator[Scene]:
        rng = np.random.default_rng(spawned)
        while True:
            yield partial(draw, int(rng.integers(2**63)), size)

    _write(out, size, 256, train, test, *map(scenes, np.random.SeedSequence(seed).spawn(3)))


def _write(
    out: Path,
    size: int,
    size_max: int,
    train: int,
    test: int,
    a: Iterator[Scene],
    b: Iterator[Scene],
    held: Iterator[Scene],
) -> None:
    """Write a task's six folders from endless streams of scenes, whole or not at all."""
    if not 32 <= size <= size_max:
        raise ValueError(f"size must be in 32..{size_max}, not {size}")
    if train < 1 or test < 1:
        raise ValueError(f"train and test must be at least 1, not {train} and {test}")
    out = Path(out)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ValueError(f"{out} exists and is not an empty folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as work:
        made = Path(work, "task")
        for folder, truth, scenes, count in (
            ("trainA", None, a, train),
            ("trainB", None, b, train),
            ("testA", "truthB", held, test),
            ("testB", "truthA", held, test),
        ):
            for name in filter(None, (folder, truth)):
                (made / name).mkdir(parents=True)
            for k, scene in enumerate(islice(scenes, count)):
                for name in filter(None, (folder, truth)):
                    picture = Image.fromarray(scene(name.endswith("B")))
                    picture.save(made / name / f"{k:04d}.png")
        if out.exists():
            out.rmdir()  # Windows renames onto nothing only
        made.replace(out)


TASKS = {
    "webtoon": write_webtoon,
    "colours": write_colours,
    "daynight": write_daynight,
    "hills": write_hills,
    "shapes": write_shapes,
    "stripes": write_stripes,
}
