"""import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from hwan.cli.options import parse


@dataclass(frozen=True)
class Import:
    """Make a generator folder of weights trained elsewhere: a checkpoint of
    pytorch-CycleGAN-and-pix2pix (.pth), or Keras weights of its CycleGAN example (.weights.h5,
    .keras, .h5). The architecture is read from the tensors."""

    file: Positional[Path]
    """The file."""
    out: Path
    """The generator folder to make."""
    direction: Literal["auto", "ab", "ba"] = "auto"
    """ab or ba; auto goes by the file's name (latest_net_G_B.pth and gen_F are ba, all others ab). From a
    Keras file with both generators, ab takes gen_G and ba gen_F."""
    eval: bool = True
    """For a checkpoint: translate as the reference's test.py --eval does. --no-eval is test.py without it,
    as for pix2pix: dropout goes on, and batch norm uses each image's own statistics."""


def import_(args: list[str]) -> int:
    given = parse(Import, "import", args)
    from hwan.evaluation.run_page import describe_folder
    from hwan.interop import import_weights

    import_weights(given.file, given.out, given.direction, given.eval)
    print(describe_folder(given.out))
    return 0
