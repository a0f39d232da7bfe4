"""What the server takes: bytes, pixels and time. Imports nothing heavy: the command's help shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from hwan.errors import Bound, Count, Weight, check_options


@dataclass(frozen=True)
class Limits:
    """The server's bounds; beyond them it answers 413, 429 or 503 and goes on."""

    bytes: Count = 16 * 2**20
    """The greatest request body."""
    pixels: Count = 2**22
    """The most pixels of an image, and of all the images of a batch, once padded: bounds the memory."""
    queue: Count = 64
    """Requests inside at a time: being uploaded, waiting, or in the model. The next gets 429."""
    batch: Count = 16
    """The most images translated at once; 1 translates them one by one."""
    wait_ms: Weight = 2.0
    """How long a batch waits for images that are still being uploaded, in milliseconds."""
    upload_s: Annotated[float, Bound(least=0.001)] = 20.0
    """Seconds in which a request has to arrive whole."""
    timeout_s: Annotated[float, Bound(least=0.001)] = 120.0
    """Seconds after which a request that is waiting or in the model is answered 503."""

    def __post_init__(self) -> None:
        check_options("limits", self)
