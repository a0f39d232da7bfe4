"""TensorBoard: a training's events, written to an event file in the run folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from hwan.imaging.pixels import decode
from hwan.runtime import need
from hwan.training.recorder import Event, LogRow

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"


def record(events: Iterable[Event], run: Path) -> Iterator[Event]:
    """Pass ``events`` on, each row written to ``run/tensorboard`` as it comes: the losses, the learning
    rate, the speed, the health and validation figures, and the sample sheet of a tick, all by images
    seen. A resumed training hides what was written beyond its start.

    Raises ``UsageError`` without the tensorboard extra, before the training begins.
    """
    need("tensorboard", "tensorboard", "writing TensorBoard's event files")
    from torch.utils.tensorboard import SummaryWriter  # seconds to import

    writer = None
    with ExitStack() as closed:
        for event in events:
            if isinstance(event, LogRow):
                if writer is None:
                    writer = SummaryWriter(str(run / FOLDER), purge_step=event.images)
                    closed.enter_context(writer)
                    config = (run / "config.json").read_text(encoding="utf-8")
                    writer.add_text("config", f"```json\n{config}\n```", event.images)
                _write(writer, event, run)
            yield event


def _write(writer: SummaryWriter, row: LogRow, run: Path) -> None:
    scalars = {
        **{f"loss/{group}": losses for group, losses in row.losses.items()},
        "train": {"lr": row.lr, "images_per_second": row.images_per_second},
        "health": row.health,
        "validation": row.validation,
    }
    for group, values in scalars.items():
        for name, value in values.items():
            writer.add_scalar(f"{group}/{name}", value, row.images)
    sheet = run / "samples" / f"{row.images:06d}.png"
    if row.tick and sheet.is_file():
        writer.add_image("samples", decode(sheet).pixels, row.images, dataformats="HWC")
        writer.flush()
