"""The page in headless Chromium: a picture in, the same picture out as PyTorch makes, nothing else asked."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from folders import generator
from hwan.imaging.pixels import decode, encode
from hwan.inference.translate import load
from hwan.web.bundle import export_web
from pages import DONE, Isolating, Quiet, canvas, give, listening, opened, served
from servers import close, noise, running

pytest_plugins = ["page_fixtures"]

UNNAMED = """[...document.querySelectorAll("button, input, select, img, canvas")].filter(
  e => !(e.textContent.trim() || e.labels?.length || e.alt || e.ariaLabel || e.querySelector("[alt]"))
).map(e => e.outerHTML)"""
REACH = """address => new Promise(resolve => {
  const code = `fetch(${JSON.stringify(address)})
    .then(() => postMessage("reached"), () => postMessage("refused"))`;
  const blob = new Blob([code], {type: "text/javascript"});
  const worker = new Worker(URL.createObjectURL(blob), {type: "module"});
  worker.onmessage = ({data}) => resolve(data);
})"""


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
        : new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true}));
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
        page.wait_for_function(
            f"() => 0 <= {top} && {top} < 450"
        )  # scrolled into sight, on a phone too
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
    with served(bundle) as address, served(tmp_path, listening(reached)) as other:
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
        page.click("#footer a")
        assert "/v1/translate" in page.text_content("body")
        context.close()
