"""The server's speed, its batching, and what overload does to it; over loopback only.

    python -m bench.serve RUN [--seconds 6] [--overload 60] [--json FILE]

Starts `hwan serve RUN` as a process of its own, three times (one thread and one by one; one by one;
batching), and stops each. Prints a table; --json writes the same figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hwan.imaging.pixels import encode

SIDE, CLIENTS, CONNECTIONS = 64, 16, 200
CONFIGURATIONS = {
    "one by one, one thread": ["--limits.batch", "1", "--threads", "1"],
    "one by one": ["--limits.batch", "1"],
    "batching": [],
}
BARE = """
import json, statistics, sys, time
from pathlib import Path
import torch
from hwan.serve.models import find_models, load_model
name, folder = next(iter(find_models([Path(sys.argv[1])]).items()))
model = load_model(name, folder, "cpu", int(sys.argv[2]))
x = torch.rand(1, model.spec.channels_in, 64, 64) * 2 - 1
times = []
for _ in range(int(sys.argv[3])):
    began = time.perf_counter()
    model.translator.tensor(x)
    times.append(time.perf_counter() - began)
print(json.dumps(times[20:]))
"""


@contextmanager
def server(run: Path, options: list[str]) -> Iterator[tuple[int, int]]:
    """A running server's port and process."""
    command = [sys.executable, "-m", "hwan.cli.main", "serve", str(run), "--port", "0", *options]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                log.seek(0)
                sys.exit(log.read().decode())
            yield int(line.split("/")[2].split(":")[1]), process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            if process.wait(60):
                sys.exit(f"the server ended with {process.returncode}")


class Client:
    """A kept connection that posts one picture."""

    def __init__(self, port: int, body: bytes) -> None:
        head = (
            f"POST /v1/translate HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: image/png\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self.port, self.request = port, head.encode() + body
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self) -> int:
        """The status; 0 where the connection failed."""
        try:
            if self.streams is None:
                self.streams = await asyncio.open_connection("127.0.0.1", self.port)
            reader, writer = self.streams
            writer.write(self.request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
            if b"connection: close" in head:
                self.close()
            return int(head[9:12])
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0

    def close(self) -> None:
        if self.streams is not None:
            self.streams[1].close()
        self.streams = None


async def closed_loop(
    port: int, body: bytes, clients: int, seconds: float
) -> tuple[Counter[int], list[float]]:
    """Each client posts again once it is answered: statuses, and the latencies of the 200s."""
    codes, latencies = Counter[int](), list[float]()
    until = time.perf_counter() + seconds

    async def one() -> None:
        client = Client(port, body)
        while (began := time.perf_counter()) < until:
            code = await client.post()
            codes[code] += 1
            if code == 200:
                latencies.append(time.perf_counter() - began)
        client.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    return codes, latencies


async def overload(port: int, pid: int, body: bytes, rate: float, seconds: float) -> dict[str, Any]:
    """``rate`` requests a second, spread over many connections; then how soon all is as before."""
    codes, memory, latencies = Counter[int](), list[float](), list[float]()
    began = time.perf_counter()
    until = began + seconds

    async def one(index: int) -> None:
        client, step = Client(port, body), CONNECTIONS / rate
        due = began + index / rate
        while due < until:
            await asyncio.sleep(due - time.perf_counter())
            sent = time.perf_counter()
            code = await client.post()
            codes[code] += 1
            if code == 200:
                latencies.append(time.perf_counter() - sent)
            due = max(due + step, time.perf_counter())  # a late connection does not catch up
        client.close()

    async def watch() -> None:
        while time.perf_counter() < until:
            memory.append(resident(pid))
            await asyncio.sleep(1)

    await asyncio.gather(watch(), *(one(index) for index in range(CONNECTIONS)))
    took = time.perf_counter() - began
    ended, client = time.perf_counter(), Client(port, body)
    while True:  # until a request is served as on an idle server
        sent = time.perf_counter()
        code = await client.post()
        if code == 200 and time.perf_counter() - sent < 0.05:
            break
        if time.perf_counter() - ended > 60:
            break
        await asyncio.sleep(0.02)
    client.close()
    tenth = max(1, len(memory) // 10)
    return {
        "asked_per_s": round(rate),
        "answered_per_s": round(sum(codes.values()) / took),
        "translated_per_s": round(codes[200] / took),
        "codes": {str(code): count for code, count in sorted(codes.items())},
        "latency_ms_p50_of_200": round(1e3 * statistics.median(latencies), 1),
        "memory_mb_first_tenth": round(statistics.mean(memory[tenth : 2 * tenth]), 1),
        "memory_mb_last_tenth": round(statistics.mean(memory[-tenth:]), 1),
        "memory_mb_after": round(resident(pid), 1),
        "recovery_s": round(time.perf_counter() - ended, 2),
    }


def resident(pid: int) -> float:
    """Resident memory, MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bare(run: Path, threads: int, times: int = 320) -> float:
    """Median milliseconds of the network alone on one picture, in a process of its own."""
    command = [sys.executable, "-c", BARE, str(run), str(threads), str(times)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(1e3 * statistics.median(json.loads(out)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--overload", type=float, default=60)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    body = encode(rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8), ".png")
    cores = len(os.sched_getaffinity(0))
    found: dict[str, Any] = {"cores": cores, "side": SIDE, "load": os.getloadavg()[0]}
    found["bare_ms"] = [bare(given.run, cores)]
    speeds: dict[str, list[float]] = {name: [] for name in CONFIGURATIONS}
    for _ in range(given.rounds):
        for name, options in CONFIGURATIONS.items():
            with server(given.run, options) as (port, pid):
                asyncio.run(closed_loop(port, body, CLIENTS, 1))  # warm
                before = cpu_seconds(pid)
                codes, _ = asyncio.run(closed_loop(port, body, CLIENTS, given.seconds))
                assert set(codes) == {200}, codes
                speeds[name].append(codes[200] / given.seconds)
                found.setdefault("cpu_ms_per_image", {})[name] = (
                    1e3 * (cpu_seconds(pid) - before) / codes[200]
                )
    found["images_per_s"] = {name: max(values) for name, values in speeds.items()}
    found["images_per_s_rounds"] = speeds
    one = max(speed for name, speed in found["images_per_s"].items() if name != "batching")
    found["batching_gain"] = found["images_per_s"]["batching"] / one
    with server(given.run, []) as (port, pid):
        asyncio.run(closed_loop(port, body, 1, 1))
        _, alone = asyncio.run(closed_loop(port, body, 1, given.seconds / 2))
        found["alone_ms_p50"] = 1e3 * statistics.median(alone)
        found["alone_ms_p99"] = 1e3 * sorted(alone)[int(0.99 * len(alone))]
        found["bare_ms"].append(bare(given.run, cores))
        found["added_ms_p50"] = found["alone_ms_p50"] - statistics.mean(found["bare_ms"])
        if given.overload:
            rate = 10 * found["images_per_s"]["batching"]
            found["overload"] = asyncio.run(overload(port, pid, body, rate, given.overload))
    show(found)
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")


def show(found: dict[str, Any]) -> None:
    """One table."""
    print(f"{found['cores']} cores, load {found['load']:.1f} at the start, {SIDE}x{SIDE}, PNG")
    for name, speed in found["images_per_s"].items():
        rounds = ", ".join(f"{value:.0f}" for value in found["images_per_s_rounds"][name])
        cpu = found["cpu_ms_per_image"][name]
        print(
            f"  {name:28}{speed:7.0f} images/s at {CLIENTS} clients  (rounds {rounds}; the server's "
            f"processor time {cpu:.2f} ms an image)"
        )
    print(f"  {'batching / best one by one':28}{found['batching_gain']:7.2f}")
    bares = ", ".join(f"{value:.2f}" for value in found["bare_ms"])
    print(f"  {'network alone':28}{statistics.mean(found['bare_ms']):7.2f} ms p50  ({bares})")
    print(
        f"  {'request, one client':28}{found['alone_ms_p50']:7.2f} ms p50, {found['alone_ms_p99']:.2f} p99"
    )
    print(f"  {'added':28}{found['added_ms_p50']:7.2f} ms p50")
    for name, value in found.get("overload", {}).items():
        print(f"  overload: {name:28}{value}")


if __name__ == "__main__":
    main()
