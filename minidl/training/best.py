"""KeepBest: the weights of the best epoch, in memory and in a file."""

from __future__ import annotations

from typing import Any

from minidl import files
from minidl.checks import flag
from minidl.files import PathLike
from minidl.training.averaging import WeightAverage
from minidl.training.better import Mode, Monitor
from minidl.training.events import (
    Callback,
    EpochEnd,
    FitEnd,
    FitStart,
    Stop,
    ValidationStart,
)
from minidl.types import Array


class KeepBest(Callback):
    """Keeps the arrays of the epoch with the best value in a column of the history.

    For a column of the validation they are the arrays that were measured: with ``WeightAverage``
    the averages, where that comes before this in the list. When ``fit`` ends, however it does, the
    model holds them. Each ``fit`` compares anew.

    Parameters
    ----------
    monitor : str
        The column that should get better.
    mode : "auto", "min" or "max"
        Whether lower or higher is better. "auto" knows losses and errors from accuracies,
        precision, recall and F1 by the column's name.
    restore : bool
        Whether to put the best arrays into the model when ``fit`` ends.
    path : path, optional
        A model file to write whenever an epoch is the best so far.

    Attributes
    ----------
    epoch : int
        The epoch that had it, counted from 1; 0 before there was one.
    arrays : dict of str to array
        Its arrays by path.

    Raises
    ------
    ValueError, TypeError
        On a column that "auto" does not know; when ``fit`` begins, where a ``WeightAverage`` comes
        after this; after the first epoch, where there is no such column.
    OSError
        Where the file cannot be written.

    Examples
    --------
    >>> import numpy as np, minidl as dl
    >>> x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
    >>> model = dl.Sequential([dl.Dense(1)], input_shape=(1,))
    >>> keep = KeepBest("val_loss")
    >>> trainer = dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(0.5), callbacks=[keep])
    >>> history = trainer.fit((x, abs(x)), validation=0.25, epochs=5, progress=False)
    >>> keep.best == min(history["val_loss"])
    True
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        mode: Mode = "auto",
        restore: bool = True,
        path: PathLike | None = None,
    ) -> None:
        self._monitor = Monitor(monitor, mode)
        self.restore, self.path = flag("restore", restore), path
        self._forget()

    def _forget(self) -> None:
        self._monitor.best, self.epoch = None, 0
        self.arrays: dict[str, Array] = {}
        self._measured: dict[str, Array] = {}
        self._running = False

    @property
    def best(self) -> float | None:
        """The best value."""
        return self._monitor.best

    def on_fit_start(self, event: FitStart) -> Stop | None:
        """Begin anew."""
        order = event.trainer.callbacks
        after = order[order.index(self) :] if self in order else ()
        if any(isinstance(other, WeightAverage) for other in after):
            raise ValueError(
                "KeepBest comes before WeightAverage and would not see the averages: put it after"
            )
        self._forget()
        self._running = True
        return None

    def on_validation_start(self, event: ValidationStart) -> None:
        """Copy what is about to be measured."""
        if self._monitor.column.startswith("val_"):
            self._measured = event.trainer.model.arrays.copies()

    def on_epoch_end(self, event: EpochEnd) -> Stop | None:
        """Keep the arrays of a better epoch."""
        model = event.trainer.model
        if self._monitor.better(event.row):
            self.arrays = self._measured or model.arrays.copies()
            self.epoch = event.epoch
            if self.path is not None:
                with model.arrays.holding(self.arrays):
                    files.save(model, self.path)
        self._measured = {}
        return None

    def on_fit_end(self, event: FitEnd) -> None:
        """Put the best arrays into the model; nothing where ``fit`` did not begin."""
        if self.restore and self._running:
            event.trainer.model.arrays.fill(self.arrays)
        self._running = False

    def state(self) -> dict[str, Any]:
        """Return the best value, its epoch and its arrays."""
        return {**self._monitor.state(), "epoch": self.epoch, "arrays": self.arrays}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what was the best."""
        self._monitor.load_state(state)
        self.epoch, self.arrays = state["epoch"], dict(state["arrays"])
