"""The queue: what goes together, what does not, and what happens when something goes wrong."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hwan.config import GeneratorConfig
from hwan.errors import UsageError
from hwan.imaging.pixels import decode, encode
from hwan.inference.padding import pad_to
from hwan.inference.translate import Translator
from hwan.nets.folder import GeneratorSpec
from hwan.serve.batcher import Batcher, Done
from hwan.serve.limits import Limits
from hwan.serve.measures import Measures
from hwan.serve.models import Model, Picture
from hwan.serve.probe import padded_size, probe
from hwan.serve.refusals import Refused

SPEC = GeneratorSpec(GeneratorConfig(), 3, 3, "ab", (64, 64), 0, "cyclegan")


class Stage:
    """A batcher with a network that waits to be let go, and notes the batches it saw."""

    def __init__(self, lanes: int = 1, **limits: Any) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.inside = self.most = 0
        self.lock = threading.Lock()
        self.go = threading.Event()
        self.fault: Exception | None = None
        self.batcher = Batcher(Limits(**limits), Measures(), lanes)
        self.model = Model("m", "test", Translator(nn.Identity(), SPEC, engine=lambda *_: self.run))

    def run(self, images: torch.Tensor) -> torch.Tensor:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        assert self.go.wait(10)
        with self.lock:
            self.inside -= 1
            self.shapes.append(images.shape)
        if self.fault:
            raise self.fault
        return -images

    def ask(self, side: int = 16, data: bytes | None = None) -> asyncio.Task[Done]:
        data = data or encode(np.full((side, side, 3), side, np.uint8))
        work = self.batcher.translate(self.model, (side, side), Picture(data, ".png"))
        return asyncio.create_task(work)


def played(stage: Stage, script: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        lanes = [asyncio.create_task(stage.batcher.work()) for _ in range(stage.batcher.lanes)]
        try:
            await asyncio.wait_for(script(stage), 20)
        finally:
            stage.go.set()
            for lane in lanes:
                lane.cancel()

    asyncio.run(main())


def test_what_waits_goes_together_by_size_and_in_order() -> None:
    async def script(stage: Stage) -> None:
        first = stage.ask()
        await asyncio.sleep(0.1)  # it is in the network, which waits
        rest = [stage.ask(16), stage.ask(32), stage.ask(16), stage.ask(16), stage.ask(32)]
        await asyncio.sleep(0.1)
        stage.go.set()
        done = await asyncio.gather(first, *rest)
        assert [d.batch for d in done] == [1, 3, 2, 3, 3, 2]
        for result, side in zip(done, (16, 16, 32, 16, 16, 32), strict=True):
            assert (decode(result.data).pixels == 255 - side).all()
        assert done[1].waited > 0.05

    stage = Stage(wait_ms=0)
    played(stage, script)
    assert stage.shapes == [(1, 3, 16, 16), (3, 3, 16, 16), (2, 3, 32, 32)]


@pytest.mark.parametrize(
    ("limits", "batches"), [({"batch": 2}, [1, 2, 2]), ({"pixels": 600}, [1] * 5)]
)
def test_a_batch_is_bounded_in_images_and_in_pixels(
    limits: dict[str, int], batches: list[int]
) -> None:
    async def script(stage: Stage) -> None:
        first = stage.ask(20)
        await asyncio.sleep(0.1)
        rest = [stage.ask(20) for _ in range(4)]
        await asyncio.sleep(0.05)
        stage.go.set()
        await asyncio.gather(first, *rest)

    stage = Stage(wait_ms=0, **limits)
    played(stage, script)
    assert [shape[0] for shape in stage.shapes] == batches


@pytest.mark.parametrize(
    ("limits", "most", "batches"),
    [({}, 2, [1, 1, 1, 2]), ({"pixels": 600}, 1, [1] * 5), ({"batch": 1}, 1, [1] * 5)],
)
def test_lanes_share_what_waits_within_the_memory_of_one_picture(
    limits: dict[str, int], most: int, batches: list[int]
) -> None:
    async def script(stage: Stage) -> None:
        first = stage.ask(20)
        await asyncio.sleep(0.1)
        rest = [stage.ask(20) for _ in range(4)]
        await asyncio.sleep(0.1)
        stage.go.set()
        await asyncio.gather(first, *rest)

    stage = Stage(lanes=2, wait_ms=0, **limits)
    played(stage, script)
    assert stage.most == most
    assert sorted(shape[0] for shape in stage.shapes) == batches


def test_a_broken_picture_and_a_liar_fail_alone() -> None:
    async def script(stage: Stage) -> None:
        stage.go.set()
        big = encode(np.zeros((64, 64, 3), np.uint8))  # its header was said to be 16 x 16
        asked = [stage.ask(), stage.ask(data=b"broken"), stage.ask(data=big), stage.ask()]
        good, broken, liar, other = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(good, Done)
        assert isinstance(other, Done)
        assert isinstance(broken, UsageError)
        assert isinstance(liar, Refused)
        assert liar.status == 413

    played(Stage(pixels=2000), script)


def test_a_failing_network_fails_its_batch_and_the_next_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def script(stage: Stage) -> None:
        stage.go.set()
        stage.fault = MemoryError("none left")
        with pytest.raises(MemoryError):
            await stage.ask()
        stage.fault = None
        assert (await stage.ask()).batch == 1

    played(Stage(), script)
    assert "a batch of 1 failed" in caplog.text


def test_late_requests_are_told_and_those_whose_client_left_are_not_begun() -> None:
    async def script(stage: Stage) -> None:
        first = stage.ask()
        await asyncio.sleep(0.1)
        late, gone = stage.ask(), stage.ask()
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(Refused) as refusal:
            await late
        assert refusal.value.status == 503
        assert refusal.value.after >= 1
        stage.go.set()
        with pytest.raises(Refused):
            await first
        assert (await stage.ask()).batch == 1

    stage = Stage(timeout_s=0.4)
    played(stage, script)
    assert [shape[0] for shape in stage.shapes] == [1, 1]


def test_a_batch_waits_a_moment_for_an_upload_and_not_for_ever() -> None:
    async def script(stage: Stage) -> None:
        stage.go.set()
        with stage.batcher.uploading():
            first = stage.ask()
            await asyncio.sleep(0.05)
            second = stage.ask()
        assert [d.batch for d in await asyncio.gather(first, second)] == [2, 2]
        with stage.batcher.uploading():
            assert (await stage.ask()).batch == 1

    played(Stage(wait_ms=400), script)


def test_the_queue_is_bounded_and_gives_its_places_back() -> None:
    async def script(stage: Stage) -> None:
        with stage.batcher.admitted(), stage.batcher.admitted():
            with pytest.raises(Refused) as refusal, stage.batcher.admitted():
                pass
            assert (refusal.value.status, refusal.value.after) == (429, 1)
        with pytest.raises(ZeroDivisionError), stage.batcher.admitted():
            _ = 1 / 0
        with stage.batcher.admitted(), stage.batcher.admitted():
            pass
        stage.batcher.draining = True
        with pytest.raises(Refused) as refusal, stage.batcher.admitted():
            pass
        assert refusal.value.status == 503

    played(Stage(queue=2), script)


@given(
    height=st.integers(1, 70), width=st.integers(1, 70), downs=st.integers(1, 4),
    stem=st.sampled_from([3, 7, 11]),
)  # fmt: skip
def test_the_padded_size_is_the_translators(height: int, width: int, downs: int, stem: int) -> None:
    config = GeneratorConfig(downs=downs, stem=stem)
    padded = pad_to(torch.zeros(1, 1, height, width), *config.sizes)
    assert padded_size((height, width), config, Limits()) == tuple(padded.shape[2:])


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\x93NUMPY", b"II*\0", b"\x89PNG\r\n\x1a\n", b"GIF89a"]),
)
def test_a_header_of_any_bytes_is_a_size_or_a_refusal(data: bytes, magic: bytes) -> None:
    try:
        height, width = probe(magic + data, 3)
    except UsageError:
        return
    assert height > 0
    assert width > 0


@pytest.mark.parametrize("size", [(11, 100), (1, 100), (100, 11)])
def test_the_limit_is_on_what_the_network_sees(size: tuple[int, int]) -> None:
    config = GeneratorConfig()  # sides of 8 at least
    assert padded_size((10, 80), config, Limits(pixels=960)) == (12, 80)
    with pytest.raises(Refused, match="799 pixels") as refusal:
        padded_size(size, config, Limits(pixels=799))
    assert refusal.value.status == 413
