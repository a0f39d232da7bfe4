"""Flicker of a translated video, with and without --smooth, on clips whose motion is known.

    python -m bench.flicker GENERATOR IMAGE --out DIR

Two clips are made of IMAGE with a sensor's noise (2 levels of 255) and a tone as sound: "still", a camera
at rest, and "pan", one that moves two pixels a frame. Flicker is the mean difference of a frame and the
one before, shifted by the camera's motion, in levels of 255: of the clip itself, of its translation, and
of its smoothed translation. "sharp" is the mean size of a frame's gradient, which smearing would lower.
Clips and translations stay in DIR. Prints one table and JSON.
"""

from __future__ import annotations

import argparse
import importlib
import json
from itertools import pairwise
from pathlib import Path

import numpy as np

from hwan.imaging.pixels import decode, resize
from hwan.inference.translate import load
from hwan.inference.video import EXACT, open_video, translate_video

SIDE, FRAMES, STEP = 128, 24, 2


def write_clip(path: Path, image: np.ndarray, step: int) -> None:
    av = importlib.import_module("av")
    draw = np.random.default_rng(0)
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=25, options={"crf": "1"})
        video.width, video.height, video.pix_fmt = SIDE, SIDE, "yuv420p"
        sound = file.add_stream("aac", rate=48000)
        for k in range(FRAMES):
            crop = image[:SIDE, k * step : k * step + SIDE] + draw.normal(0, 2, (SIDE, SIDE, 3))
            frame = av.VideoFrame.from_ndarray(crop.clip(0, 255).astype(np.uint8), format="rgb24")
            file.mux(
                video.encode(frame.reformat(format="yuv420p", dst_colorspace=1, dst_color_range=1))
            )
        file.mux(video.encode(None))
        wave = 0.2 * np.sin(np.arange(48000 * FRAMES // 25) * 0.06).astype(np.float32)
        block = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        block.rate = 48000
        file.mux(sound.encode(block))
        file.mux(sound.encode(None))


def frames(path: Path) -> list[np.ndarray]:
    av = importlib.import_module("av")
    with av.open(str(path)) as file:
        return [
            f.to_ndarray(format="rgb24", interpolation=EXACT).astype(float)
            for f in file.decode(video=0)
        ]


def flicker(shots: list[np.ndarray], step: int) -> float:
    """Of the settled part: the first frames have nothing to be averaged with."""
    return float(
        np.mean(
            [
                np.abs(b[:, : SIDE - step] - a[:, step:]).mean()
                for a, b in pairwise(shots[FRAMES // 3 :])
            ]
        )
    )


def sharp(shots: list[np.ndarray]) -> float:
    return float(np.mean([np.abs(np.diff(s, axis=1)).mean() for s in shots[FRAMES // 3 :]]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("generator", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    image = resize(decode(given.image).pixels, SIDE, SIDE + STEP * FRAMES).astype(float)
    translator, rows = load(given.generator, "cpu"), []
    for name, step in (("still", 0), ("pan", STEP)):
        clip = given.out / f"{name}.mp4"
        write_clip(clip, image, step)
        made = {"clip": clip}
        for how, smooth in (("translated", False), ("smoothed", True)):
            made[how] = given.out / f"{name}-{how}.mp4"
            for _ in translate_video(translator, open_video(clip, made[how]), 1, smooth):
                pass
        for how, path in made.items():
            shots = frames(path)
            rows.append(
                {"clip": name, "of": how, "flicker": flicker(shots, step), "sharp": sharp(shots)}
            )
    print(f"{'clip':8}{'of':12}{'flicker':>9}{'sharp':>8}")
    for row in rows:
        print(f"{row['clip']:8}{row['of']:12}{row['flicker']:9.2f}{row['sharp']:8.2f}")
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
