"""Checks of numbers that come from a user: each returns what it was given, or raises."""

from __future__ import annotations

import math

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


def positive(name: str, value: object) -> float:
    """Return ``value`` where it is a finite number above 0; ``ValueError`` or ``TypeError`` else.

    >>> positive("rate", 0.1)
    0.1
    """
    number = _number(name, value, "a positive number")
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be positive and finite, got {value!r}")
    return number


def not_negative(name: str, value: object) -> float:
    """Return ``value`` where it is a finite number of at least 0.

    >>> not_negative("weight_decay", 0.0)
    0.0
    """
    number = _number(name, value, "a number of at least 0")
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be at least 0 and finite, got {value!r}")
    return number


def share(name: str, value: object) -> float:
    """Return ``value`` where it is a number of at least 0 and below 1.

    >>> share("momentum", 0.9)
    0.9
    """
    number = _number(name, value, "a number of at least 0 and below 1")
    if not 0 <= number < 1:
        raise ValueError(f"{name} must be at least 0 and below 1, got {value!r}")
    return number


def _number(name: str, value: object, wanted: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{name} must be {wanted}, got {value!r} of type {type(value).__name__}")
    return float(value)
