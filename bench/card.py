"""All that has to be measured on a GPU, in one run: correct first, then the other benches, then a training.

    python -m bench.card --data horse2zebra --reference DIR --out DIR [--minutes 9 --parts correct step ...]

Every part is a process of its own with a limit, and leaves its text in --out; what is left of --minutes
goes to a real training, which is stopped then and leaves its last samples, report and generators. Nothing is
lost when a part fails or the time ends. What a part is cut off at depends on the card: give the others in a
second call.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from bench.common import interleaved, machine
from bench.step import VARIANTS
from hwan.config import Config
from hwan.config.recipes import cyclegan
from hwan.config.speed import PLAIN
from hwan.runtime import pick_device
from hwan.training.estimate import noise_batches
from hwan.training.loop import choose_step
from hwan.training.plan import settled
from hwan.training.state import Training

STEPS = 8
CHECKED = ("batched, fused", "default", "recorded", "bf16, default", "bf16, recorded", "fp16, default",
           "bf16, compiled", "bf16, compiled, recorded")  # fmt: skip


def curve(config: Config, device: torch.device) -> list[dict[str, float]]:
    """Losses of some steps. Once a step is recorded nothing may wait for the card."""
    torch.manual_seed(1)
    batches = [
        [x.mapped(torch.Tensor.pin_memory) for x in noise_batches(config)] for _ in range(STEPS)
    ]
    training = Training(config, device)
    training.method.train()
    take, found = choose_step(training), []
    try:
        for n, micro in enumerate(batches):
            torch.cuda.set_sync_debug_mode("error" if n > 4 else "default")
            found.append(take(micro, 2e-4))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return [
        {name: float(value) for group in losses.values() for name, value in group.items()}
        for losses in found
    ]


def correct(size: int, device: torch.device) -> Iterator[str]:
    """How far each variant's losses are from the plain step's, at most. Rounding grows from step to step."""
    base = cyclegan(size)
    plain = curve(dataclasses.replace(settled(base, "fp32"), speed=PLAIN), device)
    yield f"{machine(device)}\nlargest relative difference of a loss from the plain fp32 step's"
    yield f"{'':28}{'step 1':>10}{'2 steps':>10}{'5 steps':>10}"
    for name in CHECKED:
        precision, speed = VARIANTS[name]
        try:
            found = curve(dataclasses.replace(settled(base, precision), speed=speed), device)  # type: ignore[arg-type]
        except Exception as error:  # the others are still to be known
            yield f"{name:28}{type(error).__name__}: {str(error)[:200]}"
            continue
        off = [max(abs(a[k] / b[k] - 1) for k in b) for a, b in zip(found, plain, strict=True)]
        yield f"{name:28}{off[0]:10.1e}{max(off[:2]):10.1e}{max(off[:5]):10.1e}"
    big = torch.empty(1 << 28, dtype=torch.uint8, device=device)
    target = torch.empty_like(big)
    seconds = interleaved({"copy": lambda: target.copy_(big)}, 5, 5, device)["copy"].median
    yield f"a copy of 256 MiB: {2 * big.nbytes / seconds / 1e9:.0f} GB/s, read and written"


def profile(size: int, device: torch.device) -> str:
    """Which kernels the time of five default steps goes to."""
    config = cyclegan(size)
    take, micro = choose_step(Training(config, device)), noise_batches(config)
    for _ in range(5):
        take(micro, 1e-4)
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as found:
        for _ in range(5):
            take(micro, 1e-4)
    return str(found.key_averages().table("self_cuda_time_total", 20, max_name_column_width=50))


def part(name: str, command: list[str], seconds: float, out: Path) -> None:
    """Run one part, its output into a file; told to end when its time is over, killed a while later."""
    began = time.perf_counter()
    with (out / f"{name}.txt").open("w", encoding="utf-8") as file:
        run = subprocess.Popen([sys.executable, *command], stdout=file, stderr=subprocess.STDOUT)
        try:
            run.wait(max(1.0, seconds))
        except subprocess.TimeoutExpired:
            run.terminate()
            try:
                run.wait(30)
            except subprocess.TimeoutExpired:
                run.kill()
                run.wait()
    print(f"== {name}: {time.perf_counter() - began:.0f} s, exit {run.returncode}", flush=True)
    print("\n".join((out / f"{name}.txt").read_text().splitlines()[-30:]), flush=True)


def parts(given: argparse.Namespace) -> dict[str, tuple[list[str], float]]:
    """Every part's command and the seconds it may take."""
    size, out = str(given.size), given.out
    itself = [
        "-m",
        "bench.card",
        "--data",
        str(given.data),
        "--size",
        size,
        "--out",
        str(out),
        "--only",
    ]
    step = ["-m", "bench.step", "--filters", "64", "--blocks", "9", "--size", size, "--calls", "10"]
    step += ["--reference", str(given.reference)] if given.reference else []
    compiled = [name for name, (_, speed) in VARIANTS.items() if speed.compile]
    eager = [name for name in VARIANTS if name not in compiled]
    scaling = ["-m", "bench.scaling", "--sizes", size, "--batches", "1", "4", "16", "--gigabytes", "70",
               "--on", "cuda_graph"]  # fmt: skip
    memory = [
        "-m",
        "bench.memory",
        "--cases",
        "cyclegan, 256x256",
        "cyclegan, 256x256, checkpointing",
    ]
    data = ["-m", "bench.data", "--data", str(given.data), "--recipe", "cyclegan", "--sizes", size]
    run = str(out / "run")
    translate = ["-m", "bench.translate", run, str(given.data / "testA"), "--device", "cuda"]
    train = ["-m", "hwan.cli.main", "train", "cyclegan", "--data", str(given.data), "--out", run]
    switches = ["--data.size", size, *(f"--speed.{switch}" for switch in given.on)]
    return {
        "correct": ([*itself, "correct"], 120),
        "step": ([*step, "--json", str(out / "step.json"), "--variants", *eager], 90),
        "scaling": ([*scaling, "--json", str(out / "scaling.json")], 60),
        "data": (data, 60),
        "profile": ([*itself, "profile"], 40),
        "step-compiled": ([*step, "--variants", "default", *compiled], 180),
        "scaling-compiled": ([*scaling, "compile"], 180),
        "memory": (memory, 60),
        "floor": (["-m", "bench.floor", "--size", size], 30),
        "train": ([*train, *switches], 60 * given.minutes),
        "translate": ([*translate, "--count", "100"], 30),
    }


def told(run: Path) -> str:
    """How fast a training went, and how long the whole schedule would take so."""
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    rates = sorted(row["images_per_second"] for row in rows)
    if not rates:
        return "no row of a log: the training was too short"
    rate, last = rates[len(rates) // 2], rows[-1]
    return (
        f"{last['images']} of {last['total']} images at {rate:.1f} a second (median of {len(rows)} "
        f"rows): the whole schedule in {last['total'] / rate / 60:.0f} min"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--on", nargs="+", default=["cuda_graph"], help="switches of the training")
    parser.add_argument("--parts", nargs="+", help="only these")
    parser.add_argument("--only", choices=("correct", "profile"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only == "correct":
        for line in correct(given.size, pick_device("cuda")):
            print(line, flush=True)
    elif given.only == "profile":
        print(profile(given.size, pick_device("cuda")))
    else:
        end = time.perf_counter() + 60 * given.minutes
        given.out.mkdir(parents=True, exist_ok=True)
        for name, (command, seconds) in parts(given).items():
            if not given.parts or name in given.parts:
                left = end - time.perf_counter() - (40 if name == "train" else 0)
                part(name, command, min(seconds, left), given.out)
        if (given.out / "run" / "log.jsonl").exists():
            print(told(given.out / "run"))
            samples = sorted((given.out / "run" / "samples").glob("*.png"))
            shutil.copy(samples[-1], given.out / "samples.png")


if __name__ == "__main__":
    main()
