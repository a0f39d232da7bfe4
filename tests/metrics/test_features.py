"""Feature networks, their weight files and where they are looked for; LPIPS; label maps."""

from __future__ import annotations

import hashlib
import importlib
import io
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from hwan.config import PixelFormat
from hwan.errors import UsageError
from hwan.metrics.features import (
    Features,
    clean_resize,
    find,
    legacy_resize,
    load_inception,
    weight_folders,
)
from hwan.metrics.inception import Inception
from hwan.metrics.labels import (
    classes,
    confusion,
    find_palette,
    flat_colours,
    label_figures,
    read_palette,
    share_named,
)
from hwan.metrics.perceptual import AlexNet, load_lpips
from hwan.metrics.selfnet import SelfNet, self_features, train_selfnet

RGB = PixelFormat()


def picture(seed: int, height: int = 40, width: int = 50) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def inception() -> nn.Module:
    torch.manual_seed(0)
    net = Inception().eval()
    for module in net.modules():  # running statistics that are no identity
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
    return net


def test_inception_is_as_large_as_the_published_one(inception: nn.Module) -> None:
    # Keras' InceptionV3 without its top has 21,802,784 numbers, three to a normed channel (no gamma)
    # where this has four, two of them weights: 17,216 channels.
    weights = sum(p.numel() for p in inception.parameters())
    assert weights == 21_802_784 - 17_216
    assert (
        sum(m.num_features for m in inception.modules() if isinstance(m, nn.BatchNorm2d)) == 17_216
    )


def test_inception_keys_and_shapes_are_the_weight_files(inception: nn.Module) -> None:
    state = inception.state_dict()
    known = {
        "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
        "Conv2d_4a_3x3.bn.running_var": (192,),
        "Mixed_5b.branch_pool.conv.weight": (32, 192, 1, 1),
        "Mixed_5d.branch5x5_2.conv.weight": (64, 48, 5, 5),
        "Mixed_6a.branch3x3dbl_3.conv.weight": (96, 96, 3, 3),
        "Mixed_6b.branch7x7dbl_5.conv.weight": (192, 128, 1, 7),
        "Mixed_6e.branch7x7_3.conv.weight": (192, 192, 7, 1),
        "Mixed_7a.branch7x7x3_4.conv.weight": (192, 192, 3, 3),
        "Mixed_7b.branch3x3dbl_1.conv.weight": (448, 1280, 1, 1),
        "Mixed_7c.branch3x3_2b.conv.weight": (384, 384, 3, 1),
        "Mixed_7c.branch_pool.bn.weight": (192,),
    }
    for key, shape in known.items():
        assert tuple(state[key].shape) == shape
    assert len([k for k in state if k.endswith("conv.weight")]) == 94


def test_inception_pools_as_fids_network_does(inception: nn.Module) -> None:
    """A block by hand: averages count no border, and the last block takes a maximum."""
    x = torch.randn(1, 192, 9, 9)
    block: Any = inception.Mixed_5b
    ones = torch.nn.functional.avg_pool2d(torch.ones_like(x), 3, 1, 1)
    mean = torch.nn.functional.avg_pool2d(x, 3, 1, 1) / ones
    torch.testing.assert_close(block(x)[:, -32:], block["branch_pool"](mean))
    assert block(x).shape[1] == 256
    last: Any = inception.Mixed_7c
    y = torch.randn(1, 2048, 8, 8)
    largest = torch.nn.functional.max_pool2d(y, 3, 1, 1)
    torch.testing.assert_close(last(y)[:, -192:], last["branch_pool"](largest))
    first = last["branch3x3_1"](y)
    expected = torch.cat([last["branch3x3_2a"](first), last["branch3x3_2b"](first)], 1)
    torch.testing.assert_close(last(y)[:, 320:1088], expected)


def test_a_weight_file_is_loaded_as_it_is(inception: nn.Module, tmp_path: Path) -> None:
    # pytorch-fid's file also has the 1008 classes, and its norms count no batches.
    state = {k: v for k, v in inception.state_dict().items() if "num_batches" not in k}
    path = tmp_path / "pt_inception-2015-12-05-6726825d.pth"
    torch.save({**state, "fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}, path)
    features = load_inception(path)
    assert features.distances == ("fid", "kid")
    assert features.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "compare by its hash" in features.protocol["feature network"]  # random, and it shows
    assert "299x299" in features.protocol["resizing"]
    pictures = [picture(0), picture(1, 64, 64)]
    found = features.of(pictures, RGB)
    assert found.shape == (2, 2048)
    with torch.no_grad():
        x = torch.from_numpy(clean_resize((pictures[1] / 255).astype(np.float32), 299))
        expected = inception(x.permute(2, 0, 1)[None] * 2 - 1)
    torch.testing.assert_close(found[1:], expected, rtol=1e-4, atol=1e-5)
    grey = picture(2)[:, :, :1]
    torch.testing.assert_close(
        features.of([grey], PixelFormat(1)), features.of([grey.repeat(3, axis=2)], RGB)
    )


class Layers(nn.Module):
    """Stands for clean-fid's file: its ``layers`` take -1..1, its own forward something else."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.AvgPool2d(100), nn.Flatten(), nn.Linear(12, width))

    def forward(self, x: Tensor) -> Tensor:
        wrong: Tensor = self.layers(x) * 0 - 7
        return wrong


def test_a_torchscript_file_brings_its_own_network(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the field's files are of this form
        script: Any = torch.jit.trace(Layers(2048).eval(), torch.zeros(1, 3, 299, 299))  # type: ignore[no-untyped-call]
        script.save(str(tmp_path / "inception-2015-12-05.pt"))
    features = load_inception(tmp_path / "inception-2015-12-05.pt", "legacy")
    assert features.distances == ("fid", "kid")
    assert "TensorFlow 1" in features.protocol["resizing"]
    found = features.of([picture(0)], RGB)
    assert found.shape == (1, 2048)
    assert not (found == -7).any()


def test_other_files_are_refused(inception: nn.Module, tmp_path: Path) -> None:
    state = inception.state_dict()
    files = {
        "aux": {**state, "AuxLogits.conv0.conv.weight": torch.zeros(1)},
        "short": {k: v for k, v in state.items() if "Mixed_7c" not in k},
        "shape": {**state, "Conv2d_1a_3x3.conv.weight": torch.zeros(32, 1, 3, 3)},
        "list": [1, 2],
    }
    texts = {"aux": "torchvision's Inception", "short": "Missing key",
             "shape": "size mismatch", "list": "received: .*: list"}  # fmt: skip
    for name, content in files.items():
        torch.save(content, tmp_path / name)
        with pytest.raises(UsageError, match=texts[name]):
            load_inception(tmp_path / name)
    (tmp_path / "text").write_text("no weights")
    (tmp_path / "empty").touch()

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "pwned"),)

    torch.save({"x": Bomb()}, tmp_path / "pickled")
    for name in ("text", "empty", "pickled"):
        with pytest.raises(UsageError, match="for --features"):
            load_inception(tmp_path / name)
    assert not (tmp_path / "pwned").exists()  # nothing in a file is run
    with pytest.raises(UsageError, match="no such file"):
        load_inception(tmp_path / "nowhere")


def test_weights_are_looked_for_where_packages_keep_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HWAN_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    assert find(["a.pth", "b.pt"]) is None
    places = ("cache/dnnlib/downloads/0123_b.pt", "tmp/b.pt", "torch/hub/checkpoints/a.pth",
              "own/weights/b.pt")  # fmt: skip
    for place in places:  # the last is looked at first
        path = tmp_path / place
        path.parent.mkdir(parents=True)
        path.touch()
        assert find(["a.pth", "b.pt"]) == path
    assert weight_folders()[0] == tmp_path / "own" / "weights"


def test_clean_resizing_is_pillows_on_floats_and_not_rounded() -> None:
    values = (picture(0, 90, 70) / 255).astype(np.float32)
    found = clean_resize(values, 32)
    plane = Image.fromarray(values[:, :, 1] * 255).resize((32, 32), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(found[:, :, 1], np.array(plane).clip(0, 255) / 255, atol=1e-6)
    assert np.abs(found * 255 - np.round(found * 255)).max() > 0.3


def test_legacy_resizing_reads_where_tensorflow_1_did() -> None:
    ramp = torch.arange(10.0)[None, None].expand(1, 7, 10)
    # i * 10 / 4 = 0, 2.5, 5, 7.5: no half pixel of centring, no averaging over what is left out.
    torch.testing.assert_close(legacy_resize(ramp, 4)[0, 0], torch.tensor([0, 2.5, 5, 7.5]))
    up = legacy_resize(torch.tensor([[[0.0, 1], [0, 1]]]), 4)
    torch.testing.assert_close(up[0, 0], torch.tensor([0, 0.5, 1, 1]))


# hwan's own network


def squares(seed: int, hue: int, n: int = 24) -> Tensor:
    x = torch.rand(n, 3, 64, 64, generator=torch.Generator().manual_seed(seed)) * 0.4 - 0.5
    x[:, hue, :32] += 0.8  # an up and a down, and a colour
    return x


def test_own_network_learns_the_task_is_the_same_again_and_leaves_the_seed_alone() -> None:
    a, b = squares(0, 0), squares(1, 2)
    torch.manual_seed(5)
    net, right = train_selfnet(a, b, steps=40)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))
    assert right > 0.8  # of 8 classes
    first, again = (self_features(n, 3) for n in (net, train_selfnet(a, b, steps=40)[0]))
    assert first.digest == again.digest
    assert first.digest != self_features(train_selfnet(b, a, steps=2)[0], 3).digest
    assert first.distances == ("frechet_self", "mmd_self")
    assert "FID" not in " ".join(first.protocol.values())
    assert first.of([picture(0)], RGB).shape == (1, 256)
    assert SelfNet(1)(torch.zeros(2, 1, 64, 64)).shape == (2, 256)


def test_features_come_in_batches_as_one_by_one() -> None:
    flat = Features("flat", "", lambda x: x.flatten(1), 16)
    pictures = [picture(i) for i in range(19)]
    together = flat.of(pictures, RGB)
    torch.testing.assert_close(together, torch.cat([flat.of([p], RGB) for p in pictures]))
    assert together.shape == (19, 768)
    assert together.abs().max() <= 1


# LPIPS


@pytest.fixture
def alexnet(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    path = tmp_path / "alexnet-owt-7be5be79.pth"
    torch.save({**AlexNet().state_dict(), "classifier.1.weight": torch.zeros(2, 2)}, path)
    return path


def test_lpips_is_torchmetrics_given_the_same_network(
    alexnet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lpips, digest = load_lpips(alexnet)
    assert digest == hashlib.sha256(alexnet.read_bytes()).hexdigest()
    theirs: Any = importlib.import_module("torchmetrics.functional.image.lpips")
    backbone = AlexNet()
    backbone.load_state_dict(torch.load(alexnet), strict=False)
    # Its AlexNet comes from torchvision, which is not here.
    monkeypatch.setattr(theirs, "_get_tv_model_features", lambda *_: backbone.features)
    net = theirs._LPIPS(net="alex")
    a, b = (torch.rand(2, 3, 64, 80) * 2 - 1 for _ in range(2))
    torch.testing.assert_close(lpips(a, b), net(a, b).flatten(), rtol=1e-4, atol=1e-6)
    assert (lpips(a, b) > 0).all()
    assert (lpips(a, a) == 0).all()
    grey = a[:, :1]
    torch.testing.assert_close(lpips(grey, b), lpips(grey.expand(-1, 3, -1, -1), b))


def test_lpips_refuses_other_files(tmp_path: Path) -> None:
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    for name in ("other.pth", "nowhere.pth"):
        with pytest.raises(UsageError, match="--lpips with torchvision's AlexNet"):
            load_lpips(tmp_path / name)


# Label maps

PALETTE = np.array([[0, 0, 170], [0, 85, 255], [255, 85, 0]])


def test_label_figures_by_hand() -> None:
    truth, given = (PALETTE[[c]].astype(np.uint8) for c in ([0, 0, 0, 1], [0, 0, 1, 1]))
    table = confusion(given, truth, PALETTE)
    assert table.tolist() == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    found = label_figures(table)
    assert found["pixel_accuracy"] == 0.75
    assert found["class_accuracy"] == pytest.approx((2 / 3 + 1) / 2)  # class 2 is never true
    assert found["class_iou"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert label_figures(np.diag([3, 0, 5])) == dict.fromkeys(found, 1.0)
    colours = PALETTE.astype(np.uint8)[:, None, None]
    wrong = label_figures(confusion(colours[2], colours[0], PALETTE))
    assert wrong == dict.fromkeys(found, 0.0)


def test_a_pixel_is_of_the_nearest_colour() -> None:
    shown = PALETTE[[[0, 1], [2, 0]]].astype(np.uint8)
    noisy = np.clip(shown.astype(int) + np.array([9, 20, -30]), 0, 255).astype(np.uint8)
    assert classes(shown, PALETTE).tolist() == [[0, 1], [2, 0]]
    assert classes(noisy, PALETTE).tolist() == [[0, 1], [2, 0]]


def test_a_palette_is_found_through_jpegs_noise() -> None:
    rng = np.random.default_rng(0)
    maps = []
    for _ in range(4):
        blocks = rng.choice(3, (8, 8), p=[0.6, 0.3, 0.1]).repeat(16, 0).repeat(16, 1)
        data = io.BytesIO()
        Image.fromarray(PALETTE[blocks].astype(np.uint8)).save(data, "JPEG", quality=75)
        maps.append(np.array(Image.open(data)))
    assert len(np.unique(np.concatenate(maps).reshape(-1, 3), axis=0)) > 30
    found = find_palette(maps)
    assert np.abs(found - PALETTE).max() <= 3
    assert share_named(*flat_colours(maps), PALETTE) > 0.99
    assert share_named(*flat_colours(maps), PALETTE[:2]) < 0.95


def test_photographs_are_no_label_maps() -> None:
    ramp = np.linspace(0, 255, 128)[:, None, None].repeat(128, 1).repeat(3, 2).astype(np.uint8)
    for maps in ([picture(0, 128, 128)], [ramp], [np.zeros((9, 9, 3), np.uint8)], []):
        with pytest.raises(UsageError, match="flat areas in 2 to 64 colours"):
            find_palette(maps)
    with pytest.raises(UsageError, match="8-bit RGB"):
        find_palette([np.zeros((9, 9, 1), np.uint8)])


def test_a_palette_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "palette.txt"
    file.write_text("0 0 170 background\n\n#0055ff\n255, 85, 0, door\n")
    assert read_palette(file).tolist() == PALETTE.tolist()
    for text in ("0 0 300\n1 1 1", "#00ff\n1 1 1", "red\n1 1 1", "1 2\n3 4 5"):
        file.write_text(text)
        with pytest.raises(UsageError, match="a class as R G B"):
            read_palette(file)
    file.write_text("1 2 3")
    with pytest.raises(UsageError, match="at least 2 classes"):
        read_palette(file)
    with pytest.raises(UsageError, match="for --labels"):
        read_palette(tmp_path / "nowhere")
