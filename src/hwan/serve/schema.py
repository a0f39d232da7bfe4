"""What the OpenAPI document says beyond the code, and a page that shows it without any script."""

from __future__ import annotations

from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined

REASONS = {
    400: "Not an image, or not one that the model reads",
    401: "No token, or another",
    404: "No such model",
    406: "No accepted format holds the translation",
    408: "The body did not arrive in time",
    413: "Too many bytes or pixels",
    415: "A body of another type",
    429: "The queue is full; Retry-After has seconds",
    503: "Stopping, or not done in time; Retry-After has seconds",
}
ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("rule", "received", "fix")},
        }
    },
}
BINARY = {"schema": {"type": "string", "format": "binary"}}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            **{f"image/{kind}": BINARY for kind in ("png", "jpeg", "webp", "bmp", "gif", "tiff")},
            "application/octet-stream": BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"image": BINARY["schema"]},
                    "required": ["image"],
                }
            },
        },
    }
}


def errors(*codes: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's responses for ``codes``, all of one shape."""
    content = {"application/json": {"schema": ERROR}}
    return {code: {"description": REASONS[code], "content": content} for code in codes}


TRANSLATE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The translation, an image file",
        "content": {f"image/{kind}": BINARY for kind in ("png", "jpeg", "webp", "tiff")},
    },
    **errors(*REASONS),
}
PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'",
}


def page(document: dict[str, Any]) -> str:
    """The OpenAPI ``document`` as HTML."""
    source = resources.files("hwan.serve").joinpath("docs.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(source).render(api=document)
