"""TensorBoard: the numbers of a run as event files, written with tensorboardX."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minidl.checks import integer
from minidl.files import PathLike
from minidl.training.events import Callback, EpochEnd, FitEnd, FitStart, StepEnd, Stop

if TYPE_CHECKING:
    from tensorboardX.event_file_writer import EventsWriter


class TensorBoard(Callback):
    """Writes event files for TensorBoard: scalars every so many steps, and every epoch.

    The scalars are the columns of the history: "epoch/val_loss" and the like after an epoch,
    "step/loss" and the like, the epoch's means so far, in between. All are placed by the number of
    steps, counted from 1 over the whole training. Every ``fit`` writes a file of its own in the
    folder; that of a run that is resumed takes back what earlier files say of later steps.

    It needs tensorboardX: ``pip install 'minidl[tensorboard]'``. To look at the files:
    ``pip install tensorboard``, then ``tensorboard --logdir FOLDER``.

    Parameters
    ----------
    folder : path
        Where the files go; it is made where there is none.
    every : int, optional
        Scalars after every so many steps; None: epochs alone.

    Raises
    ------
    ImportError
        When ``fit`` begins, where tensorboardX is not installed.
    OSError
        Where the folder cannot be written to.

    Examples
    --------
    >>> import minidl as dl
    >>> callbacks = [dl.TensorBoard("runs/first", every=50)]
    """

    def __init__(self, folder: PathLike, *, every: int | None = 100) -> None:
        self.folder = Path(folder)
        self.every = None if every is None else integer("every", every, low=1)
        self._last = 0  # the last step with a scalar
        self._resumed = False
        self._writer: EventsWriter | None = None

    def on_fit_start(self, event: FitStart) -> Stop | None:
        """Find out whether files can be written."""
        _check_library()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._last, self._resumed = event.trainer.optimizer.state.steps, False
        return None

    def on_step_end(self, event: StepEnd) -> Stop | None:
        """Write scalars where they are due."""
        if self.every and event.trainer.optimizer.state.steps % self.every == 0:
            self._tell("step", event)
        return None

    def on_epoch_end(self, event: EpochEnd) -> Stop | None:
        """Write the row of the epoch."""
        self._tell("epoch", event)
        return None

    def _tell(self, kind: str, event: StepEnd | EpochEnd) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        self._writer = self._writer or self._begin()
        self._last = event.trainer.optimizer.state.steps
        values = [
            Summary.Value(tag=f"{kind}/{name}", simple_value=value)
            for name, value in event.row.items()
            if name != "epoch"
        ]
        news = Event(wall_time=time.time(), step=self._last, summary=Summary(value=values))
        self._writer.write_event(news)

    def _begin(self) -> EventsWriter:
        """Begin a file, after those that there are by name; take back what a resumed run undoes."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        # Not its SummaryWriter, whose thread may still hold events when a checkpoint is written.
        name = f".{os.getpid()}.{self._last}"  # so that two of one second are two files
        writer = EventsWriter(str(self.folder / "events"), name)
        if self._resumed:
            start = SessionLog(status=SessionLog.START)
            writer.write_event(Event(wall_time=time.time(), step=self._last + 1, session_log=start))
        return writer

    def on_fit_end(self, event: FitEnd) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
        self._writer = None

    def state(self) -> dict[str, Any]:
        """Return the last step with a scalar, once the disk has it."""
        if self._writer is not None:
            self._writer.flush()
        return {"last": self._last}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._last, self._resumed = state["last"], True


def _check_library() -> None:
    try:
        import tensorboardX  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "event files need tensorboardX: pip install 'minidl[tensorboard]'"
        ) from error
