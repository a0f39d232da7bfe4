"""pixels.js pads and converts as Python does."""

from __future__ import annotations

import importlib.resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hwan.config import PixelFormat
from hwan.imaging.pixels import decode, encode, to_tensor
from hwan.inference.padding import margins, pad_to
from pages import served
from servers import noise

pytest_plugins = ["page_fixtures"]

PADDING = """async ([address, cases]) => {
  const {grown, places} = await import(address + "pixels.js");
  return cases.map(([side, multiple, least]) => {
    const target = grown(side, multiple, least);
    return [target, [...places(side, target)]];
  });
}"""
TENSOR = """async ([address, picture, facts]) => {
  const {toTensor} = await import(address + "pixels.js");
  const {values, dims} = toTensor(picture, facts);
  return [[...values], dims];
}"""


@pytest.fixture
def page(chromium: Any) -> Any:
    context = chromium.new_context()
    with served(Path(str(importlib.resources.files("hwan.web") / "site"))) as address:
        page = context.new_page()
        page.goto(address + "style.css")
        page.address = address
        yield page
        context.close()


def test_the_page_pads_as_python_does(page: Any) -> None:
    sizes = [(1, 1), (4, 8), (8, 8), (4, 12), (64, 64), (256, 256)]
    cases = [(side, *size) for side in (*range(1, 40), 100, 255, 257) for size in sizes]
    found = page.evaluate(PADDING, [page.address, cases])
    for (side, multiple, least), (target, places) in zip(cases, found, strict=True):
        assert target == side + sum(margins(side, multiple, least))
        row = torch.arange(float(side)).view(1, 1, side, 1)
        assert places == pad_to(row, multiple, least)[0, 0, : len(places), 0].tolist()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_page_reads_pixels_as_python_does(page: Any, channels: int) -> None:
    pixels = noise(5, 9)
    picture = {
        "width": 9,
        "height": 5,
        "data": np.concatenate([pixels, np.full((5, 9, 1), 255, np.uint8)], 2).flatten().tolist(),
    }
    facts = {"channels": channels, "multiple": 4, "least": 8}
    values, dims = page.evaluate(TENSOR, [page.address, picture, facts])
    read = decode(encode(pixels), PixelFormat(channels)).pixels
    expected = pad_to(to_tensor(torch.from_numpy(read)[None]), 4, 8)
    torch.testing.assert_close(torch.tensor(values).view(dims), expected, atol=1e-6, rtol=0)
