"""The Translator: a generator applied to an image of any size, to files and to folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from hwan import hub
from hwan.config import Kind, read_json
from hwan.data.folders import list_images
from hwan.errors import UsageError
from hwan.formats import WRITERS, to_pil
from hwan.image import DTYPES, RGB, Pixels, decode, save, suffix_for, to_pixels, to_tensor
from hwan.nets import sizes
from hwan.nets.folder import GeneratorCard, load_generator, save_generator
from hwan.runtime import pick_device


class Translator:
    """``Translator(net, card)(picture)`` is the translated picture, of the same size."""

    def __init__(
        self, generator: torch.nn.Module, card: GeneratorCard, device: str = "cpu"
    ) -> None:
        self.device = pick_device(device)
        self.generator = generator.to(self.device).eval()
        self.card = card
        self.multiple, self.least = sizes(card.generator)

    def __call__(self, source: Path | str | bytes | Image.Image | np.ndarray) -> Image.Image:
        """Translate one image: a path, a file's bytes, a Pillow image, or pixels (H, W, C) of just
        what the generator reads.

        Raises ``UsageError`` for an image that is not that, and where Pillow cannot hold the
        translation: ``array`` gives any.
        """
        return to_pil(self.array(source))

    def array(self, source: Path | str | bytes | Image.Image | np.ndarray) -> Pixels:
        """The translation of one image as pixels (H, W, channels_out), in the depth and range that
        the generator writes."""
        if isinstance(source, np.ndarray):
            kind = self.card.kind_in
            if source.ndim != 3 or source.dtype != DTYPES[kind.depth]:
                raise UsageError(
                    f"an array is {DTYPES[kind.depth]} (H, W, C), {kind.limits}",
                    f"{source.dtype} {source.shape}",
                    "convert it; grey[:, :, None] adds a channel",
                )
            return self.pixels(source)
        source = Path(source) if isinstance(source, str) else source
        return self.pixels(decode(source, self.card.kind_in).pixels)

    def pixels(self, pixels: Pixels) -> Pixels:
        """Pixels of the card's ``kind_in`` to pixels of its ``kind_out``.

        Raises ``UsageError`` for another number of channels, or another depth.
        """
        kind = self.card.kind_in
        if pixels.shape[2] != kind.channels or pixels.dtype != DTYPES[kind.depth]:
            raise UsageError(
                f"this generator reads {kind.channels} channels"
                + ("" if kind.depth == "8" else f" of {DTYPES[kind.depth]}"),
                f"{pixels.dtype} {pixels.shape}",
                "decode the image with the kind_in of the generator's card",
            )
        batch = to_tensor(torch.from_numpy(pixels.copy())[None], kind.range)
        out: Pixels = to_pixels(self.tensor(batch), self.card.kind_out)[0]
        return out

    @torch.inference_mode()
    def tensor(self, images: Float[Tensor, "b ci h w"]) -> Float[Tensor, "b co h w"]:
        """(B, C, H, W) in [-1, 1], any H and W: padded, run, and cropped back."""
        height, width = images.shape[2:]
        padded = pad_to(images.to(self.device), self.multiple, self.least)
        top, left = (padded.shape[2] - height) // 2, (padded.shape[3] - width) // 2
        out: Tensor = self.generator(padded)
        return out[:, :, top : top + height, left : left + width]

    @classmethod
    def from_pretrained(
        cls,
        source: Path | str,
        device: str = "auto",
        revision: str | None = None,
        token: str | None = None,
    ) -> Translator:
        """The Translator of a generator folder, or of a repository of the Hugging Face hub
        ("user/name", at a branch, tag or commit ``revision``).

        Raises ``UsageError`` where neither is to be had, and for the hub without the hub extra.
        """
        folder = Path(source)
        if not folder.is_dir():
            folder = hub.download(str(source), revision, token)
        return cls(*load_generator(folder), device=device)

    def save_pretrained(self, folder: Path | str) -> None:
        """Write the generator folder, with a model card (README.md) unless it has one."""
        save_generator(Path(folder), self.generator, self.card)
        hub.write_card(Path(folder), self.card)

    def push_to_hub(
        self, repo_id: str, private: bool | None = None, token: str | None = None
    ) -> str:
        """Upload the generator to the repository ``repo_id``, made if need be; returns its address.

        A model card that is there stays. Raises ``UsageError`` without the hub extra, and where the
        hub refuses.
        """
        with TemporaryDirectory() as folder:
            save_generator(Path(folder), self.generator, self.card)
            hub.write_card(Path(folder), self.card, repo_id)
            return hub.upload(Path(folder), repo_id, private, token)


def pad_to(images: Float[Tensor, "b c h w"], multiple: int, least: int) -> Float[Tensor, "b c y x"]:
    """Grow H and W evenly at both ends to a multiple, at least ``least``: by reflection where the
    image is large enough to reflect, else by repeating its border."""
    for axis in (2, 3):
        side = images.shape[axis]
        target = max(least, -(-side // multiple) * multiple)
        before, after = (target - side) // 2, target - side - (target - side) // 2
        if before or after:
            edges = [0, 0, before, after] if axis == 2 else [before, after, 0, 0]
            mode = "reflect" if max(before, after) < side else "replicate"
            images = pad(images, edges, mode=mode)
    return images


def find_generator(run: Path, direction: str = "") -> Path:
    """The generator folder behind RUN: RUN itself, or its ``generator_ab`` (the default) or ``_ba``.

    Raises ``UsageError`` when there is none, or when a generator folder has the other direction.
    """
    if is_generator(run):
        own = read_json(run / "config.json").get("direction")
        if direction and own != direction:
            raise UsageError(
                f"a generator has one direction; {run} has {own}",
                direction,
                "give the run folder, or the other generator",
            )
        return run
    direction = direction or "ab"
    folder, config = run / f"generator_{direction}", run / "config.json"
    if direction == "ba" and config.is_file() and read_json(config).get("method") != "cyclegan":
        raise UsageError(
            "a one-way method trains A to B alone", "ba", "train one the other way: --data.swap"
        )
    if not (folder / "model.safetensors").is_file():
        raise UsageError(
            "RUN is a run folder with a trained generator, or a generator folder",
            run,
            "give the --out of a training; it writes generators from its first tick on",
        )
    return folder


def is_generator(folder: Path) -> bool:
    """Whether a folder is, or by its config.json means to be, a generator folder."""
    if (folder / "model.safetensors").is_file():
        return True
    return (folder / "config.json").is_file() and "format" in dict.fromkeys(
        read_json(folder / "config.json")
    )


def load(run: Path | str, device: str = "auto", direction: str = "") -> Translator:
    """The Translator of a generator folder, or of a run's ``direction`` ("ab" if not said)."""
    return Translator(*load_generator(find_generator(Path(run), direction)), device=device)


@dataclass(frozen=True)
class Outcome:
    """One file of a folder translation: where it went, or why not; ``notes`` on its decoding."""

    source: Path
    target: Path
    error: str = ""
    notes: tuple[str, ...] = ()


def plan(
    inputs: Sequence[Path], out: Path, suffix: str = "", overwrite: bool = False, kind: Kind = RGB
) -> list[tuple[Path, Path]]:
    """(source, target) of every image in ``inputs``, files and folders, for translations of ``kind``.

    Files keep their name, folders their structure inside ``out``. A format that hwan does not write
    (GIF), or that does not hold the kind (JPEG for 16 bit), becomes PNG, or TIFF where PNG does not
    hold it either; and every file gets ``suffix`` where that is given. Sources that would then share
    a target keep their full names ("a.gif.png").

    Raises ``UsageError`` for a missing input, one without images, a suffix not written or that does
    not hold the kind, two inputs of one name, or (without ``overwrite``) a target that is there
    already; a source is never written over.
    """
    if suffix and suffix not in WRITERS:
        raise UsageError("--format is one of " + ", ".join(WRITERS), suffix, "give .png, say")
    if suffix and suffix_for(kind, suffix) != suffix:
        raise UsageError(
            f"--format holds what the generator writes, {kind}",
            suffix,
            f"give {suffix_for(kind)}, say",
        )
    if not inputs:
        raise UsageError(
            "a translation reads images or folders",
            "none",
            "name them after the run: hwan translate RUN IMAGES --out DIR",
        )
    kept: list[tuple[Path, Path]] = []
    for item in inputs:
        if not item.exists():
            raise UsageError(
                "an input is an image file or a folder", f"{item}: not there", "check it"
            )
        files = list_images(item) if item.is_dir() else (item,)
        if not files:
            raise UsageError("an input folder holds images", f"{item}: none", "check the folder")
        base = item if item.is_dir() else item.parent
        kept += [(file, out / file.relative_to(base)) for file in files]
    uses = Counter(target.with_suffix(_suffix(target, suffix, kind)) for _, target in kept)
    planned: dict[Path, Path] = {}
    for source, target in kept:
        ending = _suffix(target, suffix, kind)
        final = target.with_suffix(ending)
        if uses[final] > 1 and target.suffix != ending:
            final = target.with_name(target.name + ending)
        if final in planned:
            raise UsageError(
                "every input has a name of its own",
                f"{planned[final]} and {source}",
                "translate them into different folders",
            )
        planned[final] = source
    sources = {source.resolve() for source in planned.values()}
    for final in planned:
        if final.resolve() in sources or (final.exists() and not overwrite):
            raise UsageError(
                "a translation does not replace a file",
                f"{final} is there already",
                "give another --out, or --overwrite for earlier translations",
            )
    return [(source, final) for final, source in planned.items()]


def _suffix(target: Path, wanted: str, kind: Kind) -> str:
    own = target.suffix if target.suffix.lower() in WRITERS else ".png"
    return wanted or suffix_for(kind, own)


def translate_files(
    translator: Translator, pairs: Iterable[tuple[Path, Path]]
) -> Iterator[Outcome]:
    """Translate every pair, one after another; a broken file is reported and does not stop the rest."""
    for source, target in pairs:
        try:
            picture = decode(source, translator.card.kind_in)
            save(translator.pixels(picture.pixels), target)
        except (UsageError, OSError) as error:
            reason = str(error.received) if isinstance(error, UsageError) else str(error)
            yield Outcome(source, target, reason)
        else:
            yield Outcome(source, target, notes=picture.notes)
