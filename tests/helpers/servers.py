"""The server as a process of its own, and its answers."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest


@dataclass
class Reply:
    status: int
    headers: http.client.HTTPMessage
    data: bytes

    @property
    def error(self) -> dict[str, str]:
        found = json.loads(self.data)["error"]
        assert set(found) == {"expected", "received", "fix"}
        assert all(found.values())
        return dict(found)


@dataclass
class Running:
    process: subprocess.Popen[str]
    port: int

    def send(
        self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET" if body is None else "POST", path, body, headers or {})
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def translate(self, body: bytes, query: str = "", **headers: str) -> Reply:
        names = {"Content-Type": "application/octet-stream"}
        names |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(f"/v1/translate{query}", body, names)

    def begin(self, length: int, headers: str = "") -> socket.socket:
        """A request whose body is still to be sent."""
        link = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        head = (
            f"POST /v1/translate HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n{headers}\r\n"
        )
        link.sendall(head.encode())
        return link


@contextmanager
def running(*arguments: object, **environment: str) -> Iterator[Running]:
    command = [sys.executable, "-m", "hwan.cli.main", "serve", *map(str, arguments), "--port", "0"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        if not line:
            pytest.fail(process.stderr.read())
        yield Running(process, int(re.findall(r":(\d+)/", line)[0]))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, channels)).astype(np.uint8)


def close(got: np.ndarray, expected: np.ndarray) -> bool:
    """Equal, but for a level where ONNX Runtime and PyTorch round to different sides."""
    assert got.shape == expected.shape
    assert expected.std() > 5  # a blank picture would prove nothing
    difference = np.abs(got.astype(int) - expected.astype(int))
    return bool(difference.max() <= 1 and difference.mean() < 0.01)
