"""docs/guide/extending.md, executed as it is written: on a copy of the source, in a process of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import hwan
import tiny

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "extending.md"
TRAIN = """
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, sys.argv[1])
import hwan
import tiny
from hwan.config import Config, GeneratorConfig, LossConfig
from hwan.config.applicability import unread
from hwan.config.recipes import RECIPES, recipe
from hwan.errors import UsageError
from hwan.evaluation.evaluate import evaluate
from hwan.evaluation.results import summarise
from hwan.evaluation.run_page import write_run_report
from hwan.evaluation.source import run_data
from hwan.training import run as runs
from hwan.training.recorder import Interrupted, LogRow

assert Path(hwan.__file__).is_relative_to(Path.cwd()), hwan.__file__
torch.set_num_threads(1)
data = [Path("data")]
base = tiny.config(ticks=2)


def train(config, out, resume=False):
    events = list(runs.train(config, data, Path(out), "cpu", resume))
    losses = [event.losses for event in events if isinstance(event, LogRow)]
    assert losses
    return str(losses[-1])


# a generator and a discriminator
nets = replace(
    base,
    generator=GeneratorConfig(name="dilated", filters=4, dilations=2),
    discriminator=replace(base.discriminator, name="coarse"),
)
train(nets, "nets")
assert type(hwan.load("nets/generator_ab").generator).__name__ == "Sequential"
blocks = replace(nets, generator=replace(nets.generator, blocks=2))
assert list(unread(blocks, nets)) == ["generator.blocks"]
assert list(unread(replace(base, generator=replace(base.generator, dilations=2)), base))

# a loss
pairs = replace(base, method="pix2pix", data=replace(base.data, pairs="names"), loss=LossConfig(tv=1))
assert "tv_b" in train(pairs, "loss")
for wrong in (lambda: Config(loss=LossConfig(tv=1)), lambda: LossConfig(tv=-1)):
    try:
        wrong()
    except UsageError as error:
        assert "loss.tv" in str(error)
    else:
        raise AssertionError("a wrong loss.tv passed")

# a method that translates both ways
assert recipe("tether").directions == ("ab", "ba")
tether = replace(base, method="tether", loss=LossConfig(l1=2.0))
stopped = False
for event in runs.train(tether, data, Path("method"), "cpu"):
    if isinstance(event, LogRow) and not stopped:
        signal.raise_signal(signal.SIGINT)
        stopped = True
assert isinstance(event, Interrupted), event
assert "l1_a" in train(tether, "method", resume=True)
rows = list(evaluate(Path("method"), run_data(Path("method")), "cpu"))
assert {row.direction for row in rows} == {"ab", "ba"}
page = write_run_report(Path("method"), run_data(Path("method")), rows, summarise(rows))
assert "back to A" in page.read_text(encoding="utf-8")
for direction in ("ab", "ba"):
    image = next(Path("data/testA").glob("*.png"))
    assert hwan.load("method", "cpu", direction)(str(image)).size == (40, 40)
print("all done")
"""


def apply(page: str, root: Path) -> set[str]:
    """Apply the page's blocks to the tree in ``root``; the source files that they edit."""
    edited = set()
    for kind, body in re.findall(r"^```(python|diff)\n(.*?)^```$", page, re.M | re.S):
        head, text = body.split("\n", 1)
        path = root / head.removeprefix("# ").removeprefix("new file: ")
        if kind == "python":
            assert head.startswith("# new file: ")
            assert not path.exists()
            path.write_text(text, encoding="utf-8")
            continue
        lines = [(line[:1], line[1:]) for line in text.splitlines()]
        old = "".join(f"{line}\n" for mark, line in lines if mark != "+")
        new = "".join(f"{line}\n" for mark, line in lines if mark != "-")
        source = path.read_text(encoding="utf-8")
        assert source.count(old) == 1, f"{path} has this once:\n{old}"
        path.write_text(source.replace(old, new), encoding="utf-8")
        edited.add(head)
    return edited


def test_the_page_works_as_written(tmp_path: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(hwan.__file__).parent, tmp_path / "src" / "hwan", ignore=ignore)
    sections = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
    assert len(sections) >= 5
    for section in sections:
        edited = apply(section, tmp_path)
        assert len(edited) <= 2, f"{section.splitlines()[0]} edits {sorted(edited)}"
    tiny.write_data(tmp_path / "data", 4)
    helpers = str(Path(tiny.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, helpers],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("all done\n"), done.stderr[-3000:]
