"""A request's body, read within limits and out of a form where it is one; the reply's format and name."""

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
from hwan.errors import require
from hwan.serve.limits import Limits
from hwan.serve.models import MEDIA, formats
from hwan.serve.refusals import Refused

T = TypeVar("T")
RAW = ("application/octet-stream", "application/x-npy")


async def read_body(request: Request, limits: Limits) -> bytes:
    """The whole body.

    Raises ``Refused``: 413 at its declared or its actual length, before the rest is read, and 408
    where it does not arrive in time.
    """

    def bounded(size: int) -> None:
        if size > limits.bytes:
            expected = f"a request of at most {limits.bytes} bytes"
            fix = "send a smaller file, or start the server with a larger --limits.bytes"
            raise Refused(413, expected, f"{size} bytes or more", fix)

    async def read() -> bytes:
        body = bytearray()
        async for part in request.stream():
            body += part
            bounded(len(body))
        return bytes(body)

    declared = request.headers.get("content-length", "")
    bounded(int(declared) if declared.isdecimal() else 0)
    try:
        return await asyncio.wait_for(read(), limits.upload_s)
    except asyncio.TimeoutError:
        expected = f"a request that arrives within {limits.upload_s:g} s"
        fix = "send it faster, or start the server with a larger --limits.upload-s"
        raise Refused(408, expected, "part of one", fix) from None


async def unpack(request: Request, body: bytes) -> tuple[bytes, str]:
    """The bytes of the image file and its name ("" where there is none). The body is the file itself, or a
    form that holds it.

    Raises ``Refused`` (415) for another type of body, and ``UsageError`` for a form that does not hold
    exactly one file.
    """
    media = request.headers.get("content-type", RAW[0]).split(";")[0].strip().lower()
    if media.startswith("image/") or media in RAW:
        return body, ""
    if media != "multipart/form-data":
        expected = "an image (image/..., application/octet-stream) or a form (multipart/form-data)"
        fix = "send the file itself: curl --data-binary @FILE -H 'Content-Type: image/png'"
        raise Refused(415, expected, media, fix)

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        parser = MultiPartParser(request.headers, stream(), max_files=1, max_fields=8)
        parser.spool_max_size = len(body) + 1  # it is in memory already
        files = [f for f in (await parser.parse()).values() if isinstance(f, UploadFile)]
        found = f"a form with {len(files)} files"
    except (MultiPartException, KeyError, ValueError) as error:
        files, found = [], str(error) or "a broken form"
    expected = "a form (multipart/form-data) with one file"
    require(len(files) == 1, expected, found, "let a library or curl -F image=@FILE make it")
    return await files[0].read(), files[0].filename or ""


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` gives. Should the client leave meanwhile, ``work`` is cancelled and
    ``ClientDisconnect`` raised.

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


def reply_suffix(wanted: str, accept: str, pixel_format: PixelFormat) -> str:
    """The suffix that ``?format=`` names (``wanted``); else that of the first media type in the header
    ``accept`` that the model writes. Of image/* and */* that is the model's own format. Weights (q=)
    are not read.

    Raises ``UsageError`` for an unknown format and one that does not hold what the model writes, and
    ``Refused`` (406) where Accept names none.
    """
    known = formats(pixel_format)
    if wanted:
        suffix = "." + wanted.lower().lstrip(".").replace("jpg", "jpeg")
        fix = "give one of " + ", ".join(name.lstrip(".") for name in known)
        require(suffix in known, "a ?format= that holds what the model writes", wanted, fix)
        return suffix
    for item in accept.lower().split(","):
        media = item.split(";")[0].strip()
        for suffix in known:
            if media in (MEDIA[suffix], MEDIA[suffix].split("/")[0] + "/*", "*/*"):
                return suffix
    fix = "name one of " + ", ".join(MEDIA[suffix] for suffix in known)
    raise Refused(406, "an Accept that names a format of the model's", accept, fix)


def result_name(name: str, suffix: str) -> str:
    """A Content-Disposition for the translation of the file ``name``, any Unicode (RFC 6266)."""
    stem = PurePosixPath(name.replace("\\", "/")).stem
    stem = "".join(c for c in stem if c.isprintable())[:100].strip(". ") or "image"
    full = f"{stem}-translated{suffix}"
    plain = re.sub(r"[^\w.-]+", "_", full.encode("ascii", "ignore").decode())
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(full, safe='')}"
