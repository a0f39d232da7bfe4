"""Keras weights: the files real Keras wrote give its outputs, others are refused."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from hwan.interop import import_weights
from hwan.nets.folder import load_generator
from imports import refused

FIXTURE = Path(__file__).parent / "golden" / "keras.zip"


def compare(folder: Path, tmp_path: Path, files: dict[str, str]) -> None:
    """Every file of ``folder`` gives Keras' own outputs."""
    io = np.load(folder / "io.npz")
    images = torch.from_numpy(io["input"]).permute(0, 3, 1, 2)
    for file, name in files.items():
        out = tmp_path / f"{file}-{name}"
        spec = import_weights(folder / file, out, "ba" if name == "gen_F" else "ab")
        assert spec.generator.norm_eps == pytest.approx(1e-3)
        net, _ = load_generator(out)
        with torch.no_grad():
            got = net(images).permute(0, 2, 3, 1).numpy()
        np.testing.assert_allclose(got, io[name], atol=1e-5, rtol=0, err_msg=file)


def test_keras(tmp_path: Path) -> None:
    """The committed fixture, made by real Keras: every form of file, one generator and two."""
    pytest.importorskip("h5py")
    with zipfile.ZipFile(FIXTURE) as archive:
        archive.extractall(tmp_path)
    files = {"generator.keras": "gen_G", "generator.h5": "gen_G", "cyclegan.weights.h5": "gen_G"}
    compare(tmp_path, tmp_path, files)
    compare(tmp_path, tmp_path, {"cyclegan.weights.h5": "gen_F"})
    config = load_generator(tmp_path / "generator.h5-gen_G")[1].generator
    assert (config.filters, config.blocks, config.downs) == (2, 1, 2)


def test_keras_of_before(tmp_path: Path) -> None:
    """The other places and names: Keras 2's, tensorflow_addons', Windows'; layers numbered from 24."""
    h5py = pytest.importorskip("h5py")
    with zipfile.ZipFile(FIXTURE) as archive:
        archive.extractall(tmp_path)
    with (
        h5py.File(tmp_path / "cyclegan.weights.h5") as new,
        h5py.File(tmp_path / "old.weights.h5", "w") as old,
        h5py.File(tmp_path / "legacy.h5", "w") as legacy,
        h5py.File(tmp_path / "numbered.weights.h5", "w") as numbered,
    ):
        new.copy("gen_G", numbered, "layers/functional")
        new.copy("gen_F", numbered, "layers/functional_1")
        for layer, group in new["gen_G/layers"].items():
            found = re.fullmatch(r"(.*?)(?:_(\d+))?", layer)
            assert found
            kind = found[1].replace("group", "instance")
            for i, value in group["vars"].items():
                name = f"{kind}_{int(found[2] or 0) + 24}"
                old[f"_layer_checkpoint_dependencies\\{name}/vars/{i}"] = value[()]
                tensor = ("gamma", "beta") if "norm" in kind else ("kernel", "bias")
                legacy[f"{name}/{name}/{tensor[int(i)]}:0"] = value[()]
        legacy["optimizer_weights/Adam/iter:0"] = np.zeros(3, "f4")
    compare(tmp_path, tmp_path, {"old.weights.h5": "gen_G", "legacy.h5": "gen_G"})
    compare(tmp_path, tmp_path, {"numbered.weights.h5": "gen_G"})
    compare(tmp_path, tmp_path, {"numbered.weights.h5": "gen_F"})


def test_other_keras_files(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with zipfile.ZipFile(FIXTURE) as archive:
        archive.extractall(tmp_path)
    file = tmp_path / "x.h5"
    file.write_bytes(b"\x89HDF\r\n\x1a\n cut short")
    refused(file, "a file Keras saved")
    with h5py.File(file, "w") as made:
        made["layers/dense/vars/0"] = np.zeros((3, 4), "f4")
    refused(file, "get_resnet_generator", "models without a name")
    with h5py.File(tmp_path / "cyclegan.weights.h5") as new, h5py.File(file, "w") as made:
        new.copy("gen_G/layers", made)
        made["layers/dense/vars/0"] = np.zeros((3, 4), "f4")
        made.flush()
    refused(file, "a layer dense")
    with h5py.File(file, "a") as made:
        del made["layers/dense"]
        norm = made[
            "layers/group_normalization/vars"
        ]  # as GroupNormalization(scale=False) saves it
        norm.move("1", "kept")
        made.flush()
    refused(file, "a layer without beta or gamma")
    with h5py.File(file, "a") as made:
        del made["layers/conv2d_3"]
    refused(file, "5 convolutions, 2 transposed ones")
    config = zipfile.ZipFile(tmp_path / "generator.keras").read("config.json").decode()
    weights = zipfile.ZipFile(tmp_path / "generator.keras").read("model.weights.h5")
    for change, word in (
        (('"groups": 8', '"groups": 2'), "not a norm of each image's each channel"),
        (('"padding": "valid"', '"padding": "same"'), "with padding same"),
        (
            ('"class_name": "GroupNormalization"', '"class_name": "BatchNormalization"'),
            "not a norm",
        ),
    ):
        assert change[0] in config
        with zipfile.ZipFile(tmp_path / "x.keras", "w") as archive:
            archive.writestr("config.json", config.replace(*change))
            archive.writestr("model.weights.h5", weights)
        refused(tmp_path / "x.keras", word)


def test_keras_needs_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    refused(tmp_path / "x.h5", "hwan[keras-weights]")


@pytest.mark.slow
@pytest.mark.skipif("HWAN_KERAS_PYTHON" not in os.environ, reason="names a Python that has Keras")
def test_real_keras(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    script = Path(__file__).with_name("keras_reference.py")
    python = os.environ["HWAN_KERAS_PYTHON"]
    arguments = ["--filters", "8", "--blocks", "9", "--side", "64"]
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([python, str(script), str(tmp_path), *arguments], check=True, env=env)
    kinds = ("generator.weights.h5", "generator.keras", "generator.h5", "cyclegan.weights.h5")
    compare(tmp_path, tmp_path, dict.fromkeys(kinds, "gen_G"))
    compare(tmp_path, tmp_path, {"cyclegan.weights.h5": "gen_F"})
