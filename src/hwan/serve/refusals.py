"""Requests that the server refuses, each with its HTTP status."""

from __future__ import annotations

import math

from hwan.errors import UsageError

HEADERS = {
    401: {"WWW-Authenticate": "Bearer"},
    408: {"Connection": "close"},  # the rest of the body is not read
    413: {"Connection": "close"},  # more bytes or pixels than the server takes
}


class Refused(UsageError):
    """A refused request. With ``after``, the client may try again in so many seconds."""

    def __init__(
        self, status: int, expected: str, received: object, fix: str, after: int = 0
    ) -> None:
        super().__init__(expected, received, fix)
        self.status, self.after = status, after
        self.headers = {"Retry-After": str(after)} if after else dict(HEADERS.get(status, {}))


def busy(status: int, reason: str, seconds: float) -> Refused:
    """429 for a full queue, 503 for a server that is stopping or late: try again in ``seconds``."""
    after = min(600, max(1, math.ceil(seconds)))
    expected, fix = "a request that the server has room and time for", f"try again in {after} s"
    return Refused(status, expected, reason, fix, after)
