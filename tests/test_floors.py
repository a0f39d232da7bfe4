"""The walls: a lower floor never imports a higher one, and optional parts stay inside their file."""

import ast
from pathlib import Path

import pytest

import hwan

ROOT = Path(hwan.__file__).parent
FLOORS = {
    "errors": 0, "tags": 0, "formats": 0, "image": 0, "config": 0, "speedconfig": 0, "netconfig": 0,
    "dataconfig": 0, "options": 0, "runtime": 0,
    "nets": 1, "losses": 1, "diffaugment": 1, "data": 1, "metrics": 1,
    "methods": 2, "translate": 2, "tiles": 2, "folder": 2, "flicker": 2, "video": 2, "export": 2,
    "interop": 2, "subject": 2, "card": 2, "hub": 2, "report": 2, "report_parts": 2, "chart": 2,
    "training": 3, "recipes": 3, "evaluate": 3, "results": 3, "distributions": 3, "instruments": 3,
    "compare": 3, "run_report": 3, "run_log": 3, "report_words": 3,
    "progress": 4, "api": 4, "board": 4, "planning": 4, "web": 4, "serve": 4, "study": 4,
    "verbs": 5, "cli": 5, "demo": 5,
}  # fmt: skip
OPTIONAL = {
    "onnx": "export", "onnxruntime": "export", "onnxscript": "export", "h5py": "interop",
    "av": "video", "huggingface_hub": "hub", "tensorboard": "board",
    "fastapi": "serve", "starlette": "serve", "uvicorn": "serve", "prometheus_client": "serve",
}  # fmt: skip
FILES = sorted(ROOT.rglob("*.py"))


def floor(module: str) -> str:
    return module.split(".")[1]


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += names if node.module == "hwan" else [node.module]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_floors(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if own == "__init__":
        return  # the doors: everything there is imported when used
    for module in imports(path):
        if module.startswith("hwan.") and module != "hwan.__version__":
            other = floor(module)
            assert FLOORS[other] <= FLOORS[own], f"{own} imports {module}"
            if own == "serve":
                assert other not in ("training", "methods", "data"), f"serve imports {module}"
            if own == "methods":
                siblings = {f"hwan.methods.{name}" for name in ("players", "pool", "adversary")}
                assert other != "methods" or path.stem == "__init__" or module in siblings
        elif module.split(".")[0] in OPTIONAL:
            assert own == OPTIONAL[module.split(".")[0]]


def test_every_module_has_a_floor() -> None:
    own = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in FILES} - {"__init__"}
    assert own == set(FLOORS)


def test_config_imports_no_torch() -> None:
    for name in (
        "config.py",
        "netconfig.py",
        "dataconfig.py",
        "errors.py",
        "recipes.py",
        "cli.py",
        "verbs/learn.py",
        "verbs/measure.py",
    ):
        tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
        top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        text = "\n".join(ast.unparse(node) for node in top)
        assert "torch" not in text
        assert "hwan.image" not in text
        assert "hwan.formats" not in text
