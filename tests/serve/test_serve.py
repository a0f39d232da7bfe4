"""The server as a process of its own: pictures in and out, limits, refusals, signals."""

from __future__ import annotations

import http.client
import io
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pytest
from PIL import Image

from folders import generator
from hwan.cli import main as cli
from hwan.imaging.pixels import decode, encode
from hwan.inference.translate import load
from hwan.serve.body import result_name
from servers import Running, close, noise, running

BYTES, PIXELS = 300_000, 40_000


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("runs")
    generator(root / "ink" / "generator_ab")
    return {"ink-ab": root / "ink", "grey": generator(root / "grey", 1, 3)}


@pytest.fixture(scope="module")
def server(folders: dict[str, Path]) -> Iterator[Running]:
    limits = (
        f"--limits.bytes {BYTES} --limits.pixels {PIXELS} --limits.queue 24 --limits.upload-s 1"
    )
    with running(*folders.values(), *limits.split()) as found:
        yield found


def form(data: bytes, filename: str, field: str = "image") -> tuple[bytes, str]:
    head = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="{filename}"\r\n\r\n'
    return head.encode() + data + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"


def test_the_translation_is_the_translators(server: Running, folders: dict[str, Path]) -> None:
    pixels = noise(37, 53)
    expected = load(folders["ink-ab"], "cpu").array(pixels)
    reply = server.translate(encode(pixels), Content_Type="image/png")
    assert reply.status == 200, reply.data
    assert reply.headers["content-type"] == "image/png"
    assert reply.headers["x-hwan-model"] == "ink-ab"
    assert close(decode(reply.data).pixels, expected)
    data, kind = form(encode(pixels), "x.png")
    assert server.translate(data, Content_Type=kind).data == reply.data

    grey = server.translate(encode(noise(9, 200, 1)), "?model=grey")
    assert close(decode(grey.data).pixels, load(folders["grey"], "cpu").array(noise(9, 200, 1)))


def test_many_clients_at_once_each_get_their_own(server: Running, folders: dict[str, Path]) -> None:
    translator = load(folders["ink-ab"], "cpu")
    pictures = [noise(30 + k % 5, 40 + k % 3, seed=k) for k in range(20)]
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda p: server.translate(encode(p)), pictures))
    for picture, reply in zip(pictures, replies, strict=True):
        assert reply.status == 200, reply.data
        assert close(decode(reply.data).pixels, translator.array(picture))


@pytest.mark.parametrize(
    ("query", "accept", "media"),
    [
        ("", "image/jpeg", "image/jpeg"),
        ("", "text/html, image/WEBP;q=0.8, image/*;q=0.5", "image/webp"),
        ("", "image/*, image/jpeg", "image/png"),
        ("", "application/x-npy;q=0.1, image/png", "application/x-npy"),
        ("?format=webp", "image/jpeg", "image/webp"),
        ("?format=jpg", "*/*", "image/jpeg"),
        ("?format=npy", "*/*", "application/x-npy"),
    ],
)
def test_the_format_asked_for(server: Running, query: str, accept: str, media: str) -> None:
    reply = server.translate(encode(noise(16, 16)), query, Accept=accept)
    assert (reply.status, reply.headers["content-type"]) == (200, media)
    assert decode(reply.data).pixels.shape == (16, 16, 3)


def bomb() -> bytes:
    """A PNG of 60000 x 60000, all of it there once inflated, in a few hundred kilobytes at most."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", 60000, 60000, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(7501 * 6000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def saved(pixels: np.ndarray, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def lying_npy() -> bytes:
    out = io.BytesIO()
    np.save(out, np.zeros((2, 2, 3), np.uint8))
    return out.getvalue().replace(b"(2, 2, 3)", b"(9, 9, 3)")


PNG = encode(noise(16, 16))
STACK = saved(noise(8, 8), "TIFF", save_all=True, append_images=[Image.new("RGB", (8, 8))] * 9)
BAD = {
    "no bytes": (b"", {}, "", 400),
    "text": (b"hello", {}, "", 400),
    "half a picture": (encode(noise(60, 60))[:2000], {}, "", 400),
    "a bomb": (bomb(), {}, "", 413),
    "too many bytes": (b"x" * (BYTES + 1), {}, "", 413),
    "too many pixels": (encode(np.zeros((201, 200, 3), np.uint8)), {}, "", 413),
    "too many once padded": (encode(np.zeros((1, 9999, 3), np.uint8)), {}, "", 413),
    "pixels that are not there": (lying_npy(), {}, "", 400),
    "a pickle": (b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1, 1)}"
                 + b" " * 52 + b"\ncos\nsystem\n", {}, "", 400),
    "a stack of pages": (STACK, {}, "", 400),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", {}, "", 400),
    "other channels": (saved(noise(8, 8), "TIFF").replace(b"II*", b"II*"), {}, "?model=no", 404),
    "an unknown format": (PNG, {}, "?format=exe", 400),
    "a type of no picture": (PNG, {"Accept": "text/html"}, "", 406),
    "JSON": (b"{}", {"Content-Type": "application/json"}, "", 415),
    "a form without a boundary": (b"x", {"Content-Type": "multipart/form-data"}, "", 400),
    "a form of another shape": (b"--y--", {"Content-Type": "multipart/form-data; boundary=x"}, "", 400),
    "a form with a field": (form(PNG, "a.png")[0].replace(b'; filename="a.png"', b""),
                            {"Content-Type": "multipart/form-data; boundary=x"}, "", 400),
    "a form with two files": (form(PNG, "a.png")[0].replace(b"--x--\r\n", b"") + form(PNG, "b.png")[0],
                              {"Content-Type": "multipart/form-data; boundary=x"}, "", 400),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused(server: Running, name: str) -> None:
    body, headers, query, status = BAD[name]
    reply = server.send(
        f"/v1/translate{query}", body, {"Content-Type": "application/octet-stream", **headers}
    )
    assert reply.status == status, reply.data
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "Traceback" not in reply.error["received"]
    assert server.translate(PNG).status == 200


def test_a_pictures_type_is_read_from_its_bytes(server: Running) -> None:
    reply = server.translate(saved(noise(16, 16), "JPEG"), Content_Type="image/png")
    assert (reply.status, reply.headers["content-type"]) == (200, "image/png")
    assert decode(reply.data).mode == "RGB"


@pytest.mark.parametrize(
    "path",
    ["/../../etc/passwd", "/samples/..%2f..%2fapp.js", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd",
     "/samples/", "/engine.js%00.css", "/v1/nothing", "/docs"],
)  # fmt: skip
def test_no_path_reaches_a_file(server: Running, path: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as link:
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        head = link.recv(100)
    assert head.startswith(b"HTTP/1.1 404"), head


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("환 café.png", "환 café-translated.png"),
        ("../../etc/passwd", "passwd-translated.png"),
        ("C:\\pictures\\a b.tiff", "a b-translated.png"),
        ("x" * 500 + ".png", "x" * 100 + "-translated.png"),
        ("a\u202egnp.exe", "agnp-translated.png"),
        ("", "image-translated.png"),
    ],
)
def test_names_of_any_script_come_back_safe(name: str, expected: str) -> None:
    header = result_name(name, ".png")
    assert unquote(header.split("filename*=UTF-8''")[1]) == expected
    assert header.isascii()
    assert re.fullmatch(r'inline; filename="[\w.-]+"; filename\*=UTF-8\'\'[\w.%~-]+', header)


def test_a_name_of_a_form_comes_back(server: Running) -> None:
    data, kind = form(PNG, "환.png")
    reply = server.translate(data, Content_Type=kind)
    assert quote("환-translated.png") in reply.headers["content-disposition"]


def test_a_body_that_dribbles_is_cut_off(server: Running) -> None:
    began = time.perf_counter()
    with server.begin(1000) as link:
        link.settimeout(10)
        for _ in range(4):
            link.sendall(b"x")
            time.sleep(0.1)
        assert link.recv(1000).startswith(b"HTTP/1.1 408")
        while link.recv(1000):
            pass  # the rest, and then the end: the connection is closed
    assert 0.9 < time.perf_counter() - began < 8


def test_a_head_that_dribbles_is_cut_off(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as link:
        link.sendall(b"GET /healthz HTTP/1.1\r\nHost:")
        assert link.recv(100) == b""


def test_what_there_is(server: Running) -> None:
    found = json.loads(server.send("/v1/models").data)
    assert [model["name"] for model in found["models"]] == ["ink-ab", "grey"]
    assert found["models"][1]["reads"] == {"channels": 1, "depth": "8"}
    assert found["models"][0]["formats"] == [".png", ".jpeg", ".webp", ".tiff", ".npy"]
    assert found["limits"] == {"bytes": BYTES, "pixels": PIXELS}
    document = json.loads(server.send("/openapi.json").data)
    assert set(document["paths"]) == {
        "/v1/models", "/v1/translate", "/healthz", "/readyz", "/metrics"
    }  # fmt: skip
    answers = document["paths"]["/v1/translate"]["post"]["responses"]
    assert "Retry-After" in answers["429"]["description"]
    assert set(document["components"]["schemas"]["Problem"]["properties"]) == {
        "expected", "received", "fix"
    }  # fmt: skip
    missing = server.send("/docs")
    assert (missing.status, missing.error["fix"]) == (404, "see /openapi.json")


def test_metrics_count(server: Running) -> None:
    def count(code: int) -> float:
        text = server.send("/metrics").data.decode()
        found = re.findall(rf'^hwan_requests_total{{code="{code}"}} (\S+)', text, re.M)
        return float(found[0]) if found else 0.0

    before = count(200), count(400)
    server.translate(PNG)
    server.translate(b"no")
    assert (count(200), count(400)) == (before[0] + 1, before[1] + 1)
    text = server.send("/metrics").data.decode()
    for name in ("hwan_batch_images_bucket", "hwan_network_seconds_sum", "process_resident_memory"):
        assert name in text


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    time.sleep(0.05)
    return False


def test_the_token_a_full_queue_and_the_end(folders: dict[str, Path], tmp_path: Path) -> None:
    """Nothing without the token; a full queue says when to come back; what was begun is finished after
    SIGTERM, nothing new is taken, and the process ends with 0."""
    (tmp_path / "token").write_text("s3cret\n")
    limits = ("--limits.upload-s", "20", "--limits.queue", "3")
    options = ("--token-file", tmp_path / "token", *limits)
    with running(folders["grey"], *options) as server:
        bearer = {"Authorization": "Bearer s3cret"}
        for headers in ({}, {"Authorization": "Bearer no"}, {"Authorization": "s3cret"}):
            for path in ("/v1/models", "/metrics"):
                reply = server.send(path, headers=headers)
                assert reply.status == 401
                assert reply.headers["www-authenticate"] == "Bearer"
        assert server.send("/v1/translate", PNG, {}).status == 401
        assert server.send("/healthz").status == server.send("/").status == 200
        assert server.send("/v1/models", headers=bearer).status == 200

        def wait_for_inside(count: int) -> None:
            deadline = time.perf_counter() + 20
            wanted = f"hwan_requests_inside {count}.0".encode()
            while wanted not in server.send("/metrics", headers=bearer).data:
                assert time.perf_counter() < deadline

        slow = [server.begin(5, "Authorization: Bearer s3cret\r\n") for _ in range(3)]
        wait_for_inside(3)
        reply = server.send("/v1/translate", PNG, bearer)
        assert reply.status == 429
        assert int(reply.headers["retry-after"]) >= 1
        assert "3 requests are inside" in reply.error["received"]
        assert server.send("/healthz").status == server.send("/readyz").status == 200
        for stalled in slow:
            stalled.close()  # clients that leave give their places back
        wait_for_inside(0)

        picture = encode(noise(64, 64, 1))
        link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        link.putrequest("POST", "/v1/translate")
        for name, value in {**bearer, "Content-Length": str(len(picture))}.items():
            link.putheader(name, value)
        link.endheaders()
        link.send(picture[:100])
        wait_for_inside(1)
        server.process.send_signal(signal.SIGTERM)
        deadline = time.perf_counter() + 10
        while not refuses(server.port):
            assert time.perf_counter() < deadline
        link.send(picture[100:])
        answer = link.getresponse()
        assert answer.status == 200
        assert decode(answer.read()).pixels.shape == (64, 64, 3)
        link.close()
        assert server.process.wait(20) == 0
        assert server.process.stderr is not None
        assert "Traceback" not in server.process.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (["--host", "0.0.0.0"], "HWAN_TOKEN"),
        (["--host", "192.0.2.1"], "--token-file"),
        (["--token-file", "missing"], "check the path"),
        (["--limits.queue", "0"], "give a value of at least 1"),
        (["--limits.timeout-s", "-1"], "give a value of at least 0.001"),
        (["--limits.qeue", "3"], ""),
    ],
)
def test_a_start_that_is_refused(
    arguments: list[str],
    fix: str,
    folders: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HWAN_TOKEN", raising=False)
    try:
        code = cli.main(["serve", str(folders["grey"]), *arguments])
    except SystemExit as error:
        code = int(error.code or 0)
    assert code == 2
    assert fix in capsys.readouterr().err


def test_no_run_and_two_of_one_name_are_refused(
    folders: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["serve"]) == 2
    assert "name a run folder" in capsys.readouterr().err
    assert cli.main(["serve", str(folders["grey"]), str(folders["grey"])]) == 2
    assert "rename a folder" in capsys.readouterr().err


def test_a_port_that_is_taken_is_refused(folders: dict[str, Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "hwan.cli.main", "serve", str(folders["grey"])]
        command += ["--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "give another port" in done.stderr


def test_serving_loads_no_training() -> None:
    code = "import sys, hwan.serve.server; print([m for m in sys.modules if m.startswith('hwan.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for part in ("training", "methods", "evaluation", "data"):
        assert f"hwan.{part}" not in done.stdout
