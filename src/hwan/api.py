"""What the commands do, as functions with plain arguments, which print nothing unless ``progress`` is set:
``hwan.train(hwan.recipes.cyclegan(size=128), data="horses2zebras", out="runs/h2z", progress=True)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

from hwan import interop
from hwan.config import Config, Pairing, Precision
from hwan.config.applicability import warn_unread
from hwan.errors import Stopped, UsageError, check_known, require
from hwan.evaluation import evaluate as testing
from hwan.evaluation.distributions import distributions
from hwan.evaluation.feature_networks import (
    LITE,
    find_lpips,
    find_palettes,
    parse_class,
    pick_features,
)
from hwan.evaluation.results import Summary, summarise, write_results
from hwan.evaluation.run_page import write_run_report
from hwan.evaluation.source import data_folders, read_source, run_data, trained_against
from hwan.exporting import Parity, export_onnx, export_program, onnx_engine
from hwan.exporting.parity import ExportPrecision
from hwan.files import read_json
from hwan.inference import video
from hwan.inference.batch import FileResult, translate_files
from hwan.inference.hint_files import match_hints
from hwan.inference.model_card import export_folder
from hwan.inference.outputs import plan_outputs, unfinished
from hwan.inference.translate import find_generator, load
from hwan.metrics.features import Resizing
from hwan.runtime import pick_device
from hwan.training import run as training
from hwan.training.plan import fitted
from hwan.training.progress import track, watch
from hwan.training.recorder import Interrupted
from hwan.training.samples import measure_test_health
from hwan.training.start import read_start
from hwan.training.tensorboard import record
from hwan.web.bundle import export_web

T = TypeVar("T")
AnyPath = str | Path
Paths = AnyPath | Sequence[AnyPath]
Engine = Literal["torch", "onnx"]
ExportForm = Literal["onnx", "torch", "web", "folder", "reference"]


def _paths(given: Paths) -> tuple[Path, ...]:
    return (Path(given),) if isinstance(given, AnyPath) else tuple(Path(path) for path in given)


def _shown(items: Iterable[T], total: int, label: str, progress: bool) -> Iterator[T]:
    return track(items, total, label) if progress else iter(items)


def train(
    config: Config,
    data: Paths,
    out: AnyPath,
    device: str = "auto",
    resume: bool = False,
    tensorboard: bool = False,
    start: Paths = (),
    minutes: float = 0.0,
    progress: bool = False,
) -> Path:
    """Train ``config`` on ``data`` (a folder with trainA and trainB, or the two folders) into ``out``.

    Returns the run folder, which then has ``report.html`` and the generators that ``hwan.load`` reads.
    Ctrl-C saves and raises ``Stopped``, a ``KeyboardInterrupt``; ``resume=True`` goes on exactly (on the
    data of before where ``data`` is empty). ``tensorboard`` also writes event files, into
    ``out/tensorboard``. ``start``: begin with the networks of these runs, generator folders or checkpoints
    (``hwan.training.start.read_start``), whose generator's options replace those of ``config``.
    ``minutes``: train about this long instead of ``config.train.epochs``. Raises what
    ``hwan.training.run.train`` raises.
    """
    out, images = Path(out), _paths(data)
    if not resume:
        warn_unread(config, "hwan.train")
    if resume and not images:
        images = data_folders(out)
    first = read_start(_paths(start)) if start else None
    expected, fix = "--from or --resume", "give --resume alone to go on with a run"
    require(not (first and resume), expected, "both", fix)
    config = replace(config, generator=first.generator) if first else config
    config = fitted(config, images, minutes * 60, device) if minutes else config
    events = training.train(config, images, out, device, resume, first)
    events = record(events, out) if tensorboard else events
    stops = (event for event in events if isinstance(event, Interrupted))
    if stop := watch(events, config.first_results) if progress else next(stops, None):
        raise Stopped(stop.images, stop.total, out)
    report(out)
    return out


def report(run: AnyPath) -> Path:
    """Write ``run/report.html`` from what a training left in the run folder, and return its path.

    ``evaluate`` writes the page with the test's figures and pictures; this one is without them.
    """
    return write_run_report(Path(run), run_data(Path(run)))


def evaluate(
    run: AnyPath,
    data: Paths = (),
    pairs: Pairing | None = None,
    swap: bool = False,
    features: str = "auto",
    recognise: str = "",
    resizing: Resizing = "clean",
    lpips: str = "auto",
    labels: str = "auto",
    device: str = "auto",
    progress: bool = False,
) -> dict[str, Summary]:
    """Test a run (or a generator folder, which needs ``data``) on held-out images; the figures by
    direction. Writes ``run/evaluation`` and ``run/report.html``.

    The options are those of ``hwan evaluate``, whose help explains them. Raises ``UsageError`` for a
    folder that is neither, data without test images, and weight files that are not there.
    """
    run, images = Path(run), _paths(data)
    check_known(resizing, Resizing, "resizing")
    layout, source = run_data(run, images, pairs, swap), read_source(run)
    total = testing.count(layout, source)
    # What may be refused comes before what takes minutes.
    place = str(pick_device(device))
    palettes = find_palettes(labels, layout, source)
    against = trained_against(run, source) if features in LITE else set()
    shown_as = parse_class(recognise) if recognise else None
    networks, no_network = pick_features(features, layout, source, resizing, place, against)
    classifies = shown_as is None or any(network.classify for network in networks)
    expected, fix = "a classifier for --recognise", "give --features lite2"
    require(classifies, expected, f"--features {features}", fix)
    perceptual, weights, no_lpips = find_lpips(lpips, place)
    tested = testing.evaluate(run, layout, device, perceptual, palettes)
    rows = list(_shown(tested, total, "testing", progress))
    sets = distributions(run, layout, rows, networks, shown_as)
    paired = any(row.figures for row in rows)
    left_out = [text for text in (no_network, no_lpips if paired else "") if text]
    if unread := total - len(rows):
        left_out.append(f"{unread} unreadable test images left out; `hwan data check` names them")
    unmasked = sum(not row.changed for row in rows)
    if 0 < unmasked < len(rows):
        left_out.append(
            f"{unmasked} of {len(rows)} test images have no mask that could be compared by"
        )
    protocol = testing.describe_best(run)
    if weights and paired:
        protocol["LPIPS, SHA-256 of AlexNet"] = weights
    health = measure_test_health(run, layout, device)
    thumbs = testing.real_thumbs(layout, source)
    summaries = summarise(rows, thumbs, sets, left_out, protocol, health)
    write_results(rows, summaries, run / "evaluation")
    write_run_report(run, layout, rows, summaries)
    return summaries


@dataclass(frozen=True)
class Translation:
    """What became of each image and each video; ``present`` of them had been translated before."""

    images: list[FileResult]
    videos: list[FileResult]
    present: int


def translate(
    run: AnyPath,
    inputs: Paths,
    out: AnyPath,
    direction: Literal["ab", "ba"] | None = None,
    format: str = "",
    overwrite: bool = False,
    resume: bool = False,
    batch: int = 0,
    tile: int = 0,
    smooth: bool = False,
    hints: AnyPath | None = None,
    device: str = "auto",
    precision: Precision = "fp32",
    engine: Engine = "torch",
    progress: bool = False,
) -> Translation:
    """Translate images, videos and folders of them into the folder ``out``, whatever their size.

    The options are those of ``hwan translate``, whose help explains them. A broken file does not stop the
    rest: its outcome has an ``error``. Raises ``UsageError`` for wrong options, and for inputs or targets
    that cannot be, before anything is written.
    """
    inputs, out = _paths(inputs), Path(out)
    expected = "--overwrite, which makes all anew, or --resume, which makes what is missing"
    require(not (overwrite and resume), expected, "both", "give one of them")
    check_known(engine, Engine, "engine")
    check_known(precision, Precision, "precision")
    require(batch >= 0, "a --batch of 0 or more", batch, "give 0 or more")
    expected = "--engine torch with --smooth, which changes the network's norms"
    require(not smooth or engine == "torch", expected, engine, "leave one of the two out")
    suffix = "." + format.lower().lstrip(".") if format else ""
    runner = onnx_engine if engine == "onnx" else None
    translator = load(Path(run), device, direction or "", tile, precision, runner)
    batch = batch or (1 if translator.on_cpu else 8)
    keep = overwrite or resume  # what is there is no mistake
    videos = video.find_videos(inputs, out, keep)
    stills = [i for i in inputs if not video.is_video(i) and (not videos or video.has_images(i))]
    images = []
    if stills or not videos:
        images = plan_outputs(stills, out, suffix, keep, translator.spec.format_out)
    expected, fix = "pictures for --hints, which a video has none of", "leave the videos out"
    require(hints is None or not videos, expected, f"{len(videos)} videos", fix)
    given = match_hints(translator, Path(hints), images, out) if hints else None
    wanted = len(images) + len(videos)
    if resume:
        images, videos = unfinished(images), unfinished(videos)
    clips = [video.open_video(source, target) for source, target in videos]
    made = translate_files(translator, images, batch, given)
    outcomes = list(_shown(made, len(images), "translating", progress and bool(images)))
    films = []
    for clip in clips:
        frames, error = video.translate_video(translator, clip, batch, smooth), ""
        try:
            list(_shown(frames, clip.frames, clip.source.name, progress))
        except (UsageError, OSError) as problem:
            error = str(problem.received if isinstance(problem, UsageError) else problem)
        films.append(FileResult(clip.source, clip.target, error))
    return Translation(outcomes, films, wanted - len(images) - len(clips))


@dataclass(frozen=True)
class Exported:
    """What ``export`` wrote: ``parities`` of onnx and torch, the ``files`` of web with their bytes, and
    the ``options`` by which the reference reads its checkpoint."""

    path: Path
    parities: list[Parity] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)
    options: str = ""


def export(
    run: AnyPath,
    out: AnyPath,
    to: ExportForm = "onnx",
    direction: Literal["ab", "ba"] | None = None,
    precision: ExportPrecision = "fp32",
    images: bool = False,
    data: Paths = (),
    licence: str = "",
    samples: Paths = (),
    runtime: AnyPath | None = None,
) -> Exported:
    """Write the generator of ``run`` into ``out`` in a form that others run.

    The options are those of ``hwan export``, whose help explains them. Raises ``UsageError`` for an option
    of another form, and for a generator that the form cannot hold.
    """
    run, out, calibration = Path(run), Path(out), _paths(data)
    check_known(to, ExportForm, "form")
    check_known(precision, ExportPrecision, "precision")
    plain = precision == "fp32" and not images and not calibration
    for options, given, form in (
        ("--precision, --images and --data", not plain, "onnx"),
        ("--licence", licence != "", "folder"),
        ("--samples and --runtime", bool(samples) or runtime is not None, "web"),
    ):
        expected, fix = f"--to {form} for {options}", "leave out what belongs to another form"
        require(not given or to == form, expected, f"--to {to}", fix)
    folder = find_generator(run, direction or "")
    if to == "reference":
        written = interop.export_reference(folder, out)
        return Exported(written.path, options=written.options)
    if to == "web":
        page = export_web(folder, out, Path(runtime) if runtime else None, _paths(samples))
        return Exported(out, files=page)
    if to == "folder":
        return Exported(export_folder(folder, out, licence))
    if to == "torch":
        return Exported(*export_program(folder, out))
    known = run / "data.json"
    if precision != "fp32" and not calibration and known.is_file():
        calibration = _paths(read_json(known)["data"])
    return Exported(*export_onnx(folder, out, precision, images, calibration))
