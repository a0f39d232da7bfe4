"""The command line, called in this process."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from hwan.cli.main import main


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        """Everything on one line, without the frames around it."""
        return " ".join(re.sub("[│╭╮╰╯─]", " ", self.out + " " + self.err).split())


def say(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Said:
    """What ``hwan ARGUMENTS`` says."""
    capsys.readouterr()
    try:
        code: object = main([str(argument) for argument in arguments])
    except SystemExit as left:  # by tyro: help and wrong options
        code = left.code
    assert isinstance(code, int)
    return Said(code, *capsys.readouterr())
