"""ReduceOnPlateau: a lower learning rate once the run gets no better."""

from __future__ import annotations

from typing import Any

from minidl.checks import integer, not_negative, positive
from minidl.training.better import Mode, Monitor
from minidl.training.events import Callback, EpochEnd, FitStart, Stop


class ReduceOnPlateau(Callback):
    """Multiplies the learning rate by ``factor`` when a column of the history gets no better.

    It rules as PyTorch's ``ReduceLROnPlateau`` does, and goes with any schedule: the rate is what
    the schedule says times ``trainer.optimizer.state.factor``, which is 1 when ``fit`` begins. Two
    things differ: below 0 too a value is better only beyond the best (PyTorch takes -0.95 for
    better than -1 where the threshold is 0.1), and no reduction is too small to be made (PyTorch
    leaves out those of less than its ``eps``, 1e-8).

    Parameters
    ----------
    monitor : str
        The column that should get better.
    factor : float
        What the rate is multiplied by, above 0 and below 1.
    patience : int
        How many epochs in a row may be no better than the best; the next one lowers the rate.
    threshold : float
        By what share of the best a value must differ from it to be better, at least 0 and below 1.
        Keras's ``min_delta`` is a difference instead, and its patience counts one less.
    cooldown : int
        For how many epochs after a reduction none counts as bad.
    least : float
        The rate is not lowered beyond this; PyTorch's and Keras's ``min_lr``. With
        ``ParameterGroups`` it holds the first group's rate, and the others keep their ratio to it.
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
    >>> halve = ReduceOnPlateau("loss", factor=0.5, patience=2)
    >>> trainer = dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(0.5), callbacks=[halve])
    >>> trainer.fit((x, abs(x)), epochs=20, progress=False)["lr"][-1] < 0.5
    True
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        least: float = 0.0,
        mode: Mode = "auto",
    ) -> None:
        self._monitor = Monitor(monitor, mode, threshold)
        if positive("factor", factor) >= 1:
            raise ValueError(f"factor should lie between 0 and 1, got {factor!r}")
        self.factor = float(factor)
        self.patience = integer("patience", patience, low=0)
        self.cooldown = integer("cooldown", cooldown, low=0)
        self.least = not_negative("least", least)
        self._forget()

    def _forget(self) -> None:
        self._monitor.best, self._bad, self._rest = None, 0, 0

    def on_fit_start(self, event: FitStart) -> Stop | None:
        """Begin anew, as the rate does."""
        self._forget()
        return None

    def on_epoch_end(self, event: EpochEnd) -> Stop | None:
        """Look at the column, and lower the rate where it has been no better for too long."""
        self._count(self._monitor.better(event.row))
        if self._bad > self.patience:
            self._bad, self._rest = 0, self.cooldown
            optimizer = event.trainer.optimizer
            rate = optimizer.rate()
            lower = max(rate * self.factor, self.least)
            if lower < rate:
                optimizer.state.factor *= lower / rate
        return None

    def _count(self, better: bool) -> None:
        """Count an epoch as better, bad, or one of rest."""
        self._bad = 0 if better else self._bad + 1
        if self._rest:
            self._rest, self._bad = self._rest - 1, 0

    def state(self) -> dict[str, Any]:
        """Return the best value, and the counts of bad epochs and of those of rest."""
        return {**self._monitor.state(), "bad": self._bad, "rest": self._rest}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on counting; the optimizer's own state holds the factor."""
        self._monitor.load_state(state)
        self._bad, self._rest = state["bad"], state["rest"]
