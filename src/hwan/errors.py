"""The ways hwan refuses: the caller's mistake, and work that went wrong."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from math import inf, isfinite
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints


class UsageError(Exception):
    """Bad usage or bad input (exit code 2): what was expected, what came instead, and what to do."""

    def __init__(self, expected: str, received: object, fix: str) -> None:
        super().__init__(f"expected: {expected}\n  received: {received}\n  fix: {fix}")
        self.expected, self.received, self.fix = expected, received, fix

    def __reduce__(self) -> tuple[type[UsageError], tuple[str, str, str]]:
        """So that it comes whole out of another process."""
        return UsageError, (self.expected, str(self.received), self.fix)


class OutdatedFile(FutureWarning):
    """A file of an earlier version, which is read for one release more."""


class IgnoredFile(UserWarning):
    """A file has no effect, since it does not belong to the one beside it."""


class Failure(RuntimeError):
    """Work that went wrong without the caller's mistake (exit code 1)."""


class TrainingDiverged(Failure):
    """A loss or a weight became NaN or infinite (exit code 1); the last good state is kept."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM ended a training (exit code 130); its state is saved in ``run``."""

    def __init__(self, images: int, total: int, run: Path) -> None:
        super().__init__(
            f"stopped after {images} of {total} images, everything saved.\n"
            f"go on:  hwan train {run} --resume"
        )


def require(holds: bool, expected: str, received: object, fix: str) -> None:
    """Raise ``UsageError`` unless ``holds``."""
    if not holds:
        raise UsageError(expected, received, fix)


@dataclass(frozen=True)
class Bound:
    """Declares an option's range, beside its type: ``epochs: Annotated[float, Bound(above=0)] = 200.0``."""

    least: float = -inf
    above: float = -inf
    most: float = inf
    below: float = inf

    def holds(self, value: float) -> bool:
        """Whether ``value`` is in the range."""
        return self.least <= value <= self.most and self.above < value < self.below

    def __str__(self) -> str:
        words = {"of at least": self.least, "above": self.above}
        words |= {"of at most": self.most, "below": self.below}
        return " and ".join(f"{word} {end:g}" for word, end in words.items() if isfinite(end))


Count = Annotated[int, Bound(least=1)]
Whole = Annotated[int, Bound(least=0)]
Weight = Annotated[float, Bound(least=0)]
Share = Annotated[float, Bound(least=0, below=1)]


def check_options(section: str, values: Any) -> None:
    """Check every field of a dataclass of options, a ``section`` of a configuration ("": none).

    Raises ``UsageError`` for a field that is one of a few names and has another, for one that is not
    of its type (nan and infinity are no numbers), and for one outside its ``Bound``.
    """
    for name, (kind, bound) in _declared(type(values)).items():  # type: ignore[arg-type]  # types do hash
        value, option = vars(values)[name], f"{section}.{name}" if section else name
        if get_origin(kind) is Literal:
            check_known(value, kind, f"name for {option}")
        if kind in _NUMBERS:
            words, holds = _NUMBERS[kind]
            require(holds(value), f"{words} for {option}", repr(value), f"give {words}")
        if bound:
            require(bound.holds(value), f"{option} {bound}", value, f"give a value {bound}")


_NUMBERS: dict[Any, tuple[str, Callable[[Any], bool]]] = {
    int: ("a whole number", lambda value: isinstance(value, Integral)),
    float: ("a finite number", lambda value: isinstance(value, Real) and isfinite(value)),
    bool: ("True or False", lambda value: isinstance(value, bool)),
}


@cache
def _declared(cls: type) -> dict[str, tuple[Any, Bound | None]]:
    """The type of every field, and its bound where it declares one."""
    found = {}
    for name, hint in get_type_hints(cls, include_extras=True).items():
        kind, *extras = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        found[name] = kind, next((extra for extra in extras if isinstance(extra, Bound)), None)
    return found


def check_known(value: object, kind: Any, what: str) -> None:
    """Raise ``UsageError`` unless ``value`` is one of the names of ``kind``, a Literal."""
    fix = nearest(str(value), get_args(kind))
    require(value in get_args(kind), f"a known {what}", repr(value), fix)


def nearest(name: str, known: Iterable[str]) -> str:
    """A ``fix`` line for an unknown name: the nearest known one, then all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"perhaps you meant {close[0]!r}; " if close else ""
    return f"{hint}known: {', '.join(names)}"
