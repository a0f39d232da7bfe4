"""ONNX: the same pictures as PyTorch makes, at any size, or no file at all."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import numpy as np
import pytest
import torch

import tiny
from folders import generator
from hwan.config.networks import Norm
from hwan.errors import UsageError
from hwan.exporting import Parity, export_onnx, export_program, graph, onnx, onnx_engine, parity
from hwan.exporting.calibration import crops
from hwan.exporting.parity import TOLERANCES, ExportPrecision, Tolerance
from hwan.imaging.pixels import DTYPES
from hwan.inference.translate import Translator
from hwan.nets.folder import load_generator, save_generator


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
    assert [tuple(row["shape"]) for row in written["inputs"]] == [p.shape for p in parities]
    assert [row["max_error"] for row in written["inputs"]] == [p.max_error for p in parities]
    assert written["bytes"] == path.stat().st_size
    assert all(row["seconds"] > 0 and row["seconds_torch"] > 0 for row in written["inputs"])

    model = session(path)
    facts = {k: json.loads(v) for k, v in model.get_modelmeta().custom_metadata_map.items()}
    multiple, least = facts["hwan.multiple"], facts["hwan.least"]
    net, spec = load_generator(folder)
    assert (multiple, least) == spec.generator.sizes
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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet", "unet", "bottleneck", "plain"])
@pytest.mark.parametrize("norm", [*get_args(Norm), "batch of the image"])
def test_every_generator_and_norm(name: str, norm: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"name": name, "norm": norm, "downs": 2 if name != "unet" else 4}
    if norm == "batch of the image":
        options |= {"norm": "batch", "test_batch_statistics": True}
    folder = generator(tmp_path / "g", filters=4, **options)
    _, found = export_onnx(folder, tmp_path / "out")  # refuses above 1e-4
    assert len(found) == 3


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
    monkeypatch.setattr(
        parity, "compare", lambda net, run, image: Parity((1, 3, 8, 8), next(left), 0.0)
    )
    with pytest.raises(RuntimeError, match="differs from PyTorch"):
        export_onnx(generator(tmp_path / "g"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_tolerance_is_measured_against(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real errors are compared: below zero none passes."""
    monkeypatch.setitem(TOLERANCES, "fp32", Tolerance(-1.0, -1.0))
    with pytest.raises(RuntimeError, match=r"above -1.0: not written"):
        export_onnx(generator(tmp_path / "g"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_generator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a generator folder with model.safetensors"):
        export_onnx(tmp_path, tmp_path / "out")


# Pixels in and out, reduced precisions, torch.export


def photos(root: Path, n: int = 12) -> Path:
    tiny.write_data(root, n, 48)
    return root


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ({}, {}),
        ({"name": "unet", "downs": 4, "norm": "batch"}, {"depth_in": "16", "depth_out": "8"}),
        ({}, {"depth_in": "float", "depth_out": "float", "range_in": (-9.0, 30.0)}),
    ],
)
def test_pixels_of_any_size_go_in_and_come_out(
    options: dict[str, Any], kinds: dict[str, Any], tmp_path: Path
) -> None:
    folder = generator(tmp_path / "g", **options)
    net, spec = load_generator(folder)
    spec = replace(spec, **kinds)
    save_generator(folder, net, spec)
    path, _ = export_onnx(folder, tmp_path / "out", images=True)
    model, translator = session(path), Translator(net, spec)
    draw = np.random.default_rng(1)
    for height, width in [(3, 5), (37, 23), (64, 48)]:
        low, high = (-9, 30) if spec.depth_in == "float" else (0, 255)
        shape = (2, height, width, 3)
        pixels = draw.uniform(low, high, shape).astype(DTYPES[spec.depth_in])
        (got,) = model.run(["translation"], {"image": pixels})
        assert got.dtype == DTYPES[spec.depth_out]
        expected = np.stack([translator.pixels(one) for one in pixels])
        error = np.abs(got.astype(float) - expected)
        assert error.max() <= (1e-5 if spec.depth_out == "float" else 1)  # a level, by rounding
        assert error.mean() < 0.01
    facts = {k: json.loads(v) for k, v in model.get_modelmeta().custom_metadata_map.items()}
    assert (facts["hwan.layout"], facts["hwan.precision"]) == ("NHWC", "fp32")


def test_a_wrong_padding_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wider(proto: Any, reads: Any, writes: Any, sizes: tuple[int, int]) -> Any:
        return graph.around(proto, reads, writes, (2 * sizes[0], sizes[1]))

    monkeypatch.setattr(onnx, "around", wider)
    with pytest.raises(RuntimeError, match="differs from padding and cropping"):
        export_onnx(generator(tmp_path / "g"), tmp_path / "out", images=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_reduced_precisions_are_smaller_near_and_checked_on_data(
    precision: ExportPrecision, tmp_path: Path
) -> None:
    folder = generator(tmp_path / "g", filters=16, norm="batch")
    path, found = export_onnx(folder, tmp_path / "out", precision, data=[photos(tmp_path / "data")])
    report = json.loads((path.parent / "parity.json").read_text())
    assert report["precision"] == precision
    assert report["bytes"] == path.stat().st_size < 0.8 * report["bytes_safetensors"]
    assert all(p.max_error > 0 for p in found)  # another arithmetic it is
    net, spec = load_generator(folder)
    held = crops([tmp_path / "data"], spec)[-3:]
    (got,) = session(path).run(None, {"image": held.numpy()})
    assert got.dtype == np.float32
    assert np.abs(got - net(held).numpy()).mean() <= TOLERANCES[precision].mean


def test_a_reduced_precision_has_its_own_tolerance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TOLERANCES, "fp16", Tolerance(TOLERANCES["fp16"].largest, 1e-9))
    with pytest.raises(RuntimeError, match=r"ONNX in fp16 differs .* on average"):
        export_onnx(generator(tmp_path / "g"), tmp_path / "out", "fp16")
    assert not (tmp_path / "out").exists()


def test_int8_without_images_is_refused(tmp_path: Path) -> None:
    folder = generator(tmp_path / "g")
    with pytest.raises(UsageError, match="add --data"):
        export_onnx(folder, tmp_path / "out", "int8")
    few = tmp_path / "few"
    photos(few, 2)
    with pytest.raises(
        UsageError, match=r"8 images or more to calibrate on\n  received: 2 readable in .*trainB\n"
    ):  # of the one domain that is counted
        export_onnx(folder, tmp_path / "out", "int8", data=[few])
    with pytest.raises(UsageError, match="nowhere: not there"):
        export_onnx(folder, tmp_path / "out", "int8", data=[tmp_path / "nowhere"])
    assert not (tmp_path / "out").exists()


def test_calibration_takes_the_domain_that_the_generator_reads(tmp_path: Path) -> None:
    data = photos(tmp_path / "data")
    spec = load_generator(generator(tmp_path / "g"))[1]  # ba
    read = crops([data], spec)
    assert read.shape == (12, 3, 32, 32)
    b = crops([data / "trainB"], spec)
    a = crops([data], replace(spec, direction="ab"))
    assert torch.equal(read, b)
    assert not torch.equal(read, a)


@pytest.mark.parametrize("options", [{"name": "unet", "downs": 4}])
def test_a_program_runs_without_hwan_at_any_size(options: dict[str, Any], tmp_path: Path) -> None:
    folder = generator(tmp_path / "g", **options)
    path, found = export_program(folder, tmp_path / "out")
    assert all(p.max_error <= 1e-4 for p in found)
    code = (
        "import json, sys, torch\n"
        "extra = {'hwan.json': ''}\n"
        "net = torch.export.load(sys.argv[1], extra_files=extra).module()\n"
        "facts = json.loads(extra['hwan.json'])\n"
        "side = facts['hwan.least'] + facts['hwan.multiple']\n"
        "torch.manual_seed(1)\n"
        "torch.save(net(torch.rand(2, 3, side, 3 * side)), sys.argv[2])\n"
        "assert 'hwan' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, path, tmp_path / "y.pt"], check=True)
    got = torch.load(tmp_path / "y.pt")
    net, _ = load_generator(folder)
    torch.manual_seed(1)
    torch.testing.assert_close(got, net(torch.rand(2, 3, got.shape[2], got.shape[3])))


def test_the_engine_gives_the_same_pictures(tmp_path: Path) -> None:
    folder = generator(tmp_path / "g")
    plain = Translator(*load_generator(folder))
    run = onnx_engine(*load_generator(folder))
    calls = []

    def counted(image: torch.Tensor) -> torch.Tensor:
        calls.append(image.shape)
        return run(image)

    other = Translator(*load_generator(folder), engine=lambda net, spec: counted)
    for size in ((33, 20), (16, 16)):
        pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
        error = np.abs(other.pixels(pixels).astype(int) - plain.pixels(pixels))
        assert error.max() <= 1
        assert (error > 0).mean() < 0.01
    assert len(calls) == 2
    with pytest.raises(UsageError, match="engine on the CPU in fp32"):
        Translator(*load_generator(folder), precision="bf16", engine=onnx_engine)
