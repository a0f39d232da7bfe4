"""ONNX: the same pictures as PyTorch makes, at any size, or no file at all."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hwan import export
from hwan.config import GeneratorConfig
from hwan.errors import UsageError
from hwan.export import Parity, export_onnx
from hwan.nets import build_generator
from hwan.nets.folder import GeneratorCard, load_generator, save_generator

TINY: dict[str, Any] = {"filters": 2, "blocks": 1, "stem": 3}


def generator(folder: Path, cin: int = 3, cout: int = 3, **options: Any) -> Path:
    """A generator folder whose batch norms have seen images."""
    torch.manual_seed(0)
    config = GeneratorConfig(**{**TINY, **options})
    net = build_generator(config, cin, cout)
    for weight in net.parameters():
        nn.init.normal_(weight, 0.0, 0.3)
    with torch.no_grad():
        net.train()(torch.randn(2, cin, 16, 16))
    save_generator(folder, net, GeneratorCard(config, cin, cout, "ba", 32, 7, "cyclegan"))
    return folder


def session(path: Path) -> Any:
    return importlib.import_module("onnxruntime").InferenceSession(
        path, providers=["CPUExecutionProvider"]
    )


@pytest.mark.parametrize(
    ("cin", "cout", "options"),
    [
        (3, 3, {"norm": "instance", "up": "transposed", "padding": "reflect"}),
        (3, 3, {"norm": "batch", "up": "nearest", "padding": "replicate", "dropout": 0.5}),
        (1, 3, {"norm": "none", "up": "nearest", "padding": "zero", "downs": 1}),
    ],
)
def test_the_model_equals_pytorch_at_sizes_never_checked(
    cin: int, cout: int, options: dict[str, Any], tmp_path: Path
) -> None:
    folder = generator(tmp_path / "g", cin, cout, **options)
    path, parities = export_onnx(folder, tmp_path / "out" / "deep")
    assert path == tmp_path / "out" / "deep" / "model.onnx"
    assert sorted(p.name for p in path.parent.iterdir()) == ["model.onnx", "parity.json"]

    assert len({p.shape for p in parities}) == 3
    assert all(0 <= p.mean_error <= p.max_error <= 1e-4 for p in parities)
    written = json.loads((path.parent / "parity.json").read_text())
    assert [tuple(row["shape"]) for row in written] == [p.shape for p in parities]
    assert [row["max_error"] for row in written] == [p.max_error for p in parities]

    model = session(path)
    facts = {k: json.loads(v) for k, v in model.get_modelmeta().custom_metadata_map.items()}
    multiple, least = facts["hwan.multiple"], facts["hwan.least"]
    net, card = load_generator(folder)
    assert (multiple, least) == card.generator.sizes
    assert facts["hwan.range"] == "-1..1"
    assert facts["hwan.generator"]["norm"] == options["norm"]
    assert (facts["hwan.channels_in"], facts["hwan.channels_out"]) == (cin, cout)
    assert (facts["hwan.direction"], facts["hwan.images"]) == ("ba", 7)

    shape = (2, cin, least + multiple, least + 6 * multiple)
    assert shape not in [p.shape for p in parities]
    image = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    (got,) = model.run(["translation"], {"image": image})
    with torch.no_grad():
        expected = net(torch.from_numpy(image)).numpy()
    assert expected.std() > 0.05  # a blank picture would prove nothing
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime", "onnxscript"])
def test_without_the_extra_it_says_what_to_install(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.import_module

    def absent(name: str, package: str | None = None) -> ModuleType:
        if name == missing:
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(
        UsageError, match=rf"{missing} is not .*\n  fix: pip install 'hwan\[onnx\]'"
    ):
        export_onnx(generator(tmp_path / "g"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("errors", [[0.0, 2e-4, 0.0], [0.0, float("nan"), 0.0]])
def test_a_model_that_differs_is_not_written(
    errors: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter(errors)
    monkeypatch.setattr(export, "_parity", lambda net, model, shape: Parity(shape, next(left), 0.0))
    with pytest.raises(RuntimeError, match="differs from PyTorch"):
        export_onnx(generator(tmp_path / "g"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_tolerance_is_measured_against(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real errors are compared: below zero none passes."""
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(RuntimeError, match=r"above -1.0: not written"):
        export_onnx(generator(tmp_path / "g"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_generator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"config.json is there"):
        export_onnx(tmp_path, tmp_path / "out")
