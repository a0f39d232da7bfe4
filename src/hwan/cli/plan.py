"""plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hwan.cli.options import OverConfig, parse_over
from hwan.errors import require


@dataclass(frozen=True)
class Plan(OverConfig):
    """Estimate the memory and time of a training before it begins, and find what would fit.
    --help shows the options that people change, --help-all every option."""

    data: tuple[Path, ...] = ()
    """The data set, for the length of an epoch; without it the time of 1000 images is estimated."""
    memory: float = 0.0
    """Gigabytes to fit into; 0: what the device has."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""


def plan(args: list[str]) -> int:
    given = parse_over("plan", args, Plan)
    require(given.memory >= 0, "gigabytes for --memory, 0 or more", given.memory, "give 16, say")

    from rich.console import Console
    from rich.table import Table

    from hwan.runtime import describe, pick_device, pick_precision
    from hwan.training import plan as planning

    device = pick_device(given.device)
    images = planning.length(given.config, given.data)  # it refuses wrong data before the table
    room = given.memory * 1e9 or planning.memory_of(device)
    config = planning.settled(given.config, pick_precision(given.config.train.precision, device))
    found = planning.choices(
        config, device, room, planning.resident_images(config, given.data, device)
    )
    table = Table("options", "memory", f"fits into {room / 1e9:.1f} GB", "GFLOP a step")
    for choice in found:
        memory, fits = f"{choice.total / 1e9:.2f} GB", "yes" if choice.total <= room else "no"
        table.add_row(choice.options, memory, fits, f"{choice.cost.flop / 1e9:.1f}")
    print(f"{describe(device)}; {config.train.precision}")
    Console().print(table)
    fitting = next((choice for choice in found if choice.total <= room), None)
    if fitting is None:
        print("nothing tried fits: give fewer --generator.filters or a smaller --data.size")
        return 1
    config = fitting.config
    seconds, size = planning.pace(config, device)
    batch = config.train.batch * config.train.accumulate
    scaled = "" if size == config.data.size else f", scaled from {size}x{size}"
    pace = f"{seconds:.3g} s a step of {batch} ({batch / seconds:.3g} images/s{scaled})"
    length = f"{images} images: {planning.words(images / batch * seconds)}"
    print(f"{fitting.options}: {pace}; {length}")
    first = config.first_results
    enough = "" if images >= first else f"; these {images} are too few"
    time = planning.words(first / batch * seconds)
    print(f"outputs are worth judging after about {first} images: {time}{enough}")
    return 0
