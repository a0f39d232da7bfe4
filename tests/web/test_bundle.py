"""The bundle's files, what is refused, and where onnxruntime-web comes from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from folders import generator
from hwan.cli import main as cli
from hwan.errors import UsageError
from hwan.web import runtime
from hwan.web.bundle import export_web

pytest_plugins = ["page_fixtures"]


def test_the_folder_is_small_whole_and_can_be_written_again(
    bundle: Path, folder: Path, package: Path
) -> None:
    names = sorted(str(p.relative_to(bundle)) for p in bundle.rglob("*") if p.is_file())
    assert sum((bundle / name).stat().st_size for name in names) < 15e6
    assert "ort/LICENSE.txt" in names
    facts = json.loads((bundle / "models.json").read_text())["models"][0]
    assert (facts["name"], facts["multiple"]) == ("ink, A to B", 4)
    assert facts["bytes"] == (bundle / "model.onnx").stat().st_size
    assert facts["files"]["bytes"] == (bundle / facts["files"]["wasm"]).stat().st_size
    own = [n for n in names if n.endswith((".html", ".css", ".js", ".json"))]
    assert len(own) == 9
    assert not [n for n in own if "://" in (bundle / n).read_text()]
    export_web(folder, bundle, package, [bundle / "samples"])
    assert (
        json.loads((bundle / "samples.json").read_text())["pictures"][0]["file"] == "samples/00.jpg"
    )


def test_where_the_runtime_comes_from(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HWAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(runtime.shutil, "which", lambda name: None)  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match=r"npm is not installed\n  fix: .*--runtime"):
        runtime.runtime_files()
    with pytest.raises(UsageError, match="or its dist folder, at --runtime"):
        runtime.runtime_files(tmp_path)
    (tmp_path / "dist").mkdir()
    for name in runtime.SHA256:
        (tmp_path / "dist" / name).write_bytes(b"another version")
    with pytest.raises(UsageError, match=r"another file in .*SHA-256"):
        runtime.runtime_files(tmp_path)
    cache = tmp_path / "cache" / f"{runtime.PACKAGE}-{runtime.VERSION}"
    shutil.copytree(package, cache)
    assert runtime.runtime_files() == runtime.runtime_files(package)  # no npm, no network
    (cache / runtime.SCRIPT).write_bytes(b"damaged")
    with pytest.raises(UsageError, match="npm is not installed"):
        runtime.runtime_files()


def test_npm_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "npm").write_text("#!/bin/sh\necho 'npm error network down' >&2; exit 1\n")
    (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("HWAN_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UsageError, match="npm error network down"):
        runtime.runtime_files()


def test_what_a_browser_has_no_pictures_for_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = generator(tmp_path / "deep", 5, 3)
    assert cli.main(["export", str(deep), "--to", "web", "--out", str(tmp_path / "site")]) == 2
    assert "reads 5 channels" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("mine")
    with pytest.raises(UsageError, match="an earlier bundle"):
        export_web(folder, tmp_path / "mine")
    with pytest.raises(UsageError, match="not there"):
        export_web(folder, tmp_path / "site", None, [tmp_path / "no.jpg"])
    assert not (tmp_path / "site").exists()
