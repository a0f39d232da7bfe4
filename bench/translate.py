"""A folder of images translated by each way there is: images a second, and how near to PyTorch's fp32.

    python -m bench.translate GENERATOR IMAGES [--count 12] [--rounds 3] [--threads 2]

Ways: eager PyTorch one file after another (decode, network, encode), which is the baseline; `hwan
translate`, which decodes and encodes beside the network; the same in bf16; ONNX Runtime and OpenVINO in
the same pipeline, where they are installed. Rounds are interleaved; each way's best round counts, in wall
time and in processor time (which other work on the machine disturbs less). Prints one table and JSON.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from hwan.export.onnx import onnx_engine, trace
from hwan.folder import plan, translate_files
from hwan.image import decode, save
from hwan.nets.folder import load_generator
from hwan.nets.forms import quick_forms
from hwan.runtime import describe
from hwan.translate import Translator, find_generator

Way = Callable[[list[tuple[Path, Path]]], None]


def ways(folder: Path) -> Iterator[tuple[str, Way]]:
    net, card = load_generator(folder)
    plain = Translator(net, card)
    quick_forms(net, False)  # PyTorch as it is

    def one_by_one(pairs: list[tuple[Path, Path]]) -> None:
        for source, target in pairs:
            save(plain.pixels(decode(source, card.kind_in).pixels), target)

    def pipeline(translator: Translator) -> Way:
        def run(pairs: list[tuple[Path, Path]]) -> None:
            for _ in translate_files(translator, pairs):
                pass

        return run

    yield "eager, one by one", one_by_one
    yield "hwan translate", pipeline(Translator(*load_generator(folder)))
    yield "the same, bf16", pipeline(Translator(*load_generator(folder), precision="bf16"))
    if importlib.util.find_spec("onnxruntime"):
        other = Translator(*load_generator(folder))
        other.engine = onnx_engine(other)
        yield "--engine onnx", pipeline(other)
        if importlib.util.find_spec("openvino"):
            proto = trace(net, card).SerializeToString()
            for precision in ("f32", "bf16"):
                other = Translator(*load_generator(folder))
                other.engine = openvino(proto, precision)
                yield f"OpenVINO, {precision}", pipeline(other)


def openvino(model: bytes, precision: str) -> Callable[[Tensor], Tensor]:
    core = importlib.import_module("openvino").Core()
    compiled = core.compile_model(
        core.read_model(model),
        "CPU",
        {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": precision},
    )
    return lambda image: torch.from_numpy(compiled(image.contiguous().numpy())[0].copy())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("generator", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    folder = find_generator(given.generator)
    with TemporaryDirectory() as work:
        root = Path(work)
        (root / "in").mkdir()
        for path in sorted(given.images.iterdir())[: given.count]:
            shutil.copy(path, root / "in")
        found = dict(ways(folder))
        wall: dict[str, list[float]] = {name: [] for name in found}
        processor: dict[str, list[float]] = {name: [] for name in found}
        for turn in range(given.rounds + 1):
            for name, way in found.items():
                pairs = plan([root / "in"], root / name, ".png", overwrite=True)
                began, worked = time.perf_counter(), time.process_time()
                way(pairs[:2] if turn == 0 else pairs)  # the first warms up
                if turn:
                    wall[name].append((time.perf_counter() - began) / len(pairs))
                    processor[name].append((time.process_time() - worked) / len(pairs))
        rows = [
            {
                "way": name,
                "images_per_second": 1 / min(wall[name]),
                "wall": min(wall["eager, one by one"]) / min(wall[name]),
                "processor": min(processor["eager, one by one"]) / min(processor[name]),
                "levels": levels(root / "eager, one by one", root / name),
            }
            for name in found
        ]
    print(f"{'':20}{'images/s':>10}{'x wall':>9}{'x CPU':>9}{'mean levels off':>17}")
    for row in rows:
        print(
            f"{row['way']:20}{row['images_per_second']:10.2f}{row['wall']:9.2f}"
            f"{row['processor']:9.2f}{row['levels']:17.3f}"
        )
    print(json.dumps({"machine": describe(torch.device("cpu")), "rows": rows}))


def levels(first: Path, second: Path) -> float:
    """Mean difference of the pictures in two folders, in levels of 255."""
    errors = [
        np.abs(decode(path).pixels.astype(int) - decode(second / path.name).pixels).mean()
        for path in first.iterdir()
    ]
    return float(np.mean(errors))


if __name__ == "__main__":
    main()
