"""The HTTP interface: routes, and every error as JSON {"error": {"rule", "received", "fix"}}."""

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
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hwan import __version__
from hwan.errors import UsageError, nearest
from hwan.serve import schema
from hwan.serve.batcher import Batcher, Busy
from hwan.serve.body import (
    Refused,
    accepted_suffix,
    asked_suffix,
    read_body,
    result_name,
    unless_gone,
    unpack,
)
from hwan.serve.limits import Limits
from hwan.serve.measures import Measures
from hwan.serve.models import Model, Picture
from hwan.serve.probe import TooLarge, check_pixels, padded_size, probe
from hwan.web.page import page_files

log = logging.getLogger("hwan")
MEDIA = {
    ".png": "image/png",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".tiff": "image/tiff",
    ".npy": "application/x-npy",
}
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".jpg": "image/jpeg",
}
SAFE = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


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
        lanes = [asyncio.create_task(batcher.work()) for _ in range(batcher.lanes)]
        yield
        for lane in lanes:
            lane.cancel()

    app = FastAPI(
        title="hwan",
        version=__version__,
        summary="Translates images.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's load a viewer from elsewhere; schema.page needs nothing
        redoc_url=None,
    )
    app.state.batcher, app.state.limits = batcher, limits

    async def allowed(request: Request) -> None:  # async, or it would cost a thread
        given = request.headers.get("authorization", "")
        if token and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise Refused(
                401,
                "this server wants its token",
                "no token" if not given else "another one",
                "send the header Authorization: Bearer TOKEN",
            )

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
        batch, and in the network.
        """
        chosen = _choose(models, model)
        kind = chosen.spec.format_out
        suffix = (
            asked_suffix(format, kind)
            if format
            else accepted_suffix(request.headers.get("accept", "*/*"), kind)
        )
        with batcher.admitted():
            with batcher.uploading():
                body = await read_body(request, limits)
                data, name = await unpack(request, body)
                size = probe(data, chosen.spec.channels_in)
                padded = padded_size(size, chosen.spec.generator)
                check_pixels(size, padded, limits)
            picture = Picture(data, suffix)
            done = await unless_gone(request, batcher.translate(chosen, padded, picture))
        return Response(
            done.data,
            media_type=MEDIA[suffix],
            headers={
                "Content-Disposition": result_name(name, suffix),
                "Cache-Control": "no-store",
                "X-Hwan-Model": chosen.name,
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
        if batcher.draining:
            raise Busy(503, "the server is stopping", 5)
        return {"status": "ready"}

    @app.get("/metrics", dependencies=guarded, response_class=Response, tags=["state"])
    async def metrics() -> Response:
        """Counts and times for Prometheus."""
        return Response(measures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    _add_errors(app)
    _add_pages(app)

    app.add_middleware(_Door, batcher, measures)
    return app


class _Door:
    """Counts translations, puts the headers on every answer, and turns away what is too much before
    anything is spent on it. (Starlette's base class for this costs a task and a queue a request.)"""

    def __init__(self, app: ASGIApp, batcher: Batcher, measures: Measures) -> None:
        self.app, self.batcher, self.measures = app, batcher, measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began = time.perf_counter()
        translates = scope["path"] == "/v1/translate"

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *SAFE]
                if translates:
                    self.measures.request(message["status"], time.perf_counter() - began)
            await send(message)

        refusal = self.batcher.refusal() if translates else None
        app = self.app if refusal is None else _busy(refusal)
        return await app(scope, receive, sent)


def _choose(models: Mapping[str, Model], name: str) -> Model:
    if not name:
        return next(iter(models.values()))
    if name not in models:
        raise Refused(404, "?model= names one of the models", name, nearest(name, models))
    return models[name]


def _add_pages(app: FastAPI) -> None:
    files = page_files("server")

    @app.get("/{name:path}", include_in_schema=False)
    async def page(name: str) -> Response:
        if name == "docs":
            return Response(schema.page(app.openapi()), headers=schema.PAGE_HEADERS)
        name = name or "index.html"
        if name not in files:  # a look-up by name: no path reaches the disk
            raise HTTPException(404)
        media = TYPES[PurePosixPath(name).suffix]
        return Response(files[name], media_type=media, headers={"Cache-Control": "no-cache"})


def _answer(
    status: int, rule: str, received: object, fix: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    error = {"rule": rule, "received": str(received)[:500], "fix": fix}
    return JSONResponse({"error": error}, status, headers)


def _busy(error: Busy) -> JSONResponse:
    rule, fix = "the server takes what it can do in time", f"try again in {error.after} s"
    return _answer(error.status, rule, error.reason, fix, {"Retry-After": str(error.after)})


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(UsageError)
    async def usage(_: Request, error: UsageError) -> JSONResponse:
        status = error.status if isinstance(error, Refused) else 400
        status = 413 if isinstance(error, TooLarge) else status
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
        if status in (408, 413):  # what was still to come is not read
            headers["Connection"] = "close"
        return _answer(status, error.expected, error.received, error.fix, headers)

    @app.exception_handler(Busy)
    async def busy(_: Request, error: Busy) -> JSONResponse:
        return _busy(error)

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, error: ClientDisconnect) -> JSONResponse:
        return _answer(499, "a client waits for its answer", "it left", "ask again")  # for metrics

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        received = f"{request.method} {request.url.path}"
        rule = "a request is one of those that /docs lists"
        return _answer(error.status_code, rule, received, "see /docs", dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return _answer(400, f"{first['loc'][-1]}: {first['msg']}", first.get("input"), "see /docs")

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> JSONResponse:
        log.exception("a request failed", exc_info=error)
        return _answer(500, "the server works", type(error).__name__, "look into the server's log")
