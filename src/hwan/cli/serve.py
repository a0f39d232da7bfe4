"""serve."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import Positional

from hwan.cli.options import parse
from hwan.errors import require
from hwan.serve.limits import Limits


@dataclass(frozen=True)
class Serve:
    """Serve generators over HTTP, with a page for people; docs/guide/serve.md says more."""

    runs: Positional[tuple[Path, ...]]
    """Run folders (every generator that they have) and generator folders; the first is the default."""
    host: str = "127.0.0.1"
    """The address to listen at. One that other machines reach needs a token: the environment's
    HWAN_TOKEN, or --token-file."""
    port: int = 8000
    """The port; 0 takes a free one."""
    token_file: Path | None = None
    """A file whose first line clients must send as Authorization: Bearer LINE."""
    device: str = "cpu"
    """cpu (ONNX Runtime), cuda or mps (PyTorch), or auto."""
    threads: int = 0
    """Threads of the network on a CPU; 0: every core that the process may use."""
    limits: Limits = field(default_factory=Limits)


def serve(args: list[str]) -> int:
    given = parse(Serve, "serve", args)
    from hwan.runtime import need

    for module in ("fastapi", "uvicorn", "httptools", "prometheus_client", "python_multipart"):
        need(module, "serve", "the server")
    from hwan.serve import server

    require(bool(given.runs), "a run to serve", "no RUN", "name a run folder")
    server.serve(**vars(given))
    return 0
