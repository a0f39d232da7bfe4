"""Which engine works the translation out: WebGPU where it is right, WebAssembly where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hwan.imaging.pixels import encode
from hwan.inference.translate import load
from pages import DONE, canvas, faulty, give, opened, says, served
from servers import close, noise

pytest_plugins = ["page_fixtures"]

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
