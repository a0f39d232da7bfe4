"""The command line, mostly in this process: what it prints, what it returns, what it leaves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import hwan.config
import tiny
from commands import say
from hwan import __version__
from hwan.cli.main import VERBS, main
from hwan.config import recipes
from hwan.errors import TrainingDiverged
from hwan.nets import build_generator
from hwan.nets.folder import GeneratorSpec, save_generator


def child(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, encoding="utf-8", check=False
    )


@pytest.fixture
def generator(tmp_path: Path) -> Path:
    config = tiny.config().generator
    spec = GeneratorSpec(config, 3, 3, "ab", (32, 32), 120, "cyclegan")
    save_generator(tmp_path / "generator", build_generator(config, 3, 3), spec)
    return tmp_path / "generator"


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, so that anything left behind is seen."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("ask", [[], ["-h"], ["--help"]])
def test_help_lists_every_command(ask: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    said = say(capsys, *ask)
    assert said.code == 0
    assert said.err == ""
    for verb in VERBS:
        assert re.search(rf"^  {verb} ", said.out, re.MULTILINE)


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = say(capsys, verb, "--help")
    assert said.code == 0
    assert said.err == ""
    assert len(said.out.splitlines()) > 2


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert say(capsys, "--version") == (0, f"hwan {__version__}\n", "")


# Each starts a Python that must not import torch, which takes seconds.
LIGHT = ["--help", "train small --help", "translate --help", "recipes", "data check --help"]


@pytest.mark.parametrize("line", ["", *LIGHT])
def test_help_and_import_are_light(line: str) -> None:
    code = (
        "import sys, hwan\n"
        "if sys.argv[1:]:\n"
        "    from hwan.cli.main import main\n"
        "    try: main()\n"
        "    except SystemExit: pass\n"
        "sys.exit(3 if 'torch' in sys.modules else 0)"
    )
    done = child("-c", code, *line.split())
    assert (done.returncode, done.stderr) == (0, "")


def test_the_package_has_its_doors() -> None:
    import hwan

    assert hwan.recipes is recipes
    assert callable(hwan.train)
    assert callable(hwan.load)
    assert {*hwan.__all__, "__version__"} <= {*dir(hwan)}
    with pytest.raises(AttributeError, match="'evaluat'"):
        _ = hwan.evaluat


# (command line, what must be said); DATA is a good data set, RUN a folder with a config.json
WRONG = [
    ("trian small", ["received: trian", "perhaps you meant 'train'"]),
    ("--verbose", ["expected: a command of hwan received: --verbose", "known: data, demo"]),
    (
        "train",
        ["run folder with --resume, after hwan train", "received: nothing", "known: colourise"],
    ),
    ("train --resume RUN", ["expected: a recipe or a config.json, or a run folder"]),
    ("plan", ["expected: a recipe or a config.json after hwan plan"]),
    ("train smal --data DATA --out x", ["received: smal", "perhaps you meant 'small'"]),
    ("train none.json --data DATA --out x", ["a file at none.json", "no such file"]),
    ("train nowhere --resume", ["a file at nowhere/config.json", "no such file"]),
    ("train small --train.epoch 3 --data DATA --out x", ["Perhaps you meant", "--train.epochs"]),
    ("train small --train.epochs x --data DATA --out x", ["--train.epochs", "'x'"]),
    ("train small --train.epochs -1 --data DATA --out x", ["train.epochs above 0", "-1"]),
    ("train small --generator.norm layr --data DATA --out x", ["--generator.norm", "instance"]),
    (
        "train small --data.size 66 --data DATA --out x",
        ["multiple of 4", "fix: give --data.size 64"],
    ),
    ("train RUN --data DATA --out x", ["received: ", "train --resume to go on"]),
    ("train RUN --resume --out x", ["no --out with --resume", "leave --out out"]),
    ("train RUN --resume --loss.l1 7", ["loss.l1 7.0, which nothing would read"]),
    ("train small --generator.dwn blur", ["Perhaps you meant", "--generator.down "]),
    ("train small --speed.forms", ["expected: --speed.fast_kernels", "received: --speed.forms"]),
    ("train small --speed.no-forms", ["fix: give --speed.no-fast_kernels"]),
    ("plan small --generator.whitened=8", ["fix: give --generator.whitening_channels"]),
    ("plan small --memory -1", ["gigabytes for --memory", "received: -1"]),
    ("train small --out x", ["no --data", "add --data FOLDER"]),
    ("train small --data DATA", ["no --out", "add --out"]),
    ("train small --data nowhere --out x", ["a folder for --data", "received: nowhere"]),
    ("train small --data DATA DATA DATA --out x", ["3 folders"]),
    ("train small --data DATA --out RUN", ["a new folder for a new run", "remove the folder"]),
    ("train small --data DATA --out x --device gpu", ["a device that this machine has", "gpu"]),
    ("evaluate", ["expected: a run to test", "hwan evaluate RUN"]),
    ("evaluate RUN --out x", ["several runs for --out", "received: one run"]),
    ("evaluate RUN nowhere --data DATA", ["nowhere", "no such file"]),
    ("evaluate RUN --data DATA --features nowhere.pth", ["nowhere.pth: no such file", "weights"]),
    ("evaluate RUN --data DATA --lpips nowhere.pth", ["--lpips", "nowhere.pth"]),
    ("evaluate RUN --data DATA --labels nowhere.txt", ["a text file of colours for --labels"]),
    ("evaluate nowhere", ["nowhere", "no such file"]),
    ("translate GENERATOR DATA", ["Missing", "--out"]),
    ("translate GENERATOR --out x", ["images or folders to translate", "received: none"]),
    ("translate GENERATOR nowhere.png --out x", ["nowhere.png: not there"]),
    ("translate GENERATOR DATA --out x --format gif", ["a --format of", "received: .gif"]),
    ("translate GENERATOR DATA --out x --direction cd", ["--direction", "ab"]),
    ("translate RUN DATA --out x", ["a run folder with a trained generator"]),
    ("export RUN --out x", ["a run folder with a trained generator"]),
    ("export GENERATOR --out x --to gguf", ["--to", "onnx"]),
    (
        "export GENERATOR --out x --to torch --images",
        ["--to onnx for --precision, --images and --data"],
    ),
    ("export GENERATOR --out x --licence other", ["--to folder for --licence"]),
    ("export GENERATOR --out x --samples DATA", ["--to web for --samples and --runtime"]),
    ("translate GENERATOR DATA --out x --overwrite --resume", ["received: both"]),
    ("translate GENERATOR DATA --out x --engine onnx --tile 64", ["no tile", "received: 64"]),
    ("translate GENERATOR DATA --out x --engine onnx --smooth", ["--engine torch with --smooth"]),
    ("translate GENERATOR DATA --out x --batch -1", ["a --batch of 0 or more", "received: -1"]),
    ("data", ["the word check after hwan data", "received: nothing"]),
    ("data chek DATA", ["received: chek", "hwan data check DIR"]),
    ("data check nowhere", ["received: nowhere", "check the path"]),
    ("data check", ["0 folders"]),
    ("data check RUN", ["trainA and trainB in", "or give two folders"]),
    ("recipes all", ["nothing after hwan recipes", "received: all"]),
    ("info nowhere", ["a file at nowhere/config.json", "no such file"]),
    ("info JUNK", ["names of options as keys in", "received: nothing"]),
    ("info JUNK/config.json", ["a readable file at"]),
    ("plan small --data nowhere", ["a folder for --data", "received: nowhere"]),
    ("demo --task horses", ["--task", "webtoon"]),
    ("demo --minutes 0.1", ["more --minutes than the 0.7 of data", "give 1.2"]),
]


@pytest.mark.parametrize(("line", "texts"), WRONG, ids=[line for line, _ in WRONG])
def test_wrong_usage_is_explained_and_leaves_nothing(
    line: str,
    texts: list[str],
    tmp_path: Path,
    empty: Path,
    generator: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "DATA" in line:
        tiny.write_data(tmp_path / "data", n=1, size=34)
    for name, text in (("run", ""), ("junk", '{"nothing": 1}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(text)
    hwan.config.save(tiny.config(), tmp_path / "run" / "config.json")
    before = sorted(tmp_path.rglob("*"))
    for word, path in (
        ("DATA", "data"),
        ("RUN", "run"),
        ("JUNK", "junk"),
        ("GENERATOR", "generator"),
    ):
        line = re.sub(rf"\b{word}\b", str(tmp_path / path).replace("\\", r"\\"), line)
    said = say(capsys, *line.split())
    assert said.code == 2, said
    for text in texts:
        assert text in said.all
    assert said.out == ""
    assert sorted(tmp_path.rglob("*")) == before
    assert not any(empty.iterdir())


def test_a_file_in_the_way_of_a_run_fails_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tiny.write_data(tmp_path / "data", n=1, size=34)
    (tmp_path / "taken").write_text("mine")
    hwan.config.save(tiny.config(), tmp_path / "tiny.json")
    said = say(capsys, "train", tmp_path / "tiny.json", "--data", data, "--out", tmp_path / "taken")
    assert said.code != 0
    assert "taken" in said.err
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [(TrainingDiverged("no number"), 1, "no number"), (KeyboardInterrupt(), 130, "stopped")],
)
def test_failures_have_their_exit_codes(
    error: BaseException,
    code: int,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def verb(args: list[str]) -> int:
        raise error

    monkeypatch.setitem(VERBS, "info", verb)
    assert say(capsys, "info") == (code, "", f"hwan: {text}\n")


def test_recipes_lists_each_with_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    said = say(capsys, "recipes")
    assert said.code == 0
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines] == list(recipes.RECIPES)
    assert all(len(line.split()) > 4 for line in lines)


def test_info_of_a_generator_and_of_a_run(
    tmp_path: Path, generator: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = say(capsys, "info", generator)
    assert said.code == 0
    weights = sum(p.numel() for p in build_generator(tiny.config().generator, 3, 3).parameters())
    for text in ("a generator", "direction ab", "images 120", f"parameters {weights:,}"):
        assert text in said.all
    for nothing in ("title", "figures_at", "trained_against"):
        assert nothing not in said.all

    run = tmp_path / "run"
    run.mkdir()
    hwan.config.save(tiny.config(seed=77), run / "config.json")
    said = say(capsys, "info", run)
    assert said.code == 0
    assert "a run of cyclegan" in said.all
    assert "train.seed 77" in said.all
    assert "images seen" not in said.all
    (run / "log.jsonl").write_text('{"images": 3, "total": 6}\n{"images": 5, "total": 6}\n')
    assert "5 of 6 images seen" in say(capsys, "info", run).all


def test_data_check_of_good_and_bad_sets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tiny.write_data(tmp_path / "data", n=2, truth=True)
    said = say(capsys, "data", "check", root)
    assert said.code == 0
    assert said.out.endswith("no problems\n")
    said = say(capsys, "data", "check", root / "trainA", root / "trainB")
    assert said.code == 0
    assert "train B: 2 images" in said.out
    assert "test A" not in said.out
    (root / "trainA" / "0000.png").write_bytes(b"no image")
    said = say(capsys, "data", "check", root)
    assert said.code == 1
    assert "train A has 1 broken file," in said.all
    assert "only one image" in said.all


def test_translate_counts_what_it_did_and_what_failed(
    tmp_path: Path, generator: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, mode in (("a.png", "RGB"), ("b.jpg", "RGB"), ("c.png", "RGBA")):
        Image.new(mode, (12, 9)).save(photos / name)
    said = say(capsys, "translate", generator, photos, "--out", tmp_path / "out")
    assert said.code == 0
    assert f"3 of 3 images translated into {tmp_path / 'out'}" in said.out
    assert "1 x alpha composited over white" in said.out
    (photos / "b.jpg").write_bytes(b"no image")
    said = say(
        capsys, "translate", generator, photos, "--out", tmp_path / "out", "--overwrite",
        "--format", "PNG",
    )  # fmt: skip
    assert said.code == 1
    assert "2 of 3 images translated" in said.out
    assert f"failed: {photos / 'b.jpg'}: not an image" in said.err
    assert not (tmp_path / "out" / "b.png").exists()


def test_a_training_in_a_pipe_prints_plain_lines_and_can_be_tested(tmp_path: Path) -> None:
    """The road train -> evaluate in children, as a user without a terminal has it."""
    data = tiny.write_data(tmp_path / "data", n=2, size=34, truth=True)
    hwan.config.save(tiny.config(epochs=2), tmp_path / "tiny.json")
    run = tmp_path / "run"
    trained = child(
        "-m", "hwan.cli.main", "train", str(tmp_path / "tiny.json"), "--data", str(data),
        "--out", str(run), "--train.seed", "5",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert hwan.config.load(run / "config.json").train.seed == 5
    assert "4/4 images" in trained.stderr
    assert f"{run}: trained" in trained.stdout
    tested = child("-m", "hwan.cli.main", "evaluate", str(run))
    assert tested.returncode == 0, tested.stderr
    assert "SSIM" in tested.stdout
    assert f"report: {run / 'report.html'}" in tested.stdout.replace(os.linesep, "\n")
    for done in (trained, tested):
        for text in (done.stdout, done.stderr):
            assert "\x1b" not in text
            assert "\r" not in text
    assert (run / "evaluation" / "results.json").is_file()


def test_a_recipes_network_follows_the_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tiny.write_data(tmp_path / "data")
    said = say(
        capsys, "train", "pix2pix", "--data", str(data), "--data.size", "64", "--data.pairs", "names",
        "--generator.filters", "2", "--discriminator.filters", "2", "--train.epochs", "0.2",
        "--train.ticks", "1", "--out", str(tmp_path / "run"), "--device", "cpu",
    )  # fmt: skip
    assert said.code == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["generator"]["downs"] == 6


@pytest.mark.parametrize(
    ("error", "rule"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB.\nMore."),
            "enough memory",
        ),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), "enough memory"),
    ],
)
def test_a_full_memory_is_told_with_what_takes_less(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception, rule: str
) -> None:
    def fail(arguments: list[str]) -> int:
        raise error

    monkeypatch.setitem(VERBS, "train", fail)
    said = say(capsys, "train")
    assert said.code == 1
    assert rule in said.err
    assert f"received: {str(error).splitlines()[0]}\n" in said.err
    assert "--speed.gradient_checkpointing" in said.err


def test_another_error_of_torch_keeps_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: list[str]) -> int:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setitem(VERBS, "train", fail)
    with pytest.raises(RuntimeError, match="shapes"):
        main(["train"])


def test_compiling_without_a_compiler_is_refused_in_words(tmp_path: Path) -> None:
    data = tiny.write_data(tmp_path / "data")
    command = ["train", "small", "--data", str(data), "--out", str(tmp_path / "run")]
    switches = ["--data.size", "32", "--speed.compile", "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, "-m", "hwan.cli.main", *command, *switches],
        env={
            **os.environ,
            "CXX": "/none/g++",
            "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "compiled"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "leave --speed.compile out" in done.stderr
    assert "Traceback" not in done.stderr
