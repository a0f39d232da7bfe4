"""from_pretrained, save_pretrained, push_to_hub: without a network, on a stub of huggingface_hub."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from hwan.errors import UsageError
from hwan.inference.translate import Translator
from hwan.nets.folder import load_generator
from imports import made


class Hub(ModuleType):
    """The part of huggingface_hub that hwan uses, on a folder."""

    def __init__(self, root: Path) -> None:
        super().__init__("huggingface_hub")
        self.root, self.calls = root, [""]

    def snapshot_download(
        self, repo_id: str, *, revision: str | None, token: str | None, allow_patterns: list[str]
    ) -> str:
        assert allow_patterns == ["config.json", "model.safetensors"]
        self.calls.append(f"download {repo_id} {revision} {token}")
        if not (self.root / repo_id).is_dir():
            raise OSError("404: Repository Not Found\nmore words")
        return str(self.root / repo_id)

    def create_repo(
        self, repo_id: str, *, private: bool | None, token: str | None, exist_ok: bool
    ) -> str:
        if "/" not in repo_id:
            raise ValueError("not a name")
        (self.root / repo_id).mkdir(parents=True, exist_ok=exist_ok)
        self.calls.append(f"create {repo_id} {private} {token}")
        return f"https://hub/{repo_id}"

    def file_exists(self, repo_id: str, name: str, *, token: str | None) -> bool:
        return (self.root / repo_id / name).exists()

    def upload_folder(
        self,
        *,
        repo_id: str,
        folder_path: Path,
        token: str | None,
        commit_message: str,
        ignore_patterns: list[str] | None,
    ) -> None:
        for file in folder_path.iterdir():
            if file.name not in (ignore_patterns or ()):
                (self.root / repo_id / file.name).write_bytes(file.read_bytes())


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    stub = Hub(tmp_path / "hub")
    monkeypatch.setitem(sys.modules, "huggingface_hub", stub)
    return stub


def test_pretrained_folder(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    first = Translator.from_pretrained(made(tmp_path / "g", blocks=1), device="cpu")
    first.save_pretrained(tmp_path / "saved")
    spec = (tmp_path / "saved" / "README.md").read_text("utf-8")
    assert spec.startswith("---\nlibrary_name: hwan\npipeline_tag: image-to-image\n")
    assert "domain B to domain A" in spec
    again = Translator.from_pretrained(str(tmp_path / "saved"), device="cpu")
    np.testing.assert_array_equal(again.pixels(picture), first.pixels(picture))
    (tmp_path / "saved" / "README.md").write_text("mine", "utf-8")
    again.save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved" / "README.md").read_text("utf-8") == "mine"


def test_hub(tmp_path: Path, hub: Hub) -> None:
    translator = Translator(*load_generator(made(tmp_path / "g", blocks=1)))
    assert translator.push_to_hub("ann/zebra", private=True, token="t") == "https://hub/ann/zebra"
    there = hub.root / "ann/zebra"
    assert {f.name for f in there.iterdir()} == {"README.md", "config.json", "model.safetensors"}
    assert 'from_pretrained("ann/zebra")' in (there / "README.md").read_text("utf-8")
    (there / "README.md").write_text("mine", "utf-8")
    translator.push_to_hub("ann/zebra")
    assert (there / "README.md").read_text("utf-8") == "mine"
    fetched = Translator.from_pretrained("ann/zebra", "cpu", revision="v1", token="t")
    assert fetched.spec == translator.spec
    assert hub.calls[1:] == [
        "create ann/zebra True t",
        "create ann/zebra None None",
        "download ann/zebra v1 t",
    ]


def test_hub_refuses(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="404: Repository Not Found\n"):
        Translator.from_pretrained("ann/nothing")
    translator = Translator(*load_generator(made(tmp_path / "g", blocks=1)))
    with pytest.raises(UsageError, match="not a name"):
        translator.push_to_hub("zebra")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match=r"hwan\[hub\]"):
        Translator.from_pretrained("ann/zebra")
    with pytest.raises(UsageError, match=r"hwan\[hub\]"):
        translator.push_to_hub("ann/zebra")
