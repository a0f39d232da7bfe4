"""Configurations as JSON: every key and value of a file is checked when it is read."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from hwan.config.config import Config
from hwan.config.renamed import with_new_names
from hwan.errors import UsageError, nearest, require
from hwan.files import read_json, write_json

C = TypeVar("C")


def to_dict(config: Any) -> dict[str, Any]:
    """A dataclass as plain JSON values: lists, not tuples."""
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return values


def from_dict(cls: type[C], values: Any, where: str) -> C:
    """A dataclass from plain JSON values, every name and type checked.

    ``where`` names the source in errors. Raises ``UsageError`` with the nearest right name for a
    wrong key, and the rule for a wrong value.
    """
    from pydantic import TypeAdapter, ValidationError

    values = with_new_names(values, where)
    _check_keys(cls, values, where, "")
    try:
        return TypeAdapter(cls).validate_python(values, strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        received = f"{first['input']} ({first['msg']})"
        raise UsageError(f"a valid {key} in {where}", received, "correct the value") from error


def _check_keys(cls: Any, values: Any, where: str, prefix: str) -> None:
    known, kinds = [f.name for f in dataclasses.fields(cls)], get_type_hints(cls)
    place = f"as {prefix.rstrip('.')} in {where}" if prefix else f"in {where}"
    fix = "write {} for the defaults"
    require(isinstance(values, dict), f"a JSON object {place}", values, fix)
    for key, value in values.items():
        expected, fix = f"names of options as keys in {where}", nearest(str(key), known)
        require(key in known, expected, f"{prefix}{key}", fix)
        if dataclasses.is_dataclass(kinds[key]):
            _check_keys(kinds[key], value, where, f"{prefix}{key}.")


def save(config: Config, path: Path) -> None:
    """Write ``config`` as JSON."""
    write_json(path, to_dict(config))


def load(path: Path) -> Config:
    """Read what ``save`` wrote. Raises ``UsageError`` if it is missing, not JSON, or breaks a rule."""
    values = read_json(path)
    of_generator = isinstance(values, dict) and "format" in values
    received = f"{path}, the config.json of a generator folder"
    fix = "name the run folder that it came from: the --out of its training"
    require(not of_generator, "the config.json of a training", received, fix)
    return from_dict(Config, values, str(path))
