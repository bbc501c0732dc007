"""Checks of whole numbers that come from a user."""

from __future__ import annotations

import numpy as np


def integer(name: str, value: object, low: int, high: int | None = None) -> int:
    """Return ``value`` as an int from ``low`` to ``high``; ``name`` is what messages call it.

    NumPy integers are taken; booleans, floats and text are refused with a ``TypeError``, integers
    out of range with a ``ValueError``.

    >>> integer("batch_size", 64, low=1)
    64
    """
    allowed = f"of at least {low}" if high is None else f"from {low} to {high}"
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(
            f"{name} must be an integer {allowed}, got {value!r} of type {type(value).__name__}"
        )
    number = int(value)
    if number < low or (high is not None and number > high):
        raise ValueError(f"{name} must be an integer {allowed}, got {number}")
    return number
