"""The process: it loads the models and runs uvicorn until SIGTERM or Ctrl-C, then finishes what was begun."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hwan.errors import UsageError, require
from hwan.serve.app import SAFE, make_app
from hwan.serve.limits import Limits
from hwan.serve.models import find_models, load_model, warm

TOKEN = "HWAN_TOKEN"


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which waits for ever for the rest of a request's head, with a time limit."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin()

    def on_message_begin(self) -> None:
        self._begin()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
        super().on_headers_complete()

    def _begin(self) -> None:
        if self._late is None:
            seconds = self.config.app.state.limits.upload_s  # type: ignore[union-attr]
            self._late = self.loop.call_later(seconds, self.transport.close)


class _Server(uvicorn.Server):
    """Marks the queue as draining at the signal, before the sockets close."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        self.config.app.state.batcher.draining = True  # type: ignore[union-attr]
        super().handle_exit(sig, frame)


def read_token(file: Path | None) -> str:
    """The token: the first line of ``file``, else the environment's HWAN_TOKEN, else "".

    Raises ``UsageError`` for a file that is not readable or empty, and for a token that no header holds.
    """
    token = os.environ.get(TOKEN, "")
    if file is not None:
        try:
            token = next(iter(file.read_text(encoding="utf-8").splitlines()), "").strip()
        except (OSError, UnicodeDecodeError) as error:
            found = f"{file}: {error}"
            raise UsageError("a text file at --token-file", found, "check the path") from error
        require(bool(token), "a token in --token-file", f"{file}: empty", "write one into it")
    plain = token.isascii() and token.isprintable() and " " not in token
    fix = "take 32 hexadecimal digits: openssl rand -hex 16"
    require(plain, "a token of printable ASCII without spaces", "other characters", fix)
    return token


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(
    runs: Sequence[Path],
    host: str,
    port: int,
    device: str,
    threads: int,
    limits: Limits,
    token_file: Path | None,
) -> None:
    """Serve ``runs`` on ``host``:``port`` until SIGTERM or SIGINT, then finish what was begun.

    ``threads`` 0 takes every core that the process may use. Raises ``UsageError`` for an address that
    other machines reach without a token (``read_token``), and for one that is taken.
    """
    token = read_token(token_file)
    expected = "a token on a server that other machines reach"
    fix = f"set {TOKEN} (openssl rand -hex 16 makes one), give --token-file, or --host 127.0.0.1"
    require(bool(token) or is_loopback(host), expected, f"--host {host} without one", fix)
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    threads = threads or cores
    models = {}
    for name, folder in find_models(runs).items():
        models[name] = model = load_model(name, folder, device, threads)
        warm(model)
        print(f"{name}: {model.engine}", file=sys.stderr, flush=True)
    lanes = threads if all(model.lane for model in models.values()) else 1
    app = make_app(models, limits, token, lanes)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=_Protocol,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        headers=SAFE,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=round(limits.timeout_s + limits.upload_s),
        # Beyond it uvicorn itself answers 503: connections cost memory too.
        limit_concurrency=16 * limits.queue,
        backlog=1024,
    )
    try:
        socket = config.bind_socket()
    except SystemExit:  # uvicorn has logged why
        fix = "give another port; 0 takes a free one"
        raise UsageError("a free address (--host, --port)", f"{host}:{port}", fix) from None
    socket.listen(1024)  # before the line below says that clients may connect
    bound, shown = socket.getsockname()[1], f"[{host}]" if ":" in host else host
    print(f"http://{shown}:{bound}/  (interface: /openapi.json; Ctrl-C stops)", flush=True)
    # uvicorn raises the signal again when all is finished; it must not end the process with an error.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    _Server(config).run(sockets=[socket])
