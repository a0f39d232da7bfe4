"""Memory and time of a training, before it begins, and what would fit."""

from __future__ import annotations

import gc
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median_high

import torch

from hwan.config import Config, Precision
from hwan.data.augment import fit
from hwan.data.folders import list_images, locate
from hwan.data.sets import could_lie_on, has_room
from hwan.errors import UsageError, require
from hwan.evaluation.images import readable_images
from hwan.methods.base import summed
from hwan.runtime import pick_device
from hwan.training.estimate import StepCost, noise_batches, step_cost
from hwan.training.loop import choose_step
from hwan.training.state import Training
from hwan.training.steps.cuda_graph import EAGER_STEPS

TIMING_SECONDS = 60.0  # seconds that timing a step may take
PROCESS = {"cpu": 0.3e9, "cuda": 0.8e9}  # torch itself; on a GPU its context and libraries
HEAP, FAST_KERNELS_HEAP = 1.25, 1.6
"""Bytes of glibc's heap for each byte of tensors that live at once: blocks are freed in another order than
they were allocated, more so with the short-lived tensors of ``speed.fast_kernels``. Measured by
bench/memory.py."""


@dataclass(frozen=True)
class Choice:
    """A configuration that differs from the wanted one as ``options`` say, and the bytes it takes."""

    options: str
    config: Config
    cost: StepCost
    total: float


def memory_of(device: torch.device) -> float:
    """Bytes of memory to plan for: the GPU's, or what the machine has available."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[1])
    info = Path("/proc/meminfo")
    if info.exists() and (found := re.search(r"MemAvailable: *(\d+)", info.read_text())):
        return float(found[1]) * 1024
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def resident_images(config: Config, data: Sequence[Path], device: torch.device) -> float:
    """Bytes of the decoded images that a training keeps on ``device``, estimated from a few a domain."""
    if not data or not could_lie_on(device, config):
        return 0.0
    layout, size = locate(data, config.data.pairs, config.data.swap), 0.0
    domains = ((layout.train_a, config.data.format_a), (layout.train_b, config.data.format_b))
    for source, pixel_format in domains:
        files = list_images(source.folder)
        some = readable_images(source, pixel_format, files[:: len(files) // 12 + 1])
        found = [fit(pixels, config.data).nbytes for _, pixels in some]
        size += len(files) * sum(found) / max(1, len(found))
    return size if has_room(device, config, size) else 0.0


def choices(config: Config, device: torch.device, room: float, taken: float = 0.0) -> list[Choice]:
    """The configuration as asked, and others beside it.

    If it does not fit into ``room`` bytes, each further choice needs less than the one before it, up to
    the first that fits. If it fits, the other is the largest batch that fits too. ``taken`` bytes are
    taken anyway.
    """

    def choice(options: str, config: Config) -> Choice:
        cost = step_cost(config)
        return Choice(options, config, cost, taken + total(config, cost, device))

    asked = choice("as asked", config)
    found = [asked]
    if asked.total > room:
        for options, less in _reductions(config):
            found.append(choice(options, less))
            if found[-1].total <= room:
                break
        return found
    train = config.train
    # Activations grow with the batch.
    each = (asked.cost.peak - asked.cost.kept) / train.batch * heap(config, device)
    batch = min(256, 1 << int((room - asked.total + each * train.batch) / each).bit_length() - 1)
    while batch > train.batch:  # not quite in proportion: what was estimated to fit may not
        more = replace(config, train=replace(train, batch=batch))
        larger = choice(f"--train.batch {batch}", more)
        if larger.total <= room:
            return [asked, larger]
        batch //= 2
    return found


def total(config: Config, cost: StepCost, device: torch.device) -> float:
    """Bytes that a training process will hold on ``device``."""
    return PROCESS.get(device.type, 0.4e9) + cost.peak * heap(config, device)


def heap(config: Config, device: torch.device) -> float:
    """Bytes that memory grows to for a byte of tensors that live at once."""
    if device.type != "cpu":
        return 1.0
    fast = config.speed.fast_kernels and config.generator.family.fast_convolutions
    return FAST_KERNELS_HEAP if fast else HEAP


def _reductions(config: Config) -> Iterator[tuple[str, Config]]:
    """Ways to need less memory, each on top of those before, the ones that change no result first."""
    options = ""
    # (Batch norm and whitening would see other batches.)
    norms = config.generator.norm_record, config.discriminator.norm_record
    if config.train.batch > 1 and not any(norm.mixes_batch for norm in norms):
        batches = config.train.accumulate * config.train.batch
        config = replace(config, train=replace(config.train, batch=1, accumulate=batches))
        options += f" --train.batch 1 --train.accumulate {batches}"
        yield options.strip(), config
    if config.generator.can_checkpoint and not config.speed.gradient_checkpointing:
        config = replace(config, speed=replace(config.speed, gradient_checkpointing=True))
        options += " --speed.gradient_checkpointing"
        yield options.strip(), config
    with suppress(UsageError):  # the networks do not go that small
        while True:
            config = resized(config, config.data.size // 2)
            yield f"{options} --data.size {config.data.size}".strip(), config


def resized(config: Config, size: int) -> Config:
    """``config`` with crops of another size. Raises ``UsageError`` where the networks do not take it."""
    return replace(config, data=replace(config.data, size=size, resize=0))


def pace(config: Config, device: torch.device) -> tuple[float, int]:
    """Seconds a step takes on ``device``, and the size of the crops it was measured at.

    Steps on noise are timed at the configuration's own size if three take at most ``TIMING_SECONDS``,
    otherwise at half of it or a quarter, and scaled by the arithmetic. The median is returned.
    """
    size, wanted = _trial_size(config, device), config.data.size
    trial = resized(config, size)
    seconds = seconds_a_step(trial, device, TIMING_SECONDS)
    scale = 1.0 if size == wanted else step_cost(config).flop / step_cost(trial).flop
    return seconds * scale, size


def _trial_size(config: Config, device: torch.device) -> int:
    """The largest of size, size/2, size/4 whose steps are short enough, estimated from the smallest."""
    sizes = [config.data.size]
    with suppress(UsageError):  # the networks do not go that small
        sizes.append(resized(config, sizes[-1] // 2).data.size)
        sizes.append(resized(config, sizes[-1] // 2).data.size)
    seconds = seconds_a_step(resized(config, sizes[-1]), device, 1.0)
    short = [s for s in sizes if 3 * seconds * (s / sizes[-1]) ** 2 < TIMING_SECONDS]
    return max(short, default=sizes[-1])


def seconds_a_step(config: Config, device: torch.device, limit: float) -> float:
    """Median seconds of steps on noise, after those that prepare; ten, or fewer in ``limit`` seconds."""
    untimed = EAGER_STEPS + 1 if config.speed.cuda_graph else 2
    gc.collect()  # an earlier training, whose parts refer to each other
    step = choose_step(Training(config, device))
    micro = noise_batches(config)
    end, found = time.perf_counter() + limit, list[float]()
    while len(found) <= untimed or (len(found) < untimed + 10 and time.perf_counter() < end):
        before = time.perf_counter()
        losses = step(micro, 0.0)
        float(summed(losses["generators"]))  # until the device is done
        found.append(time.perf_counter() - before)
    return median_high(found[untimed:])


def fitted(config: Config, data: Sequence[Path], seconds: float, device: str) -> Config:
    """``config`` with as many epochs as fit into ``seconds``, by a dozen steps timed on noise."""
    expected, fix = "--minutes above 0", "give 10, say, or leave it out for train.epochs"
    require(seconds > 0, expected, f"{seconds / 60:g}", fix)
    one = replace(config, train=replace(config.train, epochs=1.0))
    step = seconds_a_step(config, pick_device(device), seconds / 10)
    batch = config.train.batch * config.train.accumulate
    epochs = seconds / step * batch / length(one, data)
    return replace(config, train=replace(config.train, epochs=epochs))


def settled(config: Config, precision: Precision) -> Config:
    """``config`` with its precision decided."""
    return replace(config, train=replace(config.train, precision=precision))


def length(config: Config, data: Sequence[Path]) -> int:
    """Images a training on ``data`` sees, counting files; 1000 without data.

    Raises ``UsageError`` for folders that are no data set, as a training does.
    """
    if not data:
        return 1000
    layout = locate(data, config.data.pairs, config.data.swap)
    epoch = max(len(list_images(side.folder)) for side in (layout.train_a, layout.train_b))
    return max(1, round(config.train.epochs * epoch))


def words(seconds: float) -> str:
    """ "3 h 20 min"."""
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (0 if days else minutes, "min")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)
