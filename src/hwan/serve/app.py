"""The HTTP interface: routes, and every error as JSON {"error": {"expected", "received", "fix"}}."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import PurePosixPath
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hwan import __version__
from hwan.errors import UsageError, nearest
from hwan.serve import schema
from hwan.serve.batcher import Batcher
from hwan.serve.body import read_body, reply_suffix, result_name, unless_gone, unpack
from hwan.serve.limits import Limits
from hwan.serve.measures import Measures
from hwan.serve.models import MEDIA, Model, Picture
from hwan.serve.probe import padded_size, probe
from hwan.serve.refusals import Refused
from hwan.web.page import page_files

log = logging.getLogger("hwan")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".jpg": "image/jpeg",
}
SAFE = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
]
"""The headers of every answer."""


def make_app(
    models: Mapping[str, Model], limits: Limits, token: str = "", lanes: int = 1
) -> FastAPI:
    """The application that serves ``models``, the first of which is the default.

    ``lanes`` batches run at once, each on a core. With a ``token``, /v1 and /metrics want it as
    "Authorization: Bearer TOKEN".
    """
    measures = Measures()
    batcher = Batcher(limits, measures, lanes)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(batcher.work()) for _ in range(batcher.lanes)]
        yield
        for task in tasks:
            task.cancel()

    app = FastAPI(
        title="hwan",
        version=__version__,
        summary="Translates images.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages load a viewer from another server
        redoc_url=None,
    )
    app.state.batcher, app.state.limits = batcher, limits

    async def allowed(request: Request) -> None:  # async, or it would cost a thread
        given = request.headers.get("authorization", "")
        if token and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            fix = "send the header Authorization: Bearer TOKEN"
            raise Refused(401, "the server's token", "another one" if given else "no token", fix)

    guarded: Any = [Depends(allowed)]

    @app.get("/v1/models", dependencies=guarded, responses=schema.errors(401), tags=["translate"])
    async def list_models() -> dict[str, Any]:
        """The models, the first of which translates where none is named; and the limits."""
        return {
            "models": [model.facts for model in models.values()],
            "limits": {"bytes": limits.bytes, "pixels": limits.pixels},
        }

    @app.post(
        "/v1/translate",
        dependencies=guarded,
        response_class=Response,
        responses=schema.TRANSLATE,
        openapi_extra=schema.BODY,
        tags=["translate"],
    )
    async def translate(
        request: Request,
        model: Annotated[str, Query(description="A name of /v1/models; else the first.")] = "",
        format: Annotated[
            str, Query(description="png, jpeg, webp, tiff or npy; else by Accept, else png.")
        ] = "",
    ) -> Response:
        """Translate one image: the body is its bytes, or a form with one file.

        It comes back in its own size. Header Server-Timing has the milliseconds spent waiting, in the
        batch, and in the network (its padding and cropping included).
        """
        name = model or next(iter(models))
        if name not in models:
            raise Refused(404, "a ?model= that /v1/models names", name, nearest(name, models))
        spec = models[name].spec
        suffix = reply_suffix(format, request.headers.get("accept", "*/*"), spec.format_out)
        with batcher.admitted():
            with batcher.uploading():
                body = await read_body(request, limits)
                data, file_name = await unpack(request, body)
                size = padded_size(probe(data, spec.channels_in), spec.generator, limits)
            work = batcher.translate(models[name], size, Picture(data, suffix))
            done = await unless_gone(request, work)
        return Response(
            done.data,
            media_type=MEDIA[suffix],
            headers={
                "Content-Disposition": result_name(file_name, suffix),
                "Cache-Control": "no-store",
                "X-Hwan-Model": name,
                "Server-Timing": f"wait;dur={done.waited * 1e3:.2f}, "
                f"batch;dur={done.worked * 1e3:.2f};desc={done.batch}, "
                f"network;dur={done.network * 1e3:.2f}",
            },
        )

    @app.get("/healthz", tags=["state"])
    async def healthy() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok"}

    @app.get("/readyz", responses=schema.errors(503), tags=["state"])
    async def ready() -> dict[str, str]:
        """Whether it takes requests: 503 while it is stopping."""
        batcher.check_open()
        return {"status": "ready"}

    @app.get("/metrics", dependencies=guarded, response_class=Response, tags=["state"])
    async def metrics() -> Response:
        """Counts and times for Prometheus."""
        return Response(measures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    files = page_files("server")

    @app.get("/{name:path}", include_in_schema=False)
    async def page(name: str) -> Response:
        name = name or "index.html"
        if name not in files:  # a look-up by name: no path reaches the disk
            raise HTTPException(404)
        media = TYPES[PurePosixPath(name).suffix]
        return Response(files[name], media_type=media, headers={"Cache-Control": "no-cache"})

    for kind in (UsageError, ClientDisconnect, HTTPException, Exception):
        app.add_exception_handler(kind, _answer)
    app.add_middleware(_Door, batcher, measures)
    return app


class _Door:
    """Counts translations, and refuses what the queue has no room for before anything is spent on it.
    (Starlette's base class for middleware costs a task and a queue a request.)"""

    def __init__(self, app: ASGIApp, batcher: Batcher, measures: Measures) -> None:
        self.app, self.batcher, self.measures = app, batcher, measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/v1/translate":
            return await self.app(scope, receive, send)
        began = time.perf_counter()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.measures.request(message["status"], time.perf_counter() - began)
            await send(message)

        app = self.app
        try:
            self.batcher.check_room()
        except Refused as refusal:
            app = _reply(refusal)
        await app(scope, receive, sent)


async def _answer(request: Request, error: Exception) -> JSONResponse:
    """``error`` as the answer to ``request``."""
    if isinstance(error, UsageError):
        return _reply(error)
    if isinstance(error, ClientDisconnect):  # nobody reads it; /metrics counts it
        return _reply(Refused(499, "a client that waits for its answer", "it left", "ask again"))
    if isinstance(error, HTTPException):
        expected, received = (
            "a path and a method that /openapi.json lists",
            f"{request.method} {request.url.path}",
        )
        refusal = Refused(error.status_code, expected, received, "see /openapi.json")
        refusal.headers |= dict(error.headers or {})
        return _reply(refusal)
    log.exception("a request failed", exc_info=error)
    fix = "look into the server's log"
    return _reply(Refused(500, "a translation", type(error).__name__, fix))


def _reply(refusal: UsageError) -> JSONResponse:
    received = str(refusal.received)[:500]
    error = {"expected": refusal.expected, "received": received, "fix": refusal.fix}
    if isinstance(refusal, Refused):
        return JSONResponse({"error": error}, refusal.status, refusal.headers)
    return JSONResponse({"error": error}, 400)
