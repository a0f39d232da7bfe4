"""Fixtures: browsers, onnxruntime-web and a bundle, made once for all tests of the page in a process."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import browser as browsers
from folders import generator
from hwan.web import runtime
from hwan.web.bundle import export_web

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
GPU = ("--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    plain: Any = browsers.ARGUMENTS
    browsers.ARGUMENTS = (*plain, *CAMERA)
    try:
        with browsers.chromium() as running_browser:
            yield running_browser
    finally:
        browsers.ARGUMENTS = plain


@pytest.fixture(scope="module")
def gpu(chromium: Any) -> Iterator[Any]:
    """A browser with WebGPU, in software."""
    executable = chromium.browser_type
    path = next(filter(None, map(shutil.which, browsers.NAMES)))
    browser = executable.launch(executable_path=path, args=list(GPU))
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """onnxruntime-web's two files, as npm gives them."""
    if not shutil.which("npm"):
        browsers._without("no npm")
    folder: Path = tmp_path_factory.mktemp("onnxruntime-web")
    for name, data in runtime._from_npm().items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generator(tmp_path_factory.mktemp("run") / "ink" / "generator_ab")


@pytest.fixture(scope="module")
def bundle(folder: Path, package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out: Path = tmp_path_factory.mktemp("web") / "site"
    export_web(folder, out, package)
    return out
