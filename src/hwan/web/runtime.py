"""onnxruntime-web's files for the web bundle: from a folder, hwan's cache, or the npm registry."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from hwan.errors import UsageError, require
from hwan.files import cache_root, write_atomic

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
# The one build that has both WebGPU and a fallback without threads; of the 148 MB these two are needed.
SCRIPT, WASM = "ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm"
SHA256 = {
    SCRIPT: "0730816731ce2cdfb06f273da065d4a1c7091eb9d1756a83b2916c8a89d015e2",
    WASM: "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
}

BY_HAND = f"run `npm pack {PACKAGE}@{VERSION}`, unpack the file, and give that folder by --runtime"


def runtime_files(folder: Path | None = None) -> dict[str, bytes]:
    """The two files, checked; the WebAssembly compressed, as the bundle keeps it.

    From ``folder`` (an unpacked package of this version, or its dist); else from hwan's cache; else
    `npm pack` fetches the package once and the cache keeps the two. Raises ``UsageError`` where they
    are not to be had, and for files that are not the ones hwan was tested with.
    """
    files = _from_folder(folder) if folder else _cached()
    return {SCRIPT: files[SCRIPT], WASM + ".gz": gzip.compress(files[WASM], 6, mtime=0)}


def _checked(name: str, data: bytes, source: object) -> bytes:
    found = hashlib.sha256(data).hexdigest()
    received = f"another file in {source} (SHA-256 {found[:12]}...)"
    expected = f"the file {name} of {PACKAGE} {VERSION}"
    require(found == SHA256[name], expected, received, BY_HAND)
    return data


def _from_folder(folder: Path) -> dict[str, bytes]:
    for place in (folder, folder / "dist", folder / "package" / "dist"):
        if (place / WASM).is_file() and (place / SCRIPT).is_file():
            return {name: _checked(name, (place / name).read_bytes(), place) for name in SHA256}
    expected = f"an unpacked {PACKAGE} {VERSION}, or its dist folder, at --runtime"
    fix = f"{BY_HAND}, or install npm and leave --runtime out"
    raise UsageError(expected, f"{folder}, without {WASM}", fix)


def _cached() -> dict[str, bytes]:
    cache = cache_root() / f"{PACKAGE}-{VERSION}"
    try:
        return {name: _checked(name, (cache / name).read_bytes(), cache) for name in SHA256}
    except (OSError, UsageError):  # absent, or damaged
        files = _from_npm()
    for name, data in files.items():
        write_atomic(cache / name, data)
    return files


def _from_npm() -> dict[str, bytes]:
    problem, npm = "npm is not installed", shutil.which("npm")
    with tempfile.TemporaryDirectory() as place:
        if npm:
            fetch = [npm, "pack", f"{PACKAGE}@{VERSION}", "--ignore-scripts", "--silent"]
            try:
                done = subprocess.run(fetch, cwd=place, capture_output=True, text=True, timeout=300)
                problem = (done.stderr.strip() or "npm failed") if done.returncode else ""
            except subprocess.TimeoutExpired:
                problem = "npm took more than five minutes"
        expected = f"npm and its registry, which have {PACKAGE} {VERSION} for the web bundle"
        fix = (
            f"install npm, or go online, for the first export; or on a machine with both {BY_HAND}"
        )
        require(not problem, expected, problem.rpartition("\n")[2], fix)
        (archive,) = Path(place).glob("*.tgz")
        with tarfile.open(archive) as tar:
            members = {name: tar.extractfile(f"package/dist/{name}") for name in SHA256}
            return {n: _checked(n, m.read(), archive.name) for n, m in members.items() if m}
