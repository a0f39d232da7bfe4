"""Shapes and types of every annotated function are checked while the tests run."""

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# Installed before anything of hwan is imported.
hook = install_import_hook(
    [
        "hwan.image",
        "hwan.losses",
        "hwan.diffaugment",
        "hwan.nets",
        "hwan.methods",
        "hwan.metrics",
        "hwan.translate",
        "hwan.folder",
        "hwan.tiles",
        "hwan.flicker",
        "hwan.video",
    ],
    "beartype.beartype",
)

import torch  # noqa: E402

torch.set_num_threads(1)  # the tests run in two processes

SHARED = Path(__file__).parents[2] / "shared"  # measured against where it is there, never needed


@pytest.fixture
def fewer_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quicker sliced Wasserstein distance, where which number comes out is not the question."""
    from hwan.metrics import sliced

    monkeypatch.setattr(sliced, "PATCHES", 300)
    monkeypatch.setattr(sliced, "LINES", 16)


@pytest.fixture
def in_double(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adam makes whole steps of gradients that are all rounding; in double those stay below its epsilon."""
    from hwan.image import to_tensor
    from hwan.training import loop

    monkeypatch.setattr(loop, "to_tensor", lambda x, limits: to_tensor(x, limits).double())


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache; child processes inherit it too."""
    monkeypatch.setenv("HWAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
