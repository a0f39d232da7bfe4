"""The page in headless Chromium: a picture in, the same picture out as PyTorch makes, nothing else asked."""

from __future__ import annotations

import base64
import functools
import http.server
import io
import json
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import browser as browsers
from folders import generator
from hwan.cli import main as cli
from hwan.errors import UsageError
from hwan.imaging.pixels import decode, encode
from hwan.inference.translate import load
from hwan.web import runtime
from hwan.web.bundle import export_web
from servers import close, noise, running

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
DONE = "() => document.getElementById('status').textContent.startsWith('Translated')"
PIXELS = """id => {
  const canvas = document.getElementById(id), {width, height} = canvas;
  const context = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
  context.drawImage(canvas, 0, 0);
  return {width, height, data: [...context.getImageData(0, 0, width, height).data]};
}"""

UNNAMED = """[...document.querySelectorAll("button, input, select, img, canvas")].filter(
  e => !(e.textContent.trim() || e.labels?.length || e.alt || e.ariaLabel || e.querySelector("[alt]"))
).map(e => e.outerHTML)"""
GPU = ("--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
TALK = "const channel = new BroadcastChannel('test');"
HARDWARE = f"""window.{TALK.removeprefix("const ")}
Object.defineProperty(GPUAdapterInfo.prototype, "isFallbackAdapter", {{get: () => false}});
channel.onmessage = () => {{ window.waits = true; }};"""
DEVICE = "GPUAdapter.prototype.requestDevice = async () => { throw new Error('no device today'); };"
RESULT = f"""{TALK}
let on = ARMED;
channel.onmessage = () => {{ on = true; }};
const plain = GPUBuffer.prototype.mapAsync;
GPUBuffer.prototype.mapAsync = function (...given) {{
  if (!on) return plain.apply(this, given);
  channel.postMessage("waits");
  return WHAT;
}};"""
LOSS = f"""{TALK}
const plain = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function (...given) {{
  const device = await plain.apply(this, given);
  channel.onmessage = () => {{ device.destroy(); channel.postMessage("gone"); }};
  return device;
}};"""
REACH = """address => new Promise(resolve => {
  const code = `fetch(${JSON.stringify(address)})
    .then(() => postMessage("reached"), () => postMessage("refused"))`;
  const blob = new Blob([code], {type: "text/javascript"});
  const worker = new Worker(URL.createObjectURL(blob), {type: "module"});
  worker.onmessage = ({data}) => resolve(data);
})"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    asked: list[str]

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class Isolating(Quiet):
    """A server that lets a page have threads."""

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


def faulty(fault: str) -> type[Quiet]:
    """A server whose worker.js begins with ``fault``."""

    class Faulty(Quiet):
        def do_GET(self) -> None:
            if self.path != "/worker.js":
                return super().do_GET()
            body = fault.encode() + (Path(self.directory) / "worker.js").read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return None

    return Faulty


@contextmanager
def served(folder: Path, handler: type[Quiet] = Quiet) -> Iterator[str]:
    kind = functools.partial(handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{site.server_port}/"
        finally:
            site.shutdown()


@contextmanager
def opened(
    chromium: Any, address: str, width: int = 1280, dark: bool = False, script: str = ""
) -> Iterator[Any]:
    """The page, loaded and ready; ``script`` runs before its own. On leaving: it complained of nothing
    and asked nobody else."""
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
    )
    page, troubles = context.new_page(), []
    page.set_default_timeout(20_000)
    if script:
        page.clock.install()
        page.add_init_script(script)
    known = ("No available adapters.",)  # Chromium's own words where there is no GPU
    page.on(
        "console",
        lambda m: (
            troubles.append(m.text) if m.type in ("error", "warning") and m.text not in known else 0
        ),
    )
    page.on("pageerror", lambda error: troubles.append(str(error)))
    own = ("data:", "blob:", address.split("?")[0])
    page.on("request", lambda r: None if r.url.startswith(own) else troubles.append(r.url))
    page.goto(address)
    page.wait_for_selector("#samples button")
    try:
        yield page
    finally:
        context.close()
    assert not troubles, troubles


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


def give(page: Any, pixels: np.ndarray, name: str = "picture.png") -> None:
    page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": encode(pixels)})
    page.wait_for_function(DONE)


def canvas(page: Any, which: str = "after") -> np.ndarray:
    found = page.evaluate(PIXELS, which)
    data = np.array(found["data"], np.uint8).reshape(found["height"], found["width"], 4)
    assert (data[:, :, 3] == 255).all()
    return data[:, :, :3]


@pytest.mark.parametrize("handler", [Quiet, Isolating])
def test_a_picture_in_is_the_picture_out(
    chromium: Any, bundle: Path, folder: Path, handler: type[Quiet]
) -> None:
    translator = load(folder, "cpu")
    with served(bundle, handler) as address, opened(chromium, address) as page:
        for height, width in ((37, 53), (5, 130)):
            pixels = noise(height, width)
            give(page, pixels)
            assert (canvas(page, "before") == pixels).all()
            assert close(canvas(page), translator.array(pixels))
        with page.expect_download() as download:
            page.click("#download")
        assert download.value.suggested_filename == "picture-translated.png"
        assert close(decode(Path(download.value.path())).pixels, translator.array(pixels))
        assert "no picture leaves this machine" in page.text_content("#where")
        threads = page.evaluate("crossOriginIsolated && navigator.hardwareConcurrency > 1")
        assert ("threads" in page.text_content("#where")) == threads == (handler is Isolating)


def says(page: Any, *parts: str) -> None:
    """Wait until the page says which engine works, and why; and that it says so."""
    page.wait_for_function(
        "parts => parts.every(part => document.getElementById('where').textContent.includes(part))",
        arg=list(parts),
    )


def test_webgpu_translates_as_pytorch_does(gpu: Any, bundle: Path, folder: Path) -> None:
    pixels = noise(37, 53)
    with served(bundle) as address:
        with opened(gpu, address, script=HARDWARE) as page:
            says(page, "(WebGPU): no picture leaves this machine.")
            give(page, pixels)
            assert close(canvas(page), load(folder, "cpu").array(pixels))
            assert "not used" not in page.text_content("#where")
        with opened(gpu, address) as page:  # as it is: in software, and slower than WebAssembly
            says(page, "WebAssembly", "WebGPU is not used: this machine's GPU is software.")


def test_no_webgpu(chromium: Any, bundle: Path) -> None:
    with served(bundle) as address:
        with opened(chromium, address) as page:
            says(page, "WebAssembly", "WebGPU is not used: there is no GPU for it.")
        with opened(chromium, address, script="delete Navigator.prototype.gpu") as page:
            says(page, "WebAssembly", "WebGPU is not used: this browser does not offer it")


NEVER, REJECTED = "new Promise(() => {})", "Promise.reject(new Error('lost'))"


def result(what: str, armed: str = "true") -> str:
    return RESULT.replace("ARMED", armed).replace("WHAT", what)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (DEVICE, "it broke off"),
        (result(REJECTED), "its first result was wrong"),  # it is read as if it had come
        pytest.param(
            result("(() => { throw new Error('no result today'); })()"),
            "no result today",
            marks=pytest.mark.slow,
        ),
        (result(NEVER), "it did not finish within 30 seconds"),
    ],
    ids=["no device", "a wrong result", "no result", "never a result"],
)
def test_webassembly_steps_in_at_the_start(
    gpu: Any, bundle: Path, folder: Path, fault: str, reason: str
) -> None:
    pixels = noise(37, 53)
    with served(bundle, faulty(fault)) as address, opened(gpu, address, script=HARDWARE) as page:
        if "30" in reason:
            page.wait_for_function("() => window.waits")
            page.clock.fast_forward(31_000)
        says(page, "(WebAssembly", f"WebGPU is not used: {reason}")
        give(page, pixels)
        assert close(canvas(page), load(folder, "cpu").array(pixels))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (LOSS, "the GPU was lost"),
        (result(NEVER, "false"), "it did not finish within 60 seconds"),
    ],
    ids=["lost", "never a result"],
)
def test_webassembly_steps_in_later(
    gpu: Any, bundle: Path, folder: Path, fault: str, reason: str
) -> None:
    pixels = noise(37, 53)
    with served(bundle, faulty(fault)) as address, opened(gpu, address, script=HARDWARE) as page:
        says(page, "(WebGPU)")
        page.evaluate("channel.postMessage('now')")
        file = {"name": "picture.png", "mimeType": "image/png", "buffer": encode(pixels)}
        if fault == LOSS:
            page.wait_for_function("() => window.waits")
        page.set_input_files("#file", file)
        page.wait_for_function("() => window.waits")
        if "60" in reason:
            page.clock.fast_forward(61_000)
        says(page, "(WebAssembly", f"WebGPU is not used: {reason}")
        page.wait_for_function(DONE)
        assert close(canvas(page), load(folder, "cpu").array(pixels))


def test_an_engine_that_never_answers_is_left_for_another(
    gpu: Any, bundle: Path, folder: Path
) -> None:
    pixels = noise(37, 53)
    fault = result(NEVER, "false")
    with (
        served(bundle, faulty(fault)) as address,
        opened(gpu, address + "?engine=webgpu", script=HARDWARE) as page,
    ):
        says(page, "(WebGPU)")
        page.evaluate("channel.postMessage('now')")
        file = {"name": "picture.png", "mimeType": "image/png", "buffer": encode(pixels)}
        page.set_input_files("#file", file)
        page.wait_for_function("() => window.waits")
        page.select_option("#engine", "wasm")
        page.wait_for_function(DONE)
        says(page, "(WebAssembly")
        assert page.is_hidden("#error")
        assert close(canvas(page), load(folder, "cpu").array(pixels))


def test_grey_in_colour_out(chromium: Any, package: Path, tmp_path: Path) -> None:
    grey = generator(tmp_path / "grey", 1, 3)
    export_web(grey, tmp_path / "site", package)
    pixels = noise(16, 24)
    with served(tmp_path / "site") as address, opened(chromium, address) as page:
        give(page, pixels)
        assert close(canvas(page), load(grey, "cpu").array(encode(pixels)))


def test_every_way_in(chromium: Any, bundle: Path) -> None:
    picture = base64.b64encode(encode(noise(20, 30))).decode()
    event = """([kind, data]) => {
      const transfer = new DataTransfer(), bytes = Uint8Array.from(atob(data), c => c.charCodeAt());
      transfer.items.add(new File([bytes], "given.png", {type: "image/png"}));
      const target = document.getElementById("drop");
      target.dispatchEvent(kind === "drop"
        ? new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true})
        : new VideoFileboardEvent("paste", {clipboardData: transfer, bubbles: true}));
    }"""
    with served(bundle) as address, opened(chromium, address) as page:
        for kind in ("drop", "paste"):
            page.evaluate(event, [kind, picture])
            page.wait_for_function(
                "() => document.getElementById('caption').textContent.startsWith('given')"
            )
            assert canvas(page).shape == (20, 30, 3)
            page.evaluate("document.getElementById('caption').textContent = ''")
        page.click("#samples li:nth-child(2) button")
        page.wait_for_function(
            "() => document.getElementById('caption').textContent.startsWith('coffee')"
        )
        page.click("#camera")
        page.wait_for_function("() => document.getElementById('video').videoWidth > 0")
        page.click("#take")
        page.wait_for_function(
            "() => document.getElementById('caption').textContent.startsWith('camera')"
        )
        assert (
            page.evaluate("document.getElementById('video').srcObject") is None
        )  # it is off again


def test_a_large_picture_is_offered_smaller_and_transparency_is_over_white(
    chromium: Any, bundle: Path
) -> None:
    pixels = np.zeros((700, 2100, 4), np.uint8)
    pixels[:, :1050] = 200, 30, 30, 255
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    file = {"name": "large.png", "mimeType": "image/png", "buffer": out.getvalue()}
    with served(bundle) as address, opened(chromium, address) as page:
        page.set_input_files("#file", file)
        page.wait_for_function(DONE)
        options = page.eval_on_selector_all("#size option", "all => all.map(o => o.textContent)")
        assert options == [
            "256 pixels",
            "512 pixels",
            "1024 pixels",
            "2048 pixels",
            "as it is: 2100 × 700",
        ]
        assert canvas(page).shape == (341, 1024, 3)
        page.select_option("#size", "256")
        page.wait_for_function("() => document.getElementById('after').width === 256")
        before = canvas(page, "before")
        assert (before[:, :120] == [200, 30, 30]).all()
        assert (before[:, 140:] == 255).all()


def test_what_is_no_picture_is_said_and_does_no_harm(chromium: Any, bundle: Path) -> None:
    with served(bundle) as address, opened(chromium, address) as page:
        bad = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"}
        page.set_input_files("#file", bad)
        page.wait_for_selector("#error:not([hidden])")
        assert "notes.txt is not a picture" in page.text_content("#error")
        give(page, noise(12, 12))
        assert page.is_hidden("#error")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_it_fits_and_keys_do_all(chromium: Any, bundle: Path, width: int, dark: bool) -> None:
    with served(bundle) as address, opened(chromium, address, width, dark) as page:
        page.focus("#samples li:nth-child(1) button")
        page.keyboard.press("Enter")
        page.wait_for_function(DONE)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        top = "document.getElementById('result').getBoundingClientRect().top"
        page.wait_for_function(f"0 <= {top} && {top} < 450")  # scrolled into sight, on a phone too
        page.focus("#slide")
        for _ in range(10):
            page.keyboard.press("ArrowRight")
        assert page.get_attribute("#slide", "aria-valuetext") == "60% before, 40% after"
        assert (
            page.evaluate(
                "getComputedStyle(document.getElementById('stage')).getPropertyValue('--at')"
            )
            == "60%"
        )
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background))) < 200) == dark
        assert page.evaluate(UNNAMED) == []


def test_the_policy_holds_in_workers_too(chromium: Any, bundle: Path, tmp_path: Path) -> None:
    """A worker made as the page makes its own cannot reach another server."""
    reached: list[str] = []

    class Other(Quiet):
        def do_GET(self) -> None:
            reached.append(self.path)
            super().do_GET()

        def end_headers(self) -> None:
            self.send_header("Access-Control-Allow-Origin", "*")
            super().end_headers()

    with served(bundle) as address, served(tmp_path, Other) as other:
        page = chromium.new_page()
        page.goto(other)
        assert page.evaluate(REACH, other) == "reached"  # without the policy it could
        page.goto(address)
        reached.clear()
        assert page.evaluate(REACH, other) == "refused"
        assert page.evaluate("a => fetch(a).then(() => 1, () => 0)", other) == 0
        page.close()
    assert reached == []


def test_the_servers_page(chromium: Any, folder: Path, tmp_path: Path) -> None:
    deep = generator(tmp_path / "deep", 5, 3)
    with running(folder.parent, deep, HWAN_TOKEN="s3cret") as server:
        address = f"http://127.0.0.1:{server.port}/"
        context = chromium.new_context()
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("#token:not([hidden])")
        page.fill("#secret", "s3cret")
        page.keyboard.press("Enter")
        page.wait_for_selector("#token", state="hidden")
        pixels = noise(37, 53)
        give(page, pixels)
        assert close(canvas(page), load(folder, "cpu").array(pixels))
        disabled = page.eval_on_selector_all("#model option", "all => all.map(o => o.disabled)")
        assert disabled == [False, True]  # five channels are nothing for a screen
        page.goto(address + "docs")
        assert "/v1/translate" in page.text_content("main")
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        context.close()


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
    with pytest.raises(UsageError, match="--runtime is an unpacked"):
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
