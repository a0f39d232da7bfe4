"""The Translator: a generator applied to an image of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from hwan.config import Precision
from hwan.config.methods import record_of
from hwan.errors import UsageError
from hwan.files import read_json
from hwan.imaging.codecs import to_pil
from hwan.imaging.pixels import DTYPES, Pixels, decode, to_pixels, to_tensor
from hwan.inference import hub
from hwan.inference.tiles import Rows, strips
from hwan.nets import sizes
from hwan.nets.fast.switch import use_fast_kernels
from hwan.nets.folder import GeneratorSpec, load_generator, save_generator
from hwan.runtime import AUTOCAST, keep_freed_memory, pick_device, pick_precision

WHOLE = 2**21  # pixels, a little more than 1920 x 1080: about 2.5 GB at 64 filters
TILE = 512


class Translator:
    """``Translator(net, card)(picture)`` is the translated picture, of the same size."""

    def __init__(
        self,
        generator: torch.nn.Module,
        spec: GeneratorSpec,
        device: str = "cpu",
        tile: int = 0,
        precision: Precision = "fp32",
    ) -> None:
        """``tile``: 0 translates images of up to ``WHOLE`` pixels at once and larger ones in strips of
        ``TILE`` x ``TILE`` pixels (hwan.inference.tiles); another number, all in strips of so many squared.
        ``precision``: bf16 or fp16 where the hardware is faster in it, for what goes at once; strips are
        always fp32."""
        if tile < 0:
            raise UsageError("tile is a number of pixels, or 0", tile, "give 512, say")
        self.device, self.tile = pick_device(device), tile
        self.engine: Callable[[Tensor], Tensor] | None = None
        """Runs the network in its stead on what goes at once (``export.onnx_engine``)."""
        self.half = AUTOCAST.get(pick_precision(precision, self.device))
        self.generator = generator.to(self.device).eval()
        if self.device.type == "cpu":
            keep_freed_memory()
            use_fast_kernels(self.generator, True)
        self.spec = spec
        self.multiple, self.least = sizes(spec.generator)

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
            kind = self.spec.format_in
            if source.ndim != 3 or source.dtype != DTYPES[kind.depth]:
                raise UsageError(
                    f"an array is {DTYPES[kind.depth]} (H, W, C), {kind.limits}",
                    f"{source.dtype} {source.shape}",
                    "convert it; grey[:, :, None] adds a channel",
                )
            return self.pixels(source)
        source = Path(source) if isinstance(source, str) else source
        return self.pixels(decode(source, self.spec.format_in).pixels)

    def pixels(self, pixels: Pixels) -> Pixels:
        """Pixels of the card's ``format_in`` to pixels of its ``format_out``.

        Raises ``UsageError`` for another number of channels, or another depth.
        """
        kind = self.spec.format_in
        if pixels.shape[2] != kind.channels or pixels.dtype != DTYPES[kind.depth]:
            raise UsageError(
                f"this generator reads {kind.channels} channels"
                + ("" if kind.depth == "8" else f" of {DTYPES[kind.depth]}"),
                f"{pixels.dtype} {pixels.shape}",
                "decode the image with the kind_in of the generator's card",
            )
        if self.tile or pixels.shape[0] * pixels.shape[1] > WHOLE:
            return self._in_strips(pixels, self.tile or TILE)
        batch = to_tensor(torch.from_numpy(pixels.copy())[None], kind.range)
        out: Pixels = to_pixels(self.tensor(batch), self.spec.format_out)[0]
        return out

    def many(self, pictures: Sequence[Pixels]) -> list[Pixels]:
        """``pixels`` of several of one size, in one batch unless they go in strips."""
        height, width, _ = pictures[0].shape
        if len(pictures) == 1 or self.tile or height * width > WHOLE:
            return [self.pixels(one) for one in pictures]
        batch = to_tensor(torch.from_numpy(np.stack(pictures)), self.spec.range_in)
        return list(to_pixels(self.tensor(batch), self.spec.format_out))

    def _in_strips(self, pixels: Pixels, tile: int) -> Pixels:
        """What ``pixels`` gives, but for the rounding of sums, in memory that does not grow."""
        height, width, _ = pixels.shape
        (top, bottom), (left, right) = (
            margins(side, self.multiple, self.least) for side in (height, width)
        )
        padded = pixels
        for axis, edges in enumerate([(top, bottom), (left, right)]):
            mode: Literal["reflect", "edge"] = (
                "reflect" if max(edges) < pixels.shape[axis] else "edge"
            )
            padded = np.pad(padded, [edges if i == axis else (0, 0) for i in range(3)], mode)

        def read(first: int, end: int) -> Tensor:
            rows = torch.from_numpy(padded[first:end].copy())[None].to(self.device)
            return to_tensor(rows, self.spec.range_in)

        kind = self.spec.format_out
        out = np.empty((padded.shape[0], width, kind.channels), DTYPES[kind.depth])
        rows, done = Rows(pixels.shape[2], padded.shape[0], padded.shape[1], read), 0
        for strip in strips(self.generator, rows, tile):
            made = to_pixels(strip[:, :, :, left : left + width], kind)[0]
            out[done : done + len(made)] = made
            done += len(made)
        return np.ascontiguousarray(out[top : top + height])

    @property
    def on_cpu(self) -> bool:
        """Whether it runs on the CPU."""
        return self.device.type == "cpu"

    @property
    def side_by_side(self) -> bool:
        """Whether several pictures may be translated at once, some of a CPU's cores to each."""
        draws = self.spec.generator.dropout and self.spec.generator.test_dropout
        return self.on_cpu and self.engine is None and torch.get_num_threads() > 1 and not draws

    @torch.inference_mode()
    def tensor(self, images: Float[Tensor, "b ci h w"]) -> Float[Tensor, "b co h w"]:
        """(B, C, H, W) in [-1, 1], any H and W: padded, run, and cropped back."""
        height, width = images.shape[2:]
        padded = pad_to(images.to(self.device), self.multiple, self.least)
        top, left = (padded.shape[2] - height) // 2, (padded.shape[3] - width) // 2
        with torch.autocast(self.device.type, self.half, enabled=self.half is not None):
            out: Tensor = (self.engine or self.generator)(padded).float()
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
        save_generator(Path(folder), self.generator, self.spec)
        hub.write_card(Path(folder), self.spec)

    def push_to_hub(
        self, repo_id: str, private: bool | None = None, token: str | None = None
    ) -> str:
        """Upload the generator to the repository ``repo_id``, made if need be; returns its address.

        A model card that is there stays. Raises ``UsageError`` without the hub extra, and where the
        hub refuses.
        """
        with TemporaryDirectory() as folder:
            save_generator(Path(folder), self.generator, self.spec)
            hub.write_card(Path(folder), self.spec, repo_id)
            return hub.upload(Path(folder), repo_id, private, token)


def pad_to(images: Float[Tensor, "b c h w"], multiple: int, least: int) -> Float[Tensor, "b c y x"]:
    """Grow H and W evenly at both ends to a multiple, at least ``least``: by reflection where the
    image is large enough to reflect, else by repeating its border."""
    for axis in (2, 3):
        side = images.shape[axis]
        before, after = margins(side, multiple, least)
        if before or after:
            edges = [0, 0, before, after] if axis == 2 else [before, after, 0, 0]
            mode = "reflect" if max(before, after) < side else "replicate"
            images = pad(images, edges, mode=mode)
    return images


def margins(side: int, multiple: int, least: int) -> tuple[int, int]:
    """The pixels that ``pad_to`` adds before and after a side."""
    target = max(least, -(-side // multiple) * multiple)
    return (target - side) // 2, target - side - (target - side) // 2


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
    method = read_json(config).get("method", "") if config.is_file() else ""
    if method and direction not in record_of(method).directions:
        raise UsageError(
            f"a direction that method {method} trains: {', '.join(record_of(method).directions)}",
            direction,
            "train one the other way: --data.swap",
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


def load(
    run: Path | str,
    device: str = "auto",
    direction: str = "",
    tile: int = 0,
    precision: Precision = "fp32",
) -> Translator:
    """The Translator of a generator folder, or of a run's ``direction`` ("ab" if not said)."""
    folder = find_generator(Path(run), direction)
    return Translator(*load_generator(folder), device, tile, precision)
