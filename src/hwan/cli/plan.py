"""plan: memory and time of a training before it begins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from hwan.cli import ASK, parse
from hwan.cli.train import named, told
from hwan.config import Config
from hwan.errors import require


@dataclass(frozen=True)
class Plan:
    """Memory and time of a training before it begins, and what would fit."""

    config: Annotated[Config, arg(name="")]
    data: tuple[Path, ...] = ()
    """The data set, for the length of an epoch; without it the time of 1000 images is told."""
    memory: float = 0.0
    """Gigabytes to fit into; 0: what the device has."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""


def plan(args: list[str]) -> int:
    if args and args[0] in ASK:
        args = ["cyclegan", *args]
    base = named("plan", args)
    given = parse(Plan, f"plan {' '.join(args[:1])}", args[1:], Plan(base))
    told(args[0], given.config, base)
    require(given.memory >= 0, "--memory is gigabytes, 0 or more", given.memory, "give 16, say")

    from rich.console import Console
    from rich.table import Table

    from hwan.runtime import describe, pick_device, pick_precision
    from hwan.training import plan as planning

    device = pick_device(given.device)
    room = given.memory * 1e9 or planning.memory_of(device)
    config = planning.settled(given.config, pick_precision(given.config.train.precision, device))
    table = Table("options", "memory", f"fits into {room / 1e9:.1f} GB", "GFLOP a step")
    held = planning.resident_images(config, given.data, device)
    found = planning.choices(config, device, room, held)
    for choice in found:
        fits = "yes" if choice.total <= room else "no"
        table.add_row(
            choice.options, f"{choice.total / 1e9:.2f} GB", fits, f"{choice.cost.flop / 1e9:.1f}"
        )
    console = Console()
    console.print(f"{describe(device)}; {config.train.precision}", highlight=False)
    console.print(table)
    fitting = next((choice for choice in found if choice.total <= room), None)
    if fitting is None:
        print("nothing tried fits: give fewer --generator.filters or a smaller --data.size")
        return 1
    seconds, size = planning.pace(fitting.config, device)
    images = planning.length(fitting.config, given.data)
    batch = fitting.config.train.batch * fitting.config.train.accumulate
    scaled = "" if size == fitting.config.data.size else f", scaled from {size}x{size}"
    print(
        f"{fitting.options}: {seconds:.3g} s a step of {batch} ({batch / seconds:.3g} images/s{scaled}); "
        f"{images} images: {planning.words(images / batch * seconds)}"
    )
    return 0
