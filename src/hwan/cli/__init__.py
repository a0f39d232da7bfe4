"""What each command does: options in, calls, text out. torch is imported inside, so help is light."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import tyro

O = TypeVar("O")  # noqa: E741
Direction = Literal["ab", "ba"]
ASK = ("-h", "--help")


def parse(kind: type[O], verb: str, args: list[str], default: Any = None) -> O:
    """``args`` as the dataclass ``kind``; help and errors come from its fields and their texts."""
    parsed: O = tyro.cli(kind, prog=f"hwan {verb}", args=args, default=default)
    return parsed
