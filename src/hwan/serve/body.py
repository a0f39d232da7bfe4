"""A request's body: read within limits, out of a form where it is one; and the reply's format and name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Coroutine
from pathlib import PurePosixPath
from typing import Any, TypeVar
from urllib.parse import quote

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from hwan.config import PixelFormat
from hwan.errors import UsageError
from hwan.serve.limits import Limits
from hwan.serve.models import formats
from hwan.serve.probe import TooLarge

T = TypeVar("T")
RAW = ("application/octet-stream", "application/x-npy")
SUBTYPES = {
    "image/png": ".png",
    "image/jpeg": ".jpeg",
    "image/webp": ".webp",
    "image/tiff": ".tiff",
    "application/x-npy": ".npy",
}


class Refused(UsageError):
    """Bad usage with an HTTP status of its own."""

    def __init__(self, status: int, rule: str, received: object, fix: str) -> None:
        super().__init__(rule, received, fix)
        self.status = status


async def read_body(request: Request, limits: Limits) -> bytes:
    """The whole body. Raises ``TooLarge`` at its declared or its actual length, before the rest is
    read, and ``Refused`` (408) where it does not arrive in time."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.bytes:
        raise _too_long(declared, limits)

    async def whole() -> bytes:
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > limits.bytes:
                raise _too_long(f"more than {limits.bytes}", limits)
            parts.append(part)
        return b"".join(parts)

    try:
        return await asyncio.wait_for(whole(), limits.upload_s)
    except asyncio.TimeoutError:
        raise Refused(
            408,
            f"a request arrives within {limits.upload_s:g} s",
            "part of one",
            "send it faster, or start the server with a larger --limits.upload-s",
        ) from None


def _too_long(size: str, limits: Limits) -> TooLarge:
    return TooLarge(
        f"a request has at most {limits.bytes} bytes",
        f"{size} bytes",
        "send a smaller file, or start the server with a larger --limits.bytes",
    )


async def unpack(request: Request, body: bytes) -> tuple[bytes, str]:
    """The image file's bytes and its name ("" where there is none): the body, or the form's one file.

    Raises ``Refused`` (415) for another type of body, and ``UsageError`` for a form without just one.
    """
    kind = request.headers.get("content-type", RAW[0]).split(";")[0].strip().lower()
    if kind.startswith("image/") or kind in RAW:
        return body, ""
    if kind != "multipart/form-data":
        raise Refused(
            415,
            "a body is an image (image/..., application/octet-stream) or a form (multipart/form-data)",
            kind,
            "send the file itself: curl --data-binary @FILE -H 'Content-Type: image/png'",
        )

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        parser = MultiPartParser(request.headers, stream(), max_files=1, max_fields=8)
        parser.spool_max_size = len(body) + 1  # it is in memory already
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise UsageError(
            "a form is multipart/form-data with one file",
            str(error) or "a broken form",
            "let a library or curl -F image=@FILE make it",
        ) from error
    files = [item for item in form.values() if isinstance(item, UploadFile)]
    if len(files) != 1:
        raise UsageError("a form has one file", len(files), "send it as -F image=@FILE")
    return await files[0].read(), files[0].filename or ""


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` gives, which is cancelled should the client leave meanwhile (ClientDisconnect).

    The whole body has been read: all that can still come is word that the client has left.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


def asked_suffix(name: str, pixel_format: PixelFormat) -> str:
    """The suffix that ``?format=`` asks for. Raises ``UsageError`` for an unknown format, or one that
    does not hold what the model writes."""
    suffix = "." + name.lower().lstrip(".").replace("jpg", "jpeg")
    if suffix not in formats(pixel_format):
        raise UsageError(
            "?format= is one that holds what the model writes",
            name,
            "known: " + ", ".join(known.lstrip(".") for known in formats(pixel_format)),
        )
    return suffix


def accepted_suffix(accept: str, pixel_format: PixelFormat) -> str:
    """The suffix that an Accept header likes best; of equals, the model's own format.

    Raises ``Refused`` (406) where it accepts none.
    """
    best, liking = "", 0.0
    for suffix in formats(pixel_format):
        media = next(media for media, known in SUBTYPES.items() if known == suffix)
        quality = _quality(accept, media)
        if quality > liking:
            best, liking = suffix, quality
    if not best:
        known = ", ".join(
            media for media, suffix in SUBTYPES.items() if suffix in formats(pixel_format)
        )
        raise Refused(406, "Accept names a format that the model writes", accept, f"known: {known}")
    return best


def _quality(accept: str, media: str) -> float:
    """How much an Accept header likes ``media``: the most specific range that fits decides (RFC 9110,
    12.5.1)."""
    found = (-1, 0.0)
    for item in accept.split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        ranges = ("*/*", media.split("/")[0] + "/*", media)
        if name.lower() in ranges:
            weight = 1.0
            for parameter in parameters:
                if match := re.fullmatch(r"q=([01](?:\.\d{0,3})?)", parameter):
                    weight = min(1.0, float(match[1]))
            found = max(found, (ranges.index(name.lower()), weight))
    return found[1]


def result_name(name: str, suffix: str) -> str:
    """A Content-Disposition for the translation of the file ``name``, any Unicode (RFC 6266)."""
    stem = PurePosixPath(name.replace("\\", "/")).stem
    stem = "".join(c for c in stem if c.isprintable())[:100].strip(". ") or "image"
    full = f"{stem}-translated{suffix}"
    plain = re.sub(r"[^\w.-]+", "_", full.encode("ascii", "ignore").decode())
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(full, safe='')}"
