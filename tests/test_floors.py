"""The walls: a room never imports one above it, files never import each other in a circle, and optional
packages stay inside the file that uses them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import hwan

ROOT = Path(hwan.__file__).parent
FLOORS = (
    ("errors",), ("files",), ("config",), ("imaging", "runtime"), ("nets",), ("data",), ("metrics",),
    ("methods", "inference", "report"), ("interop", "evaluation"), ("training",),
    ("exporting", "study"), ("web",), ("serve",), ("api",), ("cli",),
)  # fmt: skip
"""From the lowest to the highest; rooms on one floor do not import each other."""
OPTIONAL = {
    "onnx": "exporting", "onnxruntime": "exporting", "onnxscript": "exporting", "h5py": "interop",
    "av": "inference/video", "huggingface_hub": "inference/hub", "tensorboard": "training/tensorboard",
    "fastapi": "serve", "starlette": "serve", "uvicorn": "serve", "prometheus_client": "serve",
}  # fmt: skip
FILES = sorted(ROOT.rglob("*.py"))
LIGHT = ("config", "errors", "files", "cli")
HEAVY = ("torch", "numpy", "PIL", "hwan.imaging", "hwan.runtime", "hwan.nets")


def name(path: Path) -> str:
    """A file's module: hwan.nets.resnet, or hwan.nets for its __init__."""
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name(path): path for path in FILES}


def imports(path: Path, top_only: bool = False) -> Iterator[str]:
    """Every module that a file imports, at its top or anywhere in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module


def room(module: str) -> str:
    return module.split(".")[1]


def floor(module: str) -> int:
    return next(i for i, rooms in enumerate(FLOORS) if room(module) in rooms)


def test_every_room_has_a_floor_and_few_files_are_loose() -> None:
    assert {room(module) for module in MODULES if module != "hwan"} == {
        r for f in FLOORS for r in f
    }
    loose = {path.name for path in ROOT.iterdir() if path.is_file()}
    assert loose == {"__init__.py", "api.py", "errors.py", "files.py", "runtime.py", "py.typed"}


@pytest.mark.parametrize("module", MODULES)
def test_floors(module: str) -> None:
    if module == "hwan":
        return  # the doors: what is behind them is imported when it is used
    own = MODULES[module].relative_to(ROOT).with_suffix("").as_posix()
    for other in imports(MODULES[module]):
        if other.startswith("hwan."):
            same = room(other) == room(module)
            assert same or floor(other) < floor(module), f"{module} imports {other}"
            if room(module) == "serve":
                assert room(other) not in ("training", "methods", "data"), f"serve imports {other}"
        elif other.split(".")[0] in OPTIONAL:
            assert own.startswith(OPTIONAL[other.split(".")[0]]), f"{module} imports {other}"


def test_methods_do_not_import_each_other() -> None:
    methods = {"cyclegan", "gan", "pix2pix", "cut"}
    for method in methods:
        for other in imports(ROOT / "methods" / f"{method}.py"):
            assert other.removeprefix("hwan.methods.") not in methods


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """The modules along one circle of imports; empty where there is none."""
    done: set[str] = set()

    def visit(module: str, way: list[str]) -> list[str]:
        if module in way:
            return way[way.index(module) :]
        if module not in done:
            for other in sorted(graph[module]):
                if found := visit(other, [*way, module]):
                    return found
            done.add(module)
        return []

    return next((found for module in graph if (found := visit(module, []))), [])


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = {
        module: {other for other in imports(path) if other in MODULES} - {"hwan", module}
        for module, path in MODULES.items()
    }
    graph["hwan"] = set()  # its doors are imported when they are used
    assert circle(graph) == []


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": {"b"}}
    assert circle(graph) == ["b", "c", "d"]


@pytest.mark.parametrize("module", [m for m in MODULES if m != "hwan" and room(m) in LIGHT])
def test_config_and_help_stay_light(module: str) -> None:
    found = [
        other for other in imports(MODULES[module], top_only=True)
        if other.startswith(HEAVY)
    ]  # fmt: skip
    assert found == []
