"""Files are written whole or not at all; what cannot be read is named."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from hwan.errors import UsageError
from hwan.files import cache_root, part_of, read_json, write_atomic, write_csv, write_json


def test_a_failed_write_leaves_the_file_before(tmp_path: Path) -> None:
    file = tmp_path / "new" / "x.txt"
    write_atomic(file, b"one")

    def fail() -> None:
        with part_of(file) as part:
            part.write_bytes(b"tw")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert file.read_bytes() == b"one"
    assert list(file.parent.iterdir()) == [file]


def test_json_comes_back_and_numbers_that_it_has_not_become_null(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    write_json(file, {"a": [1.5, math.nan, (math.inf, "ä")], "b": {"c": None}})
    assert read_json(file) == {"a": [1.5, None, [None, "ä"]], "b": {"c": None}}
    assert "ä" in file.read_text(encoding="utf-8")
    json.loads(file.read_text(encoding="utf-8"), parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "a file at .*x.json\n  received: no such file"),
        (b"{", "JSON in .*x.json\n  received: .*line 1"),
        (b"\xff\xfe\x00", "JSON in .*x.json"),
    ],
)
def test_what_is_no_json_is_refused(content: bytes | None, expected: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(UsageError, match=expected):
        read_json(tmp_path / "x.json")
    with pytest.raises(UsageError, match="a readable file at"):
        read_json(tmp_path)


def test_csv_quotes_what_needs_it(tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", [("a", 'b, "c"'), (1, 2.5)])
    assert (tmp_path / "x.csv").read_text().splitlines() == ['a,"b, ""c"""', "1,2.5"]


def test_the_cache_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWAN_CACHE", str(tmp_path / "own"))
    assert cache_root() == tmp_path / "own"
    monkeypatch.delenv("HWAN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "hwan"
