"""Video in, video out: every frame translated at its own time, the sound as it was. PyAV (FFmpeg)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from hwan.data.folders import list_images
from hwan.errors import UsageError, require
from hwan.files import part_of
from hwan.imaging.pixels import Bytes, Pixels, decode, for_display, from_unit, to_unit
from hwan.inference.flicker import TemporalMean, average_statistics
from hwan.inference.outputs import refuse_replacing
from hwan.inference.translate import WHOLE, Translator
from hwan.runtime import need

VIDEOS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")
CODECS = {".webm": ("libvpx-vp9", {"crf": "24", "b": "0"})}
H264 = ("libx264", {"crf": "17", "preset": "medium"})
BT709, LIMITED = 1, 1  # FFmpeg's numbers: what every player takes unmarked HD video for
# bicubic, full chroma, accurate rounding: the scaler's default darkens each way by more than a level
EXACT = 0x4 | 0x2000 | 0x40000


@dataclass(frozen=True)
class VideoFile:
    """A video to translate: where it goes, how many frames it says it has (0: it does not say)."""

    source: Path
    target: Path
    frames: int


def find_videos(inputs: Sequence[Path], out: Path, overwrite: bool) -> list[tuple[Path, Path]]:
    """(source, target) of the videos among ``inputs`` and in its folders; names and structure kept.

    AVI becomes MP4. Raises ``UsageError`` for a target that is there, or is the source.
    """
    pairs = []
    for item in inputs:
        base = item if item.is_dir() else item.parent
        files = sorted(p for p in item.rglob("*") if p.is_file()) if item.is_dir() else [item]
        for file in filter(is_video, files):
            target = out / file.relative_to(base)
            avi = target.suffix.lower() == ".avi"
            pairs.append((file, target.with_suffix(".mp4") if avi else target))
    refuse_replacing(pairs, overwrite)
    return pairs


def is_video(path: Path) -> bool:
    """Whether the name is a video's."""
    return path.suffix.lower() in VIDEOS


def has_images(path: Path) -> bool:
    """Whether a folder holds images, or a file is there to be one."""
    return bool(list_images(path)) if path.is_dir() else True


def open_video(source: Path, target: Path) -> VideoFile:
    """What the file's header says. Raises ``UsageError`` for a file without a video."""
    av = need("av", "video", "video")
    try:
        with av.open(str(source)) as file:
            video = file.streams.video[0]
            seconds = float(file.duration or 0) / av.time_base
            frames = video.frames or round(seconds * (video.average_rate or 0))
            return VideoFile(source, target, frames)
    except (av.FFmpegError, IndexError) as error:
        received = str(error) or "no pictures in it"
        raise UsageError(f"a video at {source}", received, "replace or remove it") from error


def translate_video(
    translator: Translator, video: VideoFile, batch: int = 1, smooth: bool = False
) -> Iterator[None]:
    """Translate ``video``, yielding after each frame; the file appears when it is whole.

    Frames keep their times (also where the rate varies), a phone's rotation is applied, every sound
    stream is copied as it is; subtitles are left out. The picture is H.264 (VP9 in WebM), BT.709, at
    a constant visible quality. ``smooth`` works against flicker (hwan.inference.flicker). Other depths and
    channels than 8-bit colour are decoded and shown as ``decode`` and ``for_display`` do.

    Raises ``UsageError`` for a file that breaks off or whose sound its container cannot hold, and for
    ``smooth`` of frames that are translated in strips.
    """
    av = need("av", "video", "video")
    spec, translate = translator.spec, _smoothly(translator) if smooth else translator.batch
    size = 1 if smooth else batch
    with part_of(video.target) as part:
        try:
            with av.open(str(video.source)) as source, av.open(str(part), "w") as target:
                writer = _Writer(av, target, video.target.suffix.lower(), source)
                frames = _frames(source, writer)
                while some := list(islice(frames, size)):
                    pictures = [decode(upright(frame), spec.format_in).pixels for frame in some]
                    for frame, made in zip(some, translate(pictures), strict=True):
                        shown = for_display(made, spec.format_out)
                        writer.write(frame, shown.repeat(3, 2) if shown.shape[2] == 1 else shown)
                        yield
                writer.end()
        except (av.FFmpegError, ValueError) as error:  # ValueError: a codec not of the container
            expected = f"a video that can be read, and written as {video.target.suffix}"
            received, fix = f"{video.source.name}: {error}", "check the file; MKV holds any sound"
            raise UsageError(expected, received, fix) from error


def _frames(source: Any, writer: _Writer) -> Iterator[Any]:
    """The decoded frames; the sound between them goes to ``writer``."""
    for packet in source.demux(source.streams.video[0], *source.streams.audio):
        if packet.stream.type == "audio":
            if packet.dts is not None:  # else the end
                writer.copy(packet)
        else:
            yield from packet.decode()


def upright(frame: Any) -> Bytes:
    """A decoded frame as (H, W, 3) uint8, turned as its display matrix says."""
    pixels: Bytes = frame.reformat(format="rgb24", interpolation=EXACT).to_ndarray()
    return np.ascontiguousarray(np.rot90(pixels, frame.rotation // 90))


def _smoothly(translator: Translator) -> Callable[[Sequence[Pixels]], list[Pixels]]:
    """A translation of successive frames, one by one, with a memory; ``translator`` stays as it is."""
    spec, net = translator.spec, copy.deepcopy(translator.generator)
    norms, past = average_statistics(net), TemporalMean()
    own = Translator(net, spec, str(translator.device), translator.tile, translator.precision)

    def translate(frames: Sequence[Pixels]) -> list[Pixels]:
        (pixels,) = frames
        height, width = pixels.shape[:2]
        expected = f"frames of up to {WHOLE} pixels, translated at once, for --smooth"
        received = f"{width}x{height}, translated in strips"
        fix = "make the video smaller, or leave --smooth (or --tile) out"
        require(not own.in_strips(height, width), expected, received, fix)
        source = to_unit(pixels, spec.format_in).astype(np.float32)
        if fresh := past.is_cut(source):
            for norm in norms:
                norm.reset()
        made = to_unit(own.pixels(pixels), spec.format_out).astype(np.float32)
        return [from_unit(past.average(source, made, fresh).astype(np.float64), spec.format_out)]

    return translate


class _Writer:
    """The file being written: its picture stream is set up at the first frame."""

    def __init__(self, av: Any, target: Any, suffix: str, source: Any) -> None:
        self.av, self.target = av, target
        self.video = source.streams.video[0]
        codec, options = CODECS.get(suffix, H264)
        self.stream = target.add_stream(codec, self.video.average_rate or 25, options=options)
        self.sounds = {s.index: target.add_stream_from_template(s) for s in source.streams.audio}
        # Sound that came before the picture's size was known; None once it is known.
        self.waiting: list[Any] | None = []

    def copy(self, packet: Any) -> None:
        packet.stream = self.sounds[packet.stream.index]
        if self.waiting is None:
            self.target.mux(packet)
        else:
            self.waiting.append(packet)

    def write(self, shot: Any, pixels: Bytes) -> None:
        height, width, _ = pixels.shape
        stream, context = self.stream, self.stream.codec_context
        if self.waiting is not None:
            stream.width, stream.height = width, height
            # Half the colour resolution, which everything plays, has no odd sides.
            stream.pix_fmt = "yuv420p" if height % 2 == width % 2 == 0 else "yuv444p"
            context.time_base = stream.time_base = self.video.time_base
            context.colorspace = context.color_primaries = context.color_trc = BT709
            context.color_range = LIMITED
        rgb = self.av.VideoFrame.from_ndarray(pixels, format="rgb24")
        colours = {"dst_colorspace": BT709, "dst_color_range": LIMITED}
        frame = rgb.reformat(format=stream.pix_fmt, interpolation=EXACT, **colours)
        frame.pts, frame.time_base = shot.pts, shot.time_base
        self.target.mux([*stream.encode(frame), *(self.waiting or ())])
        self.waiting = None

    def end(self) -> None:
        if self.waiting is None:
            self.target.mux(self.stream.encode(None))
