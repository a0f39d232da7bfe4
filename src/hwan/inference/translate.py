"""The Translator: a generator applied to an image of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from hwan.config import Precision
from hwan.config.data import HINT_CHANNELS
from hwan.config.methods import record_of
from hwan.errors import require
from hwan.files import read_json
from hwan.imaging.codecs import to_pil
from hwan.imaging.hints import read_hints, with_hints
from hwan.imaging.pixels import DTYPES, Pixels, decode, to_pixels, to_tensor
from hwan.inference import hub
from hwan.inference.padding import crop_pixels, crop_to, margins, pad_pixels, pad_to, places
from hwan.inference.tiles import FeatureMap, strips
from hwan.nets.fast.switch import use_fast_kernels
from hwan.nets.folder import CONFIG, WEIGHTS, GeneratorSpec, direction_of, load_generator, read_spec
from hwan.runtime import AUTOCAST, keep_freed_memory, pick_device, pick_precision

WHOLE = 2**21  # pixels, a little more than 1920 x 1080: about 2.5 GB at 64 filters
TILE = 512
Source: TypeAlias = Path | str | bytes | Image.Image | np.ndarray
"""A picture: a path, a file's bytes, a Pillow image, or pixels (H, W, C)."""
Engine: TypeAlias = Callable[[nn.Module, GeneratorSpec], Callable[[Tensor], Tensor]]
"""Makes what runs in place of a network on the CPU: ``hwan.exporting.onnx_engine``."""


class Translator:
    """``Translator(net, spec)(image)`` is the translated image, of the same size."""

    def __init__(
        self,
        generator: nn.Module,
        spec: GeneratorSpec,
        device: str = "cpu",
        tile: int = 0,
        precision: Precision = "fp32",
        engine: Engine | None = None,
    ) -> None:
        """``tile``: 0 translates images of up to ``WHOLE`` pixels at once and larger ones in strips of
        ``TILE`` x ``TILE`` pixels (hwan.inference.tiles); another number, all in strips of so many squared.
        ``precision``: bf16 or fp16 where the hardware is faster in it, for what goes at once; strips are
        always fp32. ``engine`` runs what goes at once, on a CPU in fp32.

        Raises ``UsageError`` for a device that is absent, and for an engine on another device or in
        another precision or with a tile."""
        require(tile >= 0, "a tile of 0 or more pixels", tile, "give 512, say")
        expected = "no tile with an engine, which runs what goes at once"
        require(not (tile and engine), expected, tile, "leave --tile (or --engine) out")
        self.device, self.tile, self.spec = pick_device(device), tile, spec
        self.precision = pick_precision(precision, self.device)
        self.generator = generator.to(self.device).eval()
        self.multiple, self.least = spec.generator.sizes
        if self.on_cpu:
            keep_freed_memory()
            use_fast_kernels(self.generator, True)
        fits = engine is None or (self.on_cpu and self.precision == "fp32")
        received = f"{self.device}, {self.precision}"
        fix = "add --device cpu, or leave --engine (or --precision) out"
        require(fits, "an engine on the CPU in fp32", received, fix)
        self.engine = engine(self.generator, spec) if engine else None

    def __call__(self, source: Source, hints: Source | None = None) -> Image.Image:
        """Translate one image: a path, a file's bytes, a Pillow image, or pixels (H, W, C) of just
        what the generator reads. ``hints``: as ``hinted`` takes them.

        Raises ``UsageError`` for an image that is not that, and where Pillow cannot hold the
        translation: ``array`` gives any.
        """
        return to_pil(self.array(source, hints))

    def array(self, source: Source, hints: Source | None = None) -> Pixels:
        """The translation of one image as pixels (H, W, channels_out), in the depth and range that
        the generator writes."""
        if isinstance(source, np.ndarray):
            self._check(source)
            return self.pixels(source, hints)
        source = Path(source) if isinstance(source, str) else source
        return self.pixels(decode(source, self.spec.format_in).pixels, hints)

    def pixels(self, pixels: Pixels, hints: Source | None = None) -> Pixels:
        """Pixels (H, W, C) of the spec's ``format_in`` to pixels (H, W, C') of its ``format_out``.

        Raises ``UsageError`` for another number of channels, or another depth, and as ``hinted``.
        """
        return self.batch([pixels if hints is None else self.hinted(pixels, hints)])[0]

    def hinted(self, pixels: Pixels, hints: Source) -> Pixels:
        """Pixels (H, W, C) of the spec's ``format_in`` with colour hints, as ``batch`` takes them: hints are
        a picture with transparency (RGBA) of the same size, opaque where it says a colour.

        Raises ``UsageError`` for hints that are not that, for a generator that takes none, and with an
        engine, which was made for pictures without hints.
        """
        expected = "a generator that was trained with data.hints, for colour hints"
        received = f"one of method {self.spec.method} without them"
        require(self.spec.hints, expected, received, "leave the hints out, or train one")
        expected, fix = "no engine for colour hints", "leave --engine (or --hints) out"
        require(self.engine is None, expected, "an engine", fix)
        hints = Path(hints) if isinstance(hints, str) else hints
        return with_hints(pixels, read_hints(hints, *pixels.shape[:2]))

    def batch(self, pictures: Sequence[Pixels]) -> list[Pixels]:
        """``pixels`` of several of one size, in one batch unless they go in strips. All of them may be
        ``hinted``."""
        for pixels in pictures:
            self._check(pixels)
        height, width, _ = pictures[0].shape
        if self.in_strips(height, width):
            return [self._in_strips(pixels, self.tile or TILE) for pixels in pictures]
        return self.whole(pictures)

    def whole(self, pictures: Sequence[Pixels]) -> list[Pixels]:
        """``pixels`` of several of one size once padded, unchecked and in one batch whatever their size:
        for a caller that bounds the memory itself."""
        padded = np.stack([pad_pixels(pixels, self.multiple, self.least) for pixels in pictures])
        images = self._run(to_tensor(torch.from_numpy(padded), self.spec.range_in).to(self.device))
        made = to_pixels(images, self.spec.format_out)
        return [crop_pixels(m, *p.shape[:2]) for m, p in zip(made, pictures, strict=True)]

    def _check(self, pixels: np.ndarray) -> None:
        wanted = self.spec.format_in
        channels = {wanted.channels, wanted.channels + HINT_CHANNELS * self.spec.hints}
        known = pixels.ndim == 3 and pixels.shape[2] in channels
        fits = known and pixels.dtype == DTYPES[wanted.depth]
        finite = pixels.dtype.kind != "f" or bool(np.isfinite(pixels).all())
        expected = f"pixels (H, W, {wanted.channels}) of {DTYPES[wanted.depth]}, {wanted.limits}"
        received = f"{pixels.dtype} {pixels.shape}" + ("" if finite else ", with nan or infinity")
        fix = (
            "give the path, or decode it with the spec's format_in; grey[:, :, None] adds a channel"
        )
        require(fits and finite, expected, received, fix)

    def in_strips(self, height: int, width: int) -> bool:
        """Whether an image of this size is translated in strips."""
        return bool(self.tile) or height * width > WHOLE

    def _in_strips(self, pixels: Pixels, tile: int) -> Pixels:
        """What ``pixels`` gives, but for the rounding of sums, in memory that does not grow."""
        height, width, channels = pixels.shape
        if self.spec.hints and channels == self.spec.channels_in:
            pixels = with_hints(pixels, np.zeros((height, width, HINT_CHANNELS), np.uint8))
            channels = pixels.shape[2]
        rows, columns = (places(side, self.multiple, self.least) for side in (height, width))
        top, left = (margins(side, self.multiple, self.least)[0] for side in (height, width))

        def read(first: int, end: int) -> Tensor:
            some = torch.from_numpy(pixels[rows[first:end]][:, columns])[None].to(self.device)
            return to_tensor(some, self.spec.range_in)

        made = self.spec.format_out
        out = np.empty((len(rows), width, made.channels), DTYPES[made.depth])
        padded = FeatureMap(channels, len(rows), len(columns), read)
        done = 0
        for strip in strips(self.generator, padded, tile):
            out[done : done + strip.shape[2]] = to_pixels(strip[..., left : left + width], made)[0]
            done += strip.shape[2]
        return np.ascontiguousarray(out[top : top + height])

    @property
    def on_cpu(self) -> bool:
        """Whether it runs on the CPU."""
        return self.device.type == "cpu"

    @property
    def parallel(self) -> bool:
        """Whether several images may be translated at once, some of a CPU's cores to each."""
        draws = self.spec.generator.dropout and self.spec.generator.test_dropout
        return self.on_cpu and not self.engine and torch.get_num_threads() > 1 and not draws

    def tensor(self, images: Float[Tensor, "b ci h w"]) -> Float[Tensor, "b co h w"]:
        """(B, C, H, W) in [-1, 1], any H and W: padded, run, and cropped back."""
        height, width = images.shape[2:]
        padded = pad_to(images.to(self.device), self.multiple, self.least)
        return crop_to(self._run(padded), height, width)

    @torch.inference_mode()
    def _run(self, padded: Float[Tensor, "b ci y x"]) -> Float[Tensor, "b co y x"]:
        autocast = AUTOCAST.get(self.precision)
        with torch.autocast(self.device.type, autocast, enabled=autocast is not None):
            out: Tensor = (self.engine or self.generator)(padded).float()
        return out

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
        hub.write_folder(Path(folder), self.generator, self.spec)

    def push_to_hub(
        self, repo_id: str, private: bool | None = None, token: str | None = None
    ) -> str:
        """Upload the generator to the repository ``repo_id``, made if need be; returns its address.

        A model card that is there stays. Raises ``UsageError`` without the hub extra, and where the
        hub refuses.
        """
        with TemporaryDirectory() as folder:
            hub.write_folder(Path(folder), self.generator, self.spec, repo_id)
            return hub.upload(Path(folder), repo_id, private, token)


READY = Path(__file__).with_name("ready")
"""Generators that come with hwan: a generator folder each."""


def located(run: Path) -> Path:
    """``run``, or where there is nothing at that path, the generator of that name that comes with hwan."""
    own = READY / run.name
    return own if not run.exists() and str(run) == run.name and own.is_dir() else run


def find_generator(run: Path, direction: str = "") -> Path:
    """The generator folder behind RUN: RUN itself, its ``generator_ab`` (the default) or ``_ba``, or a
    generator that comes with hwan.

    Raises ``UsageError`` when there is none, or when a generator folder has the other direction.
    """
    run = located(run)
    folder = run if is_generator(run) else run / f"generator_{direction or 'ab'}"
    config = run / CONFIG
    method = read_json(config).get("method", "") if folder != run and config.is_file() else ""
    directions = record_of(method).directions
    trained = not method or not direction or direction in directions
    expected = f"a direction that method {method} trains: {', '.join(directions)}"
    require(trained, expected, direction, "train one the other way by --data.swap")
    expected = "a run folder with a trained generator, or a generator folder"
    names = ", ".join(sorted(path.name for path in READY.iterdir())) if READY.is_dir() else ""
    fix = "give the --out of a training, which writes generators from its first tick on"
    fix += f"; or one that comes with hwan: {names}" * bool(names)
    require(is_generator(folder), expected, f"{run}, without {folder.name}", fix)
    if wanted := direction or direction_of(folder.name):
        own = read_spec(folder).direction
        received = f"{folder}, which has direction {own}"
        fix = "give the run folder or the other generator; or give the folder its right name"
        require(own == wanted, f"a generator of direction {wanted}", received, fix)
    return folder


def is_generator(folder: Path) -> bool:
    """Whether a folder is, or by its config.json means to be, a generator folder."""
    config = folder / CONFIG
    return (folder / WEIGHTS).is_file() or (config.is_file() and "format" in read_json(config))


def load(
    run: Path | str,
    device: str = "auto",
    direction: str = "",
    tile: int = 0,
    precision: Precision = "fp32",
    engine: Engine | None = None,
) -> Translator:
    """The Translator of a generator folder, or of a run's ``direction`` ("ab" if not said)."""
    folder = find_generator(Path(run), direction)
    return Translator(*load_generator(folder), device, tile, precision, engine)
