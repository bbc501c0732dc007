"""Monitor: a column of the history, and whether it got better."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

from minidl.checks import share
from minidl.training.history import Row

Mode: TypeAlias = Literal["auto", "min", "max"]

FALLING = {"loss", "error"}
RISING = {"accuracy", "precision", "recall", "f1"}


class Monitor:
    """A column of the history that should get better, and the best that it was.

    A value is better where it lies beyond the best by more than a share of it; NaN and infinity
    never are.

    Parameters
    ----------
    column : str
        Its name, as in the history.
    mode : "auto", "min" or "max"
        Whether lower or higher is better. "auto" knows by the words of the name: lower is better
        for "loss" and "error"; higher for "accuracy", "precision", "recall" and "f1".
    threshold : float
        By what share of the best a value must differ from it, at least 0 and below 1.

    Raises
    ------
    ValueError, TypeError
        On a mode that is none, or "auto" and a column that it does not know.

    Examples
    --------
    >>> monitor = Monitor("val_accuracy")
    >>> [monitor.better({"val_accuracy": value}) for value in (0.8, 0.7, 0.9)]
    [True, False, True]
    >>> monitor.best
    0.9
    """

    def __init__(self, column: str, mode: Mode = "auto", threshold: float = 0.0) -> None:
        if not isinstance(column, str):
            raise TypeError(f"monitor should be the name of a column, got {column!r}")
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode should be 'auto', 'min' or 'max', got {mode!r}")
        self.column = column
        self.mode = _mode_of(column) if mode == "auto" else mode
        self.threshold = share("threshold", threshold)
        self.best: float | None = None

    def better(self, row: Row) -> bool:
        """Say whether a row is better than the best, which it then becomes.

        Raises ``ValueError`` where it lacks the column.
        """
        if self.column not in row:
            raise ValueError(
                f"a callback monitors {self.column!r}, and the columns are {', '.join(row)}: fit"
                " needs a validation set for those with val_"
            )
        value = row[self.column]
        found = math.isfinite(value) and (self.best is None or self._beyond(value, self.best))
        self.best = value if found else self.best
        return found

    def _beyond(self, value: float, best: float) -> bool:
        margin = math.copysign(self.threshold, best)
        return value < best * (1 - margin) if self.mode == "min" else value > best * (1 + margin)

    def state(self) -> dict[str, Any]:
        """Return the best, which is None before the first."""
        return {"best": self.best}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up a best."""
        self.best = state["best"]


def _mode_of(column: str) -> Literal["min", "max"]:
    words = set(column.split("_"))
    if words & FALLING:
        return "min"
    if words & RISING:
        return "max"
    raise ValueError(
        f"whether {column!r} should fall or rise does not show in its name: pass mode='min' or"
        " mode='max'"
    )
