"""Logs on disk: JSON lines and CSV, which a resumed run cuts back to its checkpoint."""

from __future__ import annotations

import io
import json
import math
import os
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from minidl.checks import integer
from minidl.files import PathLike
from minidl.training.events import Callback, EpochEnd, FitEnd, FitStart, StepEnd, Stop


class _Log(Callback):
    """A text file that grows by whole lines, and knows how long it was at each checkpoint.

    What it holds is known by its length and a CRC-32 of it, so that a line of another run is never
    cut off, nor written after.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self._size = self._sum = 0
        self._file: BinaryIO | None = None

    def on_fit_start(self, event: FitStart) -> Stop | None:
        """Open the file, which should be new or this run's, and find out whether it can be."""
        if not self.path.parent.is_dir():
            raise FileNotFoundError(
                f"there is no folder {str(self.path.parent)!r} to write {self.path.name} to"
            )
        self._file = open(self.path, "ab")  # noqa: SIM115  (closed when fit ends)
        size = os.path.getsize(self.path)
        if size != self._size and not event.resumed:  # load_state looks at those of resumed runs
            raise FileExistsError(
                f"{self.path} holds {size:,} bytes that are not of this run: name another file, or"
                " move that one away"
            )
        return None

    def _write(self, line: str) -> None:
        """Write a line whole: at once, and handed over to the system."""
        if self._file is None:
            raise ValueError(f"{self.path} is open during fit alone")
        data = line.encode()
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise OSError(
                f"cannot write {self.path}: {error.strerror}. Make room, then resume the run"
            ) from error
        self._size, self._sum = self._size + len(data), zlib.crc32(data, self._sum)

    def on_fit_end(self, event: FitEnd) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def state(self) -> dict[str, Any]:
        """Return how long the file is, and its sum, once the disk has it all."""
        if self._file is not None:
            os.fsync(self._file.fileno())
        return {"size": self._size, "sum": self._sum}

    def load_state(self, state: dict[str, Any]) -> None:
        """Cut the file back; ``ValueError`` where it does not begin as it did.

        A file that is empty or gone begins anew.
        """
        held = self.path.read_bytes() if self.path.exists() else b""
        kept = held[: state["size"]]
        known = len(kept) == state["size"] and zlib.crc32(kept) == state["sum"]
        if held and not known:
            raise ValueError(
                f"{self.path} is not the log that the checkpoint knows: move it away, and a new one"
                " begins"
            )
        if held:
            os.truncate(self.path, len(kept))
        self._size, self._sum = len(kept), zlib.crc32(kept)


class JSONLog(_Log):
    """Writes a JSON object a line: one every so many steps, and one an epoch.

    Each has "event", "step" (counted from 1 over the whole training) and "epoch". A line of a step
    has the epoch's means so far, one of an epoch its row in the history. Numbers that are not
    finite are null. A run that is resumed goes on where its checkpoint was: no line is torn, or
    there twice.

    Parameters
    ----------
    path : path
        The file; it should be new. A second ``fit`` goes on in it.
    every : int, optional
        A line after every so many steps; None: epochs alone.

    Raises
    ------
    FileExistsError
        When ``fit`` begins, where the file holds something else.
    OSError
        Where it cannot be written.

    Examples
    --------
    >>> import minidl as dl
    >>> callbacks = [dl.JSONLog("log.jsonl", every=50)]

    The file is read with ``[json.loads(line) for line in open("log.jsonl")]``.
    """

    def __init__(self, path: PathLike, *, every: int | None = 100) -> None:
        super().__init__(path)
        self.every = None if every is None else integer("every", every, low=1)

    def on_step_end(self, event: StepEnd) -> Stop | None:
        """Write a line where one is due."""
        if self.every and event.trainer.optimizer.state.steps % self.every == 0:
            self._tell("step", event)
        return None

    def on_epoch_end(self, event: EpochEnd) -> Stop | None:
        """Write a line."""
        self._tell("epoch", event)
        return None

    def _tell(self, kind: str, event: StepEnd | EpochEnd) -> None:
        place = {"step": event.trainer.optimizer.state.steps, "epoch": event.epoch}
        numbers = {
            name: value if math.isfinite(value) else None for name, value in event.row.items()
        }
        self._write(json.dumps({"event": kind, **place, **numbers}) + "\n")


class CSVLog(_Log):
    """Writes the history as CSV, a row an epoch under one line of names, as it comes.

    The first row fixes the columns: one that later lacks leaves an empty place. NaN and infinity
    are "nan" and "inf". A run that is resumed goes on where its checkpoint was.

    Parameters
    ----------
    path : path
        The file; it should be new. A second ``fit`` goes on in it.

    Raises
    ------
    FileExistsError
        When ``fit`` begins, where the file holds something else.
    ValueError
        Where a later row has a column that the first had not.
    OSError
        Where it cannot be written.

    Examples
    --------
    >>> import minidl as dl
    >>> callbacks = [dl.CSVLog("history.csv")]
    """

    def __init__(self, path: PathLike) -> None:
        super().__init__(path)
        self._columns: list[str] = []

    def on_epoch_end(self, event: EpochEnd) -> Stop | None:
        """Write a row, and the names before the first."""
        if not self._columns:
            self._columns = list(event.row)
            self._write(_csv(self._columns))
        new = [name for name in event.row if name not in self._columns]
        if new:
            raise ValueError(
                f"{self.path} has no column for {', '.join(new)}, which the first row had not: give"
                " this fit a CSVLog of its own, or use JSONLog"
            )
        self._write(_csv([event.row.get(name, "") for name in self._columns]))
        return None

    def state(self) -> dict[str, Any]:
        """Return the columns too."""
        return {**super().state(), "columns": self._columns}

    def load_state(self, state: dict[str, Any]) -> None:
        """Cut the file back, and keep its columns unless it begins anew."""
        super().load_state(state)
        self._columns = list(state["columns"]) if self._size else []


def _csv(cells: list[Any]) -> str:
    import csv  # here, so that importing minidl is quick

    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
