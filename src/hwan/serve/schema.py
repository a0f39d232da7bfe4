"""What the OpenAPI document says beyond the code: bodies, answers and errors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

REASONS = {
    400: "Not an image, or not one that the model reads",
    401: "No token, or another one",
    404: "No such model",
    406: "The model writes no format that Accept names",
    408: "The body did not arrive in time",
    413: "Too many bytes or pixels",
    415: "A body of another type",
    429: "The queue is full; Retry-After has seconds",
    503: "Stopping, or not done in time; Retry-After has seconds",
}
BINARY = {"schema": {"type": "string", "format": "binary"}}
FORM = {"type": "object", "properties": {"image": BINARY["schema"]}, "required": ["image"]}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            **{f"image/{kind}": BINARY for kind in ("png", "jpeg", "webp", "bmp", "gif", "tiff")},
            "application/octet-stream": BINARY,
            "multipart/form-data": {"schema": FORM},
        },
    }
}


class Problem(BaseModel):
    """What was expected, what came instead, and what to do."""

    expected: str
    received: str
    fix: str


class Error(BaseModel):
    """The body of every answer from 400 on."""

    error: Problem


def errors(*codes: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's responses for ``codes``, all of one shape."""
    return {code: {"description": REASONS[code], "model": Error} for code in codes}


TRANSLATE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The translation, an image file",
        "content": {f"image/{kind}": BINARY for kind in ("png", "jpeg", "webp", "tiff")},
    },
    **errors(*REASONS),
}
