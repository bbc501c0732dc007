"""What ends a run before its last epoch: no progress, no time, or numbers that are none."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from minidl.checks import integer, positive
from minidl.training.better import Mode, Monitor
from minidl.training.events import Callback, EpochEnd, FitStart, StepEnd, Stop
from minidl.training.finite import first_bad_array, what_is_bad


class EarlyStopping(Callback):
    """Ends the run once a column of the history gets no better.

    It counts as ``ReduceOnPlateau`` does. To keep the weights of the best epoch, add ``KeepBest``.
    Each ``fit`` counts anew.

    Parameters
    ----------
    monitor : str
        The column that should get better.
    patience : int
        How many epochs in a row may be no better than the best; the next one ends the run.
        Keras's and Lightning's count one less.
    threshold : float
        By what share of the best a value must differ from it to be better, at least 0 and below 1.
        Keras's ``min_delta`` is a difference instead.
    mode : "auto", "min" or "max"
        Whether lower or higher is better. "auto" knows losses and errors from accuracies,
        precision, recall and F1 by the column's name.

    Raises
    ------
    ValueError, TypeError
        On numbers out of range, or a column that "auto" does not know; after the first epoch where
        there is no such column.

    Examples
    --------
    >>> import numpy as np, minidl as dl
    >>> x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
    >>> model = dl.Sequential([dl.Dense(1)], input_shape=(1,))
    >>> enough = EarlyStopping("loss", patience=2)
    >>> trainer = dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(0.5), callbacks=[enough])
    >>> history = trainer.fit((x, abs(x)), epochs=100, progress=False)
    >>> len(history) < 100, trainer.stopped.reason
    (True, 'loss has been no better than 0.0... for 3 epochs')
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        patience: int = 10,
        threshold: float = 1e-4,
        mode: Mode = "auto",
    ) -> None:
        self._monitor = Monitor(monitor, mode, threshold)
        self.patience = integer("patience", patience, low=0)
        self._bad = 0

    @property
    def best(self) -> float | None:
        """The best value so far."""
        return self._monitor.best

    def on_fit_start(self, event: FitStart) -> Stop | None:
        """Begin anew."""
        self._monitor.best, self._bad = None, 0
        return None

    def on_epoch_end(self, event: EpochEnd) -> Stop | None:
        """Look at the column, and end the run where it has been no better for too long."""
        self._bad = 0 if self._monitor.better(event.row) else self._bad + 1
        if self._bad <= self.patience:
            return None
        best = "a number" if self.best is None else f"{self.best:.6g}"
        return Stop(f"{self._monitor.column} has been no better than {best} for {self._bad} epochs")

    def state(self) -> dict[str, Any]:
        """Return the best and the count."""
        return {**self._monitor.state(), "bad": self._bad}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on counting."""
        self._monitor.load_state(state)
        self._bad = state["bad"]


class TimeBudget(Callback):
    """Ends the run after the step, or the validation, with which it has taken so many minutes.

    The epoch ends there: it is measured, and has its row in the history. The time already spent
    is kept in checkpoints, so that a run that is resumed has what is left of its budget.

    Parameters
    ----------
    minutes : float
        How long, above 0.
    clock : function, optional
        What tells the time, in seconds.

    Examples
    --------
    >>> import minidl as dl
    >>> callbacks = [dl.TimeBudget(minutes=30)]
    """

    def __init__(self, minutes: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.minutes = positive("minutes", minutes)
        self._clock = clock
        self._spent = self._last = 0.0

    def on_fit_start(self, event: FitStart) -> Stop | None:
        """Start the watch."""
        self._spent, self._last = 0.0, self._clock()
        return None

    def on_step_end(self, event: StepEnd) -> Stop | None:
        """Look at the watch."""
        return self._look()

    def on_epoch_end(self, event: EpochEnd) -> Stop | None:
        """Look at the watch, since the validation took time too."""
        return self._look()

    def _look(self) -> Stop | None:
        now = self._clock()
        self._spent, self._last = self._spent + now - self._last, now
        over = self._spent >= 60 * self.minutes
        return Stop(f"the time budget of {self.minutes:g} minutes is spent") if over else None

    def state(self) -> dict[str, Any]:
        """Return how many seconds were spent."""
        return {"spent": self._spent}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._spent = state["spent"]


class StopOnNaN(Callback):
    """Breaks the run off at the first step that leaves NaN or infinity in the model's arrays.

    The trainer itself looks at the loss alone, which shows what a step did to the weights one step
    later, and a running average of batch norm only in the validation. This looks at every array
    after every step, and at every row of the history. Put it before callbacks that save.

    Raises
    ------
    FloatingPointError
        Naming the first array, in the order of the nodes, and the step; or the column and the
        epoch.

    Examples
    --------
    >>> import numpy as np, minidl as dl
    >>> model = dl.Sequential([dl.Dense(1)], input_shape=(1,))
    >>> options = {"callbacks": [StopOnNaN()]}
    >>> trainer = dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(1e30), **options)
    >>> trainer.fit((np.full((1, 1), 1e10), np.ones((1, 1))), progress=False)
    Traceback (most recent call last):
    ...
    FloatingPointError: after step 1 'dense1.weight' holds infinity: a learning rate ...
    """

    def on_step_end(self, event: StepEnd) -> Stop | None:
        """Look at the arrays."""
        trainer = event.trainer
        found = first_bad_array(trainer.model.arrays)
        if found is not None:
            steps = trainer.optimizer.state.steps
            raise FloatingPointError(
                f"after step {steps} {found}: a learning rate lower than"
                f" {trainer.optimizer.rate():.3g} would help, or clip_norm=1.0 for the optimizer"
            )
        return None

    def on_epoch_end(self, event: EpochEnd) -> Stop | None:
        """Look at the row."""
        for column, value in event.row.items():
            bad = what_is_bad(value)
            if bad is not None:
                raise FloatingPointError(f"{column} is {bad} after epoch {event.epoch}")
        return None
