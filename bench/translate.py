"""A folder of images translated by each way there is: images a second, and how near to PyTorch's fp32.

    python -m bench.translate GENERATOR IMAGES [--count 12] [--rounds 3] [--threads 2] [--device cpu]

Ways: eager PyTorch one file after another (decode, network, encode), which is the baseline; `hwan
translate`, which decodes and encodes beside the network; the same in bf16; on a CPU, ONNX Runtime and
OpenVINO in the same pipeline, where they are installed. Rounds are interleaved; each way's best round counts,
in wall time and in processor time (which other work on the machine disturbs less). Prints one table and JSON.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from hwan.exporting.onnx import onnx_engine, trace
from hwan.imaging.pixels import decode, save, to_pixels, to_tensor
from hwan.inference.batch import translate_files
from hwan.inference.outputs import plan_outputs
from hwan.inference.padding import pad_to
from hwan.inference.translate import Translator, find_generator
from hwan.nets.folder import load_generator
from hwan.runtime import describe

Way = Callable[[list[tuple[Path, Path]]], None]


def ways(folder: Path, device: str) -> Iterator[tuple[str, Way]]:
    def pipeline(translator: Translator) -> Way:
        def run(pairs: list[tuple[Path, Path]]) -> None:
            for _ in translate_files(translator, pairs):
                pass

        return run

    yield "hwan translate", pipeline(Translator(*load_generator(folder), device))
    half = Translator(*load_generator(folder), device, precision="bf16")
    yield "the same, bf16", pipeline(half)
    if device == "cpu" and importlib.util.find_spec("onnxruntime"):
        other = Translator(*load_generator(folder), device, engine=onnx_engine)
        yield "--engine onnx", pipeline(other)
        if importlib.util.find_spec("openvino"):
            proto = trace(*load_generator(folder)).SerializeToString()
            for precision in ("f32", "bf16"):
                run = openvino(proto, precision)
                other = Translator(*load_generator(folder), device, engine=lambda *_, run=run: run)
                yield f"OpenVINO, {precision}", pipeline(other)


def one_by_one(folder: Path, device: str, pairs: list[tuple[Path, Path]]) -> tuple[float, float]:
    """Seconds of wall and of processor an image, by PyTorch as it is, in a process of its own: hwan's
    translator changes how memory is kept in the whole process."""
    given = json.dumps(
        [str(folder), device, torch.get_num_threads(), [[str(x) for x in pair] for pair in pairs]]
    )
    command = [sys.executable, "-m", "bench.translate", "--eager", given]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    wall, processor = json.loads(run.stdout)
    return wall, processor


@torch.inference_mode()
def eager(given: str) -> None:
    """What ``one_by_one`` measures."""
    folder, device, threads, pairs = json.loads(given)
    torch.set_num_threads(threads)
    net, spec = load_generator(Path(folder))
    net.to(device)
    for turn in range(2):
        began, worked = time.perf_counter(), time.process_time()
        for source, target in pairs[: None if turn else 2]:  # the first turn warms up
            pixels = decode(Path(source), spec.format_in).pixels
            batch = torch.from_numpy(pixels)[None].to(device)
            image = pad_to(to_tensor(batch), *spec.generator.sizes)
            made = to_pixels(
                net(image)[:, :, : pixels.shape[0], : pixels.shape[1]], spec.format_out
            )
            save(made[0], Path(target))
        spent = [time.perf_counter() - began, time.process_time() - worked]
    print(json.dumps([seconds / len(pairs) for seconds in spent]))


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
    parser.add_argument("generator", type=Path, nargs="?")
    parser.add_argument("images", type=Path, nargs="?")
    parser.add_argument("--eager", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    if given.eager:
        return eager(given.eager)
    torch.set_num_threads(given.threads)
    folder = find_generator(given.generator)
    with TemporaryDirectory() as work:
        root = Path(work)
        (root / "in").mkdir()
        for path in sorted(given.images.iterdir())[: given.count]:
            shutil.copy(path, root / "in")
        found = dict(ways(folder, given.device))
        base = "eager, one by one"
        (root / base).mkdir()
        wall: dict[str, list[float]] = {name: [] for name in (base, *found)}
        processor: dict[str, list[float]] = {name: [] for name in (base, *found)}
        for turn in range(given.rounds + 1):
            if turn:
                sources = plan_outputs([root / "in"], root / base, ".png", overwrite=True)
                once = one_by_one(folder, given.device, sources)
                wall[base].append(once[0])
                processor[base].append(once[1])
            for name, way in found.items():
                pairs = plan_outputs([root / "in"], root / name, ".png", overwrite=True)
                began, worked = time.perf_counter(), time.process_time()
                way(pairs[:2] if turn == 0 else pairs)  # the first warms up
                if turn:
                    wall[name].append((time.perf_counter() - began) / len(pairs))
                    processor[name].append((time.process_time() - worked) / len(pairs))
        rows = [
            {
                "way": name,
                "images_per_second": 1 / min(wall[name]),
                "wall": min(wall[base]) / min(wall[name]),
                "processor": min(processor[base]) / min(processor[name]),
                "levels": levels(root / base, root / name),
            }
            for name in wall
        ]
    print(f"{'':20}{'images/s':>10}{'x wall':>9}{'x CPU':>9}{'mean levels off':>17}")
    for row in rows:
        print(
            f"{row['way']:20}{row['images_per_second']:10.2f}{row['wall']:9.2f}"
            f"{row['processor']:9.2f}{row['levels']:17.3f}"
        )
    print(json.dumps({"machine": describe(torch.device(given.device)), "rows": rows}))


def levels(first: Path, second: Path) -> float:
    """Mean difference of the pictures in two folders, in levels of 255."""
    errors = [
        np.abs(decode(path).pixels.astype(int) - decode(second / path.name).pixels).mean()
        for path in first.iterdir()
    ]
    return float(np.mean(errors))


if __name__ == "__main__":
    main()
