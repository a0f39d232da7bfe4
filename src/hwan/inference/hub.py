"""Generator folders on the Hugging Face hub, by its conventions: config.json, model.safetensors and a
model card. huggingface_hub's mixin for PyTorch would do the same for a module's constructor, but it
writes a config.json of its own and must be inherited from; a Translator is neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from torch import nn

from hwan.errors import UsageError
from hwan.files import write_atomic
from hwan.inference.model_card import README, model_card, read_card
from hwan.nets.folder import CONFIG, WEIGHTS, GeneratorSpec, save_generator
from hwan.runtime import need

FILES = [CONFIG, WEIGHTS]  # all that is fetched, whatever else is there


def download(repo_id: str, revision: str | None = None, token: str | None = None) -> Path:
    """The generator folder in the hub's repository ``repo_id`` ("user/name"), in the hub's cache.

    Raises ``UsageError`` without the hub extra, and where it cannot be had.
    """
    with _hub(
        f"a generator folder, or a repository of the hub (user/name), at {repo_id}",
        "check the name, the network and, for a private one, the token",
    ) as hub:
        path = hub.snapshot_download(repo_id, revision=revision, token=token, allow_patterns=FILES)
        return Path(path)


@contextmanager
def _hub(expected: str, fix: str) -> Iterator[ModuleType]:
    """huggingface_hub. Raises ``UsageError`` without it, and for no such name or repository, no access, no
    network."""
    hub = need("huggingface_hub", "hub", "the model hub")
    try:
        yield hub
    except (OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(expected, reason, fix) from error


def upload(folder: Path, repo_id: str, private: bool | None, token: str | None) -> str:
    """Make the hub's repository ``repo_id`` if need be, upload ``folder``, return its address.

    A model card that is there stays as it is. Raises ``UsageError`` without the hub extra, and where
    the hub refuses.
    """
    with _hub(
        f"the hub to take the generator as {repo_id}",
        "check the name, the network and the token (hf auth login)",
    ) as hub:
        address = hub.create_repo(repo_id, private=private, token=token, exist_ok=True)
        described = hub.file_exists(repo_id, README, token=token)
        hub.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            token=token,
            commit_message="Upload a generator",
            ignore_patterns=[README] if described else None,
        )
    return str(address)


def write_folder(
    folder: Path, net: nn.Module, spec: GeneratorSpec, repo_id: str = "USER/NAME"
) -> None:
    """Write the generator folder, with a model card (README.md) unless there is one: its words are its
    owner's."""
    save_generator(folder, net, spec)
    path = folder / README
    if not path.exists():
        write_atomic(path, model_card(spec, name=repo_id).encode())


def licence(folder: Path) -> str:
    """The licence that the folder's model card names in its front matter; "" where it names none."""
    found = re.search(r"\A---\n(?:.*\n)*?license: *(.+)\n(?:.*\n)*?---", read_card(folder))
    return found[1].strip() if found else ""
