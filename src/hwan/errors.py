"""The ways hwan refuses: the caller's mistake, and work that went wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints


class UsageError(Exception):
    """Bad usage or bad input (exit code 2): what was expected, what came instead, and what to do."""

    def __init__(self, expected: str, received: object, fix: str) -> None:
        super().__init__(f"expected: {expected}\n  received: {received}\n  fix: {fix}")
        self.expected, self.received, self.fix = expected, received, fix

    def __reduce__(self) -> tuple[type[UsageError], tuple[str, str, str]]:
        """So that it comes whole out of another process."""
        return UsageError, (self.expected, str(self.received), self.fix)


class Failure(RuntimeError):
    """Work that went wrong without the caller's mistake (exit code 1)."""


class TrainingDiverged(Failure):
    """A loss or a weight became NaN or infinite (exit code 1); the last good state is kept."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM ended a training (exit code 130); its state is saved in ``run``."""

    def __init__(self, images: int, total: int, run: Path) -> None:
        super().__init__(f"stopped after {images} of {total} images, everything saved.\n"
                         f"go on:  hwan train {run} --resume")  # fmt: skip


def require(holds: bool, expected: str, received: object, fix: str) -> None:
    """Raise ``UsageError`` unless ``holds``."""
    if not holds:
        raise UsageError(expected, received, fix)


def at_least(section: str, values: object, **least: float) -> None:
    """Each named field of an options section is a finite number not under its bound, and each that is one of
    a few names has one of them; else ``UsageError``."""
    known_names(f"{section}.", values)
    for name, bound in least.items():
        value = vars(values)[name]
        holds = bound <= value < float("inf")
        require(holds, f"{section}.{name} is at least {bound}", value, f"give {bound} or more")


def known_names(prefix: str, values: Any) -> None:
    """Raise ``UsageError`` for a dataclass's field that is one of a few names and has another."""
    for name, choices in _choices(type(values)).items():  # type: ignore[arg-type]  # mypy: types do hash
        value = vars(values)[name]
        require(
            value in choices,
            f"{prefix}{name} is a known name",
            repr(value),
            nearest(str(value), choices),
        )


@cache
def _choices(cls: type) -> dict[str, tuple[str, ...]]:
    hints = get_type_hints(cls)
    return {name: get_args(kind) for name, kind in hints.items() if get_origin(kind) is Literal}


def nearest(name: str, known: Iterable[str]) -> str:
    """A ``fix`` line for an unknown name: the nearest known one, then all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"perhaps you meant {close[0]!r}; " if close else ""
    return f"{hint}known: {', '.join(names)}"
