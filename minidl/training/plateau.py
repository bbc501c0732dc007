"""ReduceOnPlateau: a lower learning rate once the run gets no better."""

from __future__ import annotations

import math
from typing import Literal

from minidl.checks import integer, not_negative, positive, share
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
    mode : "min" or "max"
        Whether lower or higher is better.

    Raises
    ------
    ValueError, TypeError
        On numbers out of range; after the first epoch where there is no such column.

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
        mode: Literal["min", "max"] = "min",
    ) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"monitor should be the name of a column, got {monitor!r}")
        if positive("factor", factor) >= 1:
            raise ValueError(f"factor should lie between 0 and 1, got {factor!r}")
        if mode not in ("min", "max"):
            raise ValueError(f"mode should be 'min' or 'max', got {mode!r}")
        self.monitor, self.factor, self.mode = monitor, float(factor), mode
        self.patience = integer("patience", patience, low=0)
        self.threshold = share("threshold", threshold)
        self.cooldown = integer("cooldown", cooldown, low=0)
        self.least = not_negative("least", least)
        self._forget()

    def _forget(self) -> None:
        self._best, self._bad, self._rest = math.inf, 0, 0

    def on_fit_start(self, event: FitStart) -> Stop | None:
        """Begin anew, as the rate does."""
        self._forget()
        return None

    def on_epoch_end(self, event: EpochEnd) -> Stop | None:
        """Look at the column, and lower the rate where it has been no better for too long."""
        if self.monitor not in event.row:
            raise ValueError(
                f"ReduceOnPlateau monitors {self.monitor!r}, and the columns are"
                f" {', '.join(event.row)}: fit needs a validation set for those with val_"
            )
        self._count(event.row[self.monitor])
        if self._bad > self.patience:
            self._bad, self._rest = 0, self.cooldown
            optimizer = event.trainer.optimizer
            rate = optimizer.rate()
            lower = max(rate * self.factor, self.least)
            if lower < rate:
                optimizer.state.factor *= lower / rate
        return None

    def _count(self, value: float) -> None:
        """Count an epoch as better, bad, or one of rest; NaN is bad."""
        cost = value if self.mode == "min" else -value
        if cost < self._best * (1 - math.copysign(self.threshold, self._best)):
            self._best, self._bad = cost, 0
        else:
            self._bad += 1
        if self._rest:
            self._rest, self._bad = self._rest - 1, 0
