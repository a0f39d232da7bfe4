"""Files: written whole or not at all, JSON, CSV, and the folder of hwan's caches."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hwan.errors import UsageError


@contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path``, with its suffix; renamed to ``path`` unless the block raises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` under a temporary name, flush it to the disk, then rename it to ``path``."""
    with part_of(path) as part, part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all. JSON has no nan and no infinity: both become
    null."""
    finite = json.loads(json.dumps(value), parse_constant=lambda name: None)
    text = json.dumps(finite, indent=2, ensure_ascii=False)
    write_atomic(path, (text + "\n").encode())


def read_json(path: Path) -> Any:
    """The JSON in ``path``. Raises ``UsageError`` if the file is missing, unreadable or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"a file at {path}", "no such file", "check the path") from None
    except OSError as error:  # a folder of that name, a file in place of a folder, no permission
        raise UsageError(f"a readable file at {path}", error.strerror, "check the path") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"JSON in {path}", error, "correct the file, or restore it") from error


def digest(value: Any) -> str:
    """A hash of ``value``, which JSON can hold; the order of a dictionary's names does not count."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write ``rows`` as CSV, whole or not at all."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    write_atomic(path, text.getvalue().encode())


def cache_root() -> Path:
    """Where hwan keeps what it can make again: ``$HWAN_CACHE``, else ``hwan`` in the user's cache folder."""
    if chosen := os.environ.get("HWAN_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hwan"
