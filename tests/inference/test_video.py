"""Video: every frame at its time, the sound bit for bit, less flicker than was made."""

from __future__ import annotations

import struct
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import nn

from commands import say
from hwan.config import GeneratorConfig
from hwan.errors import UsageError
from hwan.imaging.pixels import save
from hwan.inference.flicker import AveragedNorm, TemporalMean, average_statistics, shift_between
from hwan.inference.translate import Translator
from hwan.inference.video import EXACT, VideoFile, find_videos, open_video, translate_video
from hwan.nets import build_generator
from hwan.nets.folder import GeneratorSpec, save_generator

CARD = GeneratorSpec(
    GeneratorConfig(filters=2, blocks=1, stem=3), 3, 3, "ab", (32, 32), 0, "cyclegan"
)
SAME = Translator(nn.Identity(), CARD)


def frames(n: int = 12, height: int = 32, width: int = 48) -> list[np.ndarray]:
    """A bright square that moves over a coloured slope."""
    slope = np.linspace(30, 200, width)[None, :, None] * np.array([1.0, 0.7, 0.4])
    out = []
    for k in range(n):
        frame = np.broadcast_to(slope, (height, width, 3)).astype(np.uint8).copy()
        frame[8:20, 2 * k : 2 * k + 12] = (40, 210, 90)
        out.append(frame)
    return out


def write(
    path: Path, shots: list[np.ndarray], times: list[int] | None = None, sound: str = "aac"
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        video: Any = file.add_stream("libx264", rate=10, options={"crf": "1"})
        video.height, video.width, _ = shots[0].shape
        video.pix_fmt = "yuv444p"
        video.codec_context.time_base = Fraction(1, 100)
        audio: Any = file.add_stream(sound, rate=48000) if sound else None
        for k, shot in enumerate(shots):
            frame = av.VideoFrame.from_ndarray(shot, format="rgb24").reformat(
                format="yuv444p", dst_colorspace=1, dst_color_range=1, interpolation=EXACT
            )
            frame.pts = times[k] if times else 10 * k
            frame.time_base = Fraction(1, 100)
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        if audio:
            wave = np.sin(np.arange(4800 * len(shots)) * 0.06).astype(np.float32)
            block = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
            block.rate, block.pts = 48000, 0
            file.mux(audio.encode(block))
            file.mux(audio.encode(None))
    return path


def read(path: Path) -> tuple[list[np.ndarray], list[float], list[bytes], Any]:
    """Pictures, their times in seconds, packets of sound, and the picture stream's facts."""
    with av.open(str(path)) as file:
        sound = [bytes(p) for p in file.demux(audio=0) if p.size] if file.streams.audio else []
    with av.open(str(path)) as file:
        shots = list(file.decode(video=0))
        context = file.streams.video[0].codec_context
        facts = (context.name, context.pix_fmt, context.colorspace)
        return (
            [s.to_ndarray(format="rgb24") for s in shots],
            [float(s.time or 0) for s in shots],
            sound,
            facts,
        )


def run(source: Path, target: Path, translator: Translator = SAME, **options: Any) -> int:
    return len(list(translate_video(translator, open_video(source, target), **options)))


@pytest.mark.parametrize("batch", [1, 5])
def test_frames_times_colours_and_sound_come_through(batch: int, tmp_path: Path) -> None:
    times = [0, 10, 13, 30, 31, 50, 60, 70, 80, 95, 100, 120]  # a varying rate, as phones film
    source = write(tmp_path / "a.mp4", frames(), times)
    assert run(source, tmp_path / "out" / "a.mp4", batch=batch) == 12
    before, after = read(source), read(tmp_path / "out" / "a.mp4")
    assert after[1] == pytest.approx(before[1], abs=1e-3) == [t / 100 for t in times]
    assert len(before[2]) > 10
    assert after[2] == before[2]  # not encoded again
    for mine, theirs in zip(after[0], before[0], strict=True):
        assert mine.shape == theirs.shape
        error = np.abs(mine.astype(int) - theirs)
        assert error.mean() < 4  # compressed
        assert (
            abs(mine.mean((0, 1)) - theirs.mean((0, 1))).max() < 2
        )  # BT.601 taken for 709 is off by ten
    assert after[3] == ("h264", "yuv420p", 1)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.mp4"]


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mkv", "h264"), (".mov", "h264"), (".webm", "vp9")]
)
def test_containers_and_odd_sizes(suffix: str, codec: str, tmp_path: Path) -> None:
    shots = frames(4, 31, 45)
    source = write(tmp_path / f"a{suffix if suffix != '.webm' else '.mkv'}", shots, sound="")
    target = tmp_path / "out" / f"a{suffix}"
    assert list(translate_video(SAME, VideoFile(source, target, 4))) == [None] * 4
    made, _, sound, facts = read(target)
    assert len(made) == 4
    assert made[0].shape == (31, 45, 3)
    assert sound == []
    assert facts[0] == codec


def test_the_generator_is_applied(tmp_path: Path) -> None:
    class Negative(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return -x

    source = write(tmp_path / "a.mp4", frames(3))
    run(source, tmp_path / "out.mp4", Translator(Negative(), CARD))
    for before, after in zip(read(source)[0], read(tmp_path / "out.mp4")[0], strict=True):
        assert np.abs(255 - before.astype(int) - after).mean() < 5


def turned(source: Path, matrix: list[int]) -> Path:
    """The file with the display matrix of its picture track (ISO 14496-12, 8.3.2) set, as phones do."""
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 44  # after the type, version and flags, times, layer and volume
    assert struct.unpack_from(">9i", data, at) == (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    a, b, c, d = (value << 16 for value in matrix)
    struct.pack_into(">9i", data, at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    out = source.with_name("turned.mp4")
    out.write_bytes(data)
    return out


@pytest.mark.parametrize(
    ("matrix", "quarters"), [([0, 1, -1, 0], -1), ([-1, 0, 0, -1], 2), ([0, -1, 1, 0], 1)]
)
def test_a_phones_rotation_is_applied(tmp_path: Path, matrix: list[int], quarters: int) -> None:
    """As players (and ffmpeg, with these very matrices) turn it; counter-clockwise as np.rot90."""
    plain = write(tmp_path / "a.mp4", frames(3))
    source = turned(plain, matrix)
    assert run(source, tmp_path / "out.mp4") == 3
    stored, out = read(plain), read(tmp_path / "out.mp4")
    assert read(source)[0][0].shape == stored[0][0].shape  # turned by the player, not in the file
    for before, after in zip(stored[0], out[0], strict=True):
        expected = np.rot90(before, quarters).astype(int)
        assert after.shape == expected.shape
        assert np.abs(expected - after).mean() < 4
    assert out[2] == stored[2]
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert next(file.decode(video=0)).rotation == 0  # else it would be turned twice


def test_what_breaks_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(UsageError, match=r"a video at .*text.mp4"):
        open_video(tmp_path / "text.mp4", tmp_path / "out.mp4")
    source = write(tmp_path / "a.mp4", frames())
    with pytest.raises(UsageError, match="MKV holds any sound"):  # WebM holds no AAC
        run(source, tmp_path / "out.webm")
    half = translate_video(SAME, open_video(source, tmp_path / "half.mp4"))
    next(half)
    half.close()  # type: ignore[attr-defined]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "text.mp4"]


def test_find_videos(tmp_path: Path) -> None:
    for name in ("in/a.MP4", "in/deep/b.avi", "in/c.txt", "d.mov"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    out = tmp_path / "out"
    found = find_videos([tmp_path / "in", tmp_path / "d.mov"], out, overwrite=False)
    assert [t.relative_to(out).as_posix() for _, t in found] == ["a.MP4", "deep/b.mp4", "d.mov"]
    with pytest.raises(UsageError, match="does not replace a file"):
        find_videos([tmp_path / "in"], tmp_path / "in", overwrite=True)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = CARD.generator
    save_generator(tmp_path / "g", build_generator(config, 3, 3), CARD)
    write(tmp_path / "in" / "clip.mp4", frames(4))
    (tmp_path / "in" / "bad.mp4").write_bytes((tmp_path / "in" / "clip.mp4").read_bytes()[:900])
    line = (
        "translate",
        tmp_path / "g",
        tmp_path / "in",
        "--out",
        tmp_path / "out",
        "--device",
        "cpu",
    )
    said = say(capsys, *line)
    assert said.code == 2  # found before anything is translated
    assert "in/bad.mp4\n  received" in said.err
    (tmp_path / "in" / "bad.mp4").unlink()
    save(np.zeros((8, 8, 3), np.uint8), tmp_path / "in" / "still.png")
    said = say(capsys, *line, "--smooth")
    assert said.code == 0, said
    assert "1 of 1 images" in said.out
    assert "1 of 1 videos" in said.out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["clip.mp4", "still.png"]
    assert say(capsys, *line).code == 2  # there already
    said = say(capsys, *line, "--resume")
    assert "2 of 2 are there already" in said.out


# Flicker


def flickering(n: int = 16, seed: int = 0) -> list[np.ndarray]:
    """One picture filmed with a noisy sensor, floats (H, W, 3) in [0, 1]."""
    draw = np.random.default_rng(seed)
    still = draw.random((6, 8, 3)).repeat(8, 0).repeat(8, 1).astype(np.float32)
    return [
        np.clip(still + draw.normal(0, 0.01, still.shape), 0, 1).astype(np.float32)
        for _ in range(n)
    ]


def unrest(shots: list[np.ndarray]) -> float:
    return float(np.mean([np.abs(b - a).mean() for a, b in pairwise(shots[4:])]))


def test_recursion_calms_what_stands_still() -> None:
    shots, past = flickering(), TemporalMean()
    out = [past.average(s, s, past.is_cut(s)) for s in shots]
    assert unrest(out) < 0.5 * unrest(shots)
    assert abs(np.mean(out) - np.mean(shots)) < 1e-3


def test_recursion_leaves_no_ghost_of_what_moves() -> None:
    past = TemporalMean()
    for shot in frames():
        source = shot.astype(np.float32) / 255
        out = past.average(source, source, past.is_cut(source))
        moving = np.abs(source - out) > 0.02
        assert not moving.any()


@pytest.mark.parametrize("motion", [(0, 0), (3, -2), (-7, 11)])
def test_the_memory_follows_the_camera(motion: tuple[int, int]) -> None:
    draw = np.random.default_rng(0)
    scene = draw.random((40, 40, 3)).repeat(4, 0).repeat(4, 1).astype(np.float32)
    down, right = motion
    first, second = scene[40:104, 40:112], scene[40 - down : 104 - down, 40 - right : 112 - right]
    assert shift_between(first, second) == motion
    noisy = np.clip(second + draw.normal(0, 0.01, second.shape), 0, 1).astype(np.float32)
    past = TemporalMean()
    past.average(first, first, True)
    out = past.average(second, noisy, False)  # an output that the network made noisy
    middle = (slice(14, -14), slice(14, -14))
    assert np.abs(out - second)[middle].mean() < 0.4 * np.abs(noisy - second)[middle].mean()


def test_unrelated_frames_are_left_alone() -> None:
    draw = np.random.default_rng(1)
    first, second = (draw.random((64, 64, 3)).astype(np.float32) for _ in range(2))
    past = TemporalMean()
    past.average(first, first, True)
    assert np.abs(past.average(second, second, False) - second).max() < 1e-4


def test_a_cut_starts_anew() -> None:
    past = TemporalMean()
    dark, bright = np.full((8, 8, 3), 0.2, np.float32), np.full((8, 8, 3), 0.9, np.float32)
    assert past.is_cut(dark)
    past.average(dark, dark, True)
    assert not past.is_cut(dark)
    assert past.is_cut(bright)


@pytest.mark.parametrize("norm", ["instance", "instance-affine", "group", "layer"])
def test_averaged_statistics_are_the_frames_mean(norm: Any) -> None:
    torch.manual_seed(0)
    net = build_generator(GeneratorConfig(filters=4, blocks=1, stem=3, norm=norm), 3, 3).eval()
    x, y = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16) * 0.5
    with torch.no_grad():
        plain_x, plain_y = net(x), net(y)
        norms = average_statistics(net)
        assert len(norms) == 7
        torch.testing.assert_close(net(x), plain_x, atol=1e-5, rtol=0)  # the first is alone
        torch.testing.assert_close(net(x), plain_x, atol=1e-5, rtol=0)
        assert (net(y) - plain_y).abs().max() > 1e-3  # by the mean of both
        for one in norms:
            one.reset()
        torch.testing.assert_close(net(y), plain_y, atol=1e-5, rtol=0)


def test_a_norm_without_statistics_has_nothing_to_average() -> None:
    net = build_generator(GeneratorConfig(filters=4, blocks=1, stem=3, norm="batch"), 3, 3).eval()
    assert average_statistics(net) == []
    assert not [m for m in net.modules() if isinstance(m, AveragedNorm)]


def test_smooth_of_frames_in_strips_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "a.mp4", frames(3))
    with pytest.raises(UsageError, match=r"frames of up to .* for --smooth"):
        run(source, tmp_path / "out.mp4", Translator(nn.Identity(), CARD, tile=64), smooth=True)
    assert not (tmp_path / "out.mp4").exists()
