"""What the server takes: bytes, pixels and time. Imports nothing heavy: the command's help shows it."""

from __future__ import annotations

from dataclasses import dataclass

from hwan.errors import at_least


@dataclass(frozen=True)
class Limits:
    """The server's bounds; beyond them it answers 413, 429 or 503 and goes on."""

    bytes: int = 16 * 2**20
    """The greatest request body."""
    pixels: int = 2**22
    """The most pixels of an image, and of all the images of a batch, once padded: bounds the memory."""
    queue: int = 64
    """Requests inside at a time: being uploaded, waiting, or in the model. The next gets 429."""
    batch: int = 16
    """The most images translated at once; 1 translates them one by one."""
    wait_ms: float = 2.0
    """How long a batch waits for images that are still being uploaded, in milliseconds."""
    upload_s: float = 20.0
    """Seconds in which a request has to arrive whole."""
    timeout_s: float = 120.0
    """Seconds after which a request that is waiting or in the model is answered 503."""

    def __post_init__(self) -> None:
        least = {"wait_ms": 0, "upload_s": 0.001, "timeout_s": 0.001}
        at_least("limits", self, bytes=1, pixels=1, queue=1, batch=1, **least)
