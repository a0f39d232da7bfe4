"""onnxruntime-web's files for the web bundle: from a folder, hwan's cache, or the npm registry."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from hwan.errors import UsageError
from hwan.files import cache_root, write_atomic

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
# The one build that has both WebGPU and a fallback without threads; of the 148 MB these two are needed.
SCRIPT, WASM = "ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm"
SHA256 = {
    SCRIPT: "0730816731ce2cdfb06f273da065d4a1c7091eb9d1756a83b2916c8a89d015e2",
    WASM: "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
}


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
    if found != SHA256[name]:
        raise UsageError(
            f"{name} of {PACKAGE} {VERSION}",
            f"another file in {source} (SHA-256 {found[:12]}...)",
            f"npm pack {PACKAGE}@{VERSION}, unpack it, and give --runtime that folder",
        )
    return data


def _from_folder(folder: Path) -> dict[str, bytes]:
    for place in (folder, folder / "dist", folder / "package" / "dist"):
        if (place / WASM).is_file() and (place / SCRIPT).is_file():
            return {name: _checked(name, (place / name).read_bytes(), place) for name in SHA256}
    raise UsageError(
        f"an unpacked {PACKAGE} {VERSION}, or its dist folder, at --runtime",
        f"{folder}, without {WASM}",
        f"npm pack {PACKAGE}@{VERSION} and tar xf it, or leave --runtime out where npm is",
    )


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
    npm = shutil.which("npm")
    if npm is None:
        raise _unavailable("npm is not installed")
    with tempfile.TemporaryDirectory() as place:
        try:
            subprocess.run(
                [npm, "pack", f"{PACKAGE}@{VERSION}", "--ignore-scripts", "--silent"],
                cwd=place,
                check=True,
                capture_output=True,
                text=True,
                timeout=300,
            )
        except subprocess.CalledProcessError as error:
            raise _unavailable((error.stderr.strip() or "npm failed").splitlines()[-1]) from error
        except subprocess.TimeoutExpired as error:
            raise _unavailable("npm took more than five minutes") from error
        (archive,) = Path(place).glob("*.tgz")
        files = {}
        with tarfile.open(archive) as tar:
            for name in SHA256:
                member = tar.extractfile(f"package/dist/{name}")
                assert member is not None
                files[name] = _checked(name, member.read(), archive.name)
        return files


def _unavailable(reason: str) -> UsageError:
    return UsageError(
        f"{PACKAGE} {VERSION} from npm, once, for the web bundle",
        reason,
        "install npm and be online for the first export, or, where npm is, run npm pack "
        f"{PACKAGE}@{VERSION}, unpack it, and give --runtime that folder",
    )
