"""The walls: a room never imports one above it, files never import each other in a circle, optional
packages stay inside the file that uses them, light rooms stay light, and files stay short.

Each rule is a function over source texts, so that a test beside it shows that it can fail.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import hwan

ROOT = Path(hwan.__file__).parent
TESTS = Path(__file__).parent
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
LOOSE = {"__init__.py", "api.py", "errors.py", "files.py", "runtime.py", "py.typed"}
LIGHT = ("config", "errors", "files", "cli")
HEAVY = ("torch", "numpy", "PIL", "hwan.imaging", "hwan.runtime", "hwan.nets")
NEVER_IN_SERVE = ("training", "methods", "data")
LINES, TEST_LINES = 300, 400
Sources = Mapping[str, str]
"""Source text by module: hwan.nets.resnet, or hwan.nets for its __init__."""


def read(root: Path, below: Path) -> dict[str, str]:
    """Every source file under ``root``, named from ``below`` on."""
    return {
        ".".join(path.relative_to(below).with_suffix("").parts).removesuffix(".__init__"):
        path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*.py"))
    }  # fmt: skip


SOURCES = read(ROOT, ROOT.parent)
TEST_SOURCES = read(TESTS, TESTS)


def nodes(tree: ast.AST, top_only: bool) -> Iterator[ast.AST]:
    """The nodes of a module; with ``top_only`` those that run when it is imported."""
    for node in ast.iter_child_nodes(tree):
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if not (top_only and (function or for_types)):
            yield node
            yield from nodes(node, top_only)


def imports(module: str, sources: Sources, top_only: bool = False) -> Iterator[str]:
    """Every module that ``module`` imports, at its top or, without ``top_only``, anywhere in it."""
    for node in nodes(ast.parse(sources[module]), top_only):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in sources else str(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (str(arg.value) for arg in node.args if isinstance(arg, ast.Constant))


def room(module: str) -> str:
    return module.split(".")[1]


def floor(module: str) -> int:
    return next(i for i, rooms in enumerate(FLOORS) if room(module) in rooms)


def upward(module: str, sources: Sources) -> list[str]:
    """What ``module`` imports and must not: rooms not below its own, optional packages of other files."""
    if module == "hwan":
        return []  # the doors: what is behind them is imported when it is used
    own, found = module.replace(".", "/").removeprefix("hwan/"), []
    for other in imports(module, sources):
        package = other.split(".")[0]
        if other.startswith("hwan."):
            lower = room(other) == room(module) or floor(other) < floor(module)
            if not lower or (room(module) == "serve" and room(other) in NEVER_IN_SERVE):
                found.append(other)
        elif not own.startswith(OPTIONAL.get(package, "")):
            found.append(other)
    return found


def loaded(module: str, sources: Sources) -> set[str]:
    """The modules that run when ``module`` or a function in it does: what it imports, and the folders
    that those lie in, but not its own."""
    found = set(imports(module, sources))
    for other in list(found):
        parts = other.split(".")
        found |= {".".join(parts[:i]) for i in range(1, len(parts))}
    return {other for other in found if not f"{module}.".startswith(f"{other}.")} - {"hwan"}


def circle(sources: Sources) -> list[str]:
    """The modules along one circle of imports; empty where there is none."""
    graph = {module: loaded(module, sources) for module in sources}
    graph["hwan"] = set()  # its doors are imported when they are used
    done: set[str] = set()

    def visit(module: str, way: list[str]) -> list[str]:
        if module in way:
            return way[way.index(module) :]
        if module not in done:
            for other in sorted(graph[module] & graph.keys()):
                if found := visit(other, [*way, module]):
                    return found
            done.add(module)
        return []

    return next((found for module in graph if (found := visit(module, []))), [])


def heavy(module: str, sources: Sources) -> list[str]:
    """The way from ``module`` to the first heavy import that runs when it is imported."""
    seen: set[str] = set()

    def visit(module: str, way: list[str]) -> list[str]:
        if module.split(".")[0] in HEAVY or module.startswith(HEAVY[3:]):
            return [*way, module]
        if module not in seen and module in sources and module != "hwan":
            seen.add(module)
            for other in imports(module, sources, top_only=True):
                if found := visit(other, [*way, module]):
                    return found
        return []

    return visit(module, [])


def misplaced(root: Path) -> set[str]:
    """Files that lie loose and should not, and those of ``LOOSE`` that are missing."""
    return {path.name for path in root.iterdir() if path.is_file()} ^ LOOSE


def too_long(sources: Sources, most: int) -> list[str]:
    lengths = {name: len(text.splitlines()) for name, text in sources.items()}
    return [f"{name}: {lines}" for name, lines in lengths.items() if lines > most]


def without_docstring(sources: Sources, packages: set[str]) -> list[str]:
    return [name for name in sorted(packages) if not ast.get_docstring(ast.parse(sources[name]))]


def imported_tests(sources: Sources) -> list[str]:
    """Test files that another one imports."""
    return [
        f"{name} imports {other}"
        for name in sources
        for other in imports(name, sources)
        if any(part.startswith("test_") for part in other.split("."))
    ]


def test_every_room_has_a_floor_and_few_files_are_loose() -> None:
    rooms = {room(module) for module in SOURCES if module != "hwan"}
    assert rooms == {one for rooms in FLOORS for one in rooms}
    assert len(LOOSE) <= 6
    assert misplaced(ROOT) == set()


@pytest.mark.parametrize("module", SOURCES)
def test_floors(module: str) -> None:
    assert upward(module, SOURCES) == []


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circle(SOURCES) == []


def test_methods_do_not_import_each_other() -> None:
    methods = {f"hwan.methods.{name}" for name in ("cyclegan", "gan", "pix2pix", "cut", "dcl")}
    for method in methods:
        assert not methods & set(imports(method, SOURCES))


@pytest.mark.parametrize("module", [m for m in SOURCES if m != "hwan" and room(m) in LIGHT])
def test_config_and_help_stay_light(module: str) -> None:
    assert heavy(module, SOURCES) == []


def test_files_are_short() -> None:
    assert too_long(SOURCES, LINES) == []
    assert too_long(TEST_SOURCES, TEST_LINES) == []


def test_every_folder_says_what_is_in_it() -> None:
    folders = {path.parent for path in ROOT.rglob("*.py")}
    packages = {".".join(folder.relative_to(ROOT.parent).parts) for folder in folders}
    assert packages <= SOURCES.keys()
    assert without_docstring(SOURCES, packages) == []


def test_no_test_file_imports_another() -> None:
    assert imported_tests(TEST_SOURCES) == []


INSIDE = "def late():\n    from {} import {}\n"


@pytest.mark.parametrize(
    ("module", "text", "found"),
    [
        ("hwan.nets.resnet", "import hwan.data.cache", "hwan.data.cache"),
        ("hwan.nets.resnet", "from hwan.data import cache", "hwan.data"),
        ("hwan.data.cache", "from hwan import api", "hwan.api"),
        ("hwan.imaging.pixels", "import hwan.runtime", "hwan.runtime"),
        ("hwan.data.cache", INSIDE.format("hwan.training", "loop"), "hwan.training"),
        ("hwan.data.cache", "import_module('hwan.training')", "hwan.training"),
        ("hwan.serve.app", "import hwan.data.cache", "hwan.data.cache"),
        ("hwan.data.cache", "import onnx", "onnx"),
        ("hwan.inference.hub", "from av import open", "av"),
    ],
)
def test_an_upward_import_is_found(module: str, text: str, found: str) -> None:
    assert upward(module, {module: text, "hwan.api": ""}) == [found]


@pytest.mark.parametrize(
    "texts",
    [
        {"hwan.a": "import hwan.b", "hwan.b": "import hwan.c", "hwan.c": "import hwan.a"},
        {"hwan.a": "from hwan import b", "hwan.b": "from hwan import a"},
        {"hwan.a": "from hwan.b import c", "hwan.b": "import hwan.a", "hwan.b.c": ""},
        {"hwan.a": "import hwan.b", "hwan.b": INSIDE.format("hwan", "a")},
        {"hwan.a": "import hwan.b", "hwan.b": "import_module('hwan.a')"},
    ],
)
def test_a_circle_is_found(texts: dict[str, str]) -> None:
    assert "hwan.a" in circle(texts)
    assert circle({**texts, "hwan.b": ""}) == []


def test_a_relative_import_is_refused() -> None:
    for text in ("from . import cache", "from .cache import Cache"):
        with pytest.raises(AssertionError, match="imports are absolute"):
            list(imports("hwan.data.sets", {"hwan.data.sets": text}))


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("import torch", ["torch"]),
        ("from torch.nn import Module", ["torch.nn"]),
        ("try:\n    import numpy\nexcept ImportError:\n    pass", ["numpy"]),
        ("import hwan.files", ["hwan.files", "PIL"]),
        ("from hwan.nets import build_generator", ["hwan.nets"]),
        ("def late():\n    import torch", None),
        ("if TYPE_CHECKING:\n    import torch", None),
    ],
)
def test_a_heavy_import_is_found(text: str, way: list[str] | None) -> None:
    texts = {"hwan.config.data": text, "hwan.files": "import PIL"}
    assert heavy("hwan.config.data", texts) == (["hwan.config.data", *way] if way else [])


def test_a_loose_file_is_found(tmp_path: Path) -> None:
    for name in (*LOOSE, "results.py"):
        (tmp_path / name).touch()
    assert misplaced(tmp_path) == {"results.py"}


def test_a_long_file_is_found() -> None:
    assert too_long({"short": "x\n" * LINES, "long": "x\n" * (LINES + 1)}, LINES) == ["long: 301"]


def test_a_folder_without_words_is_found() -> None:
    texts = {"hwan.a": '"""What is here."""', "hwan.b": "import os"}
    assert without_docstring(texts, {"hwan.a", "hwan.b"}) == ["hwan.b"]


@pytest.mark.parametrize(
    "text", ["import test_b", "from data.test_b import f", "def f():\n    import test_b"]
)
def test_a_test_file_that_imports_another_is_found(text: str) -> None:
    assert imported_tests({"data.test_a": text, "tiny": "import runs"}) != []
