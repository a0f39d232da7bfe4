"""Shapes and types of every annotated function are checked while the tests run."""

import os

import pytest
from jaxtyping import install_import_hook

# Installed before anything of hwan is imported.
hook = install_import_hook(
    ["hwan.imaging", "hwan.nets", "hwan.methods", "hwan.metrics", "hwan.inference"],
    "beartype.beartype",
)

import torch  # noqa: E402

torch.set_num_threads(1)  # the tests run in two processes


@pytest.fixture
def fewer_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quicker sliced Wasserstein distance, where which number comes out is not the question."""
    from hwan.metrics import sliced

    monkeypatch.setattr(sliced, "PATCHES", 300)
    monkeypatch.setattr(sliced, "LINES", 16)


@pytest.fixture
def in_double(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adam makes whole steps of gradients that are all rounding; in double those stay below its epsilon."""
    from hwan.imaging.pixels import to_tensor
    from hwan.training.steps import eager

    monkeypatch.setattr(eager, "to_tensor", lambda x, limits: to_tensor(x, limits).double())


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache; child processes inherit it too."""
    monkeypatch.setenv("HWAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
