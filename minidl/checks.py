"""Checks of numbers that come from a user: each returns what it was given, or raises."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

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


def finite(name: str, value: object) -> float:
    """Return ``value`` where it is a finite number.

    >>> finite("value", -1.5)
    -1.5
    """
    return _number(name, value, "finite", math.isfinite)


def positive(name: str, value: object) -> float:
    """Return ``value`` where it is a finite number above 0; ``ValueError`` or ``TypeError`` else.

    >>> positive("rate", 0.1)
    0.1
    """
    return _number(name, value, "positive and finite", lambda number: 0 < number < math.inf)


def not_negative(name: str, value: object) -> float:
    """Return ``value`` where it is a finite number of at least 0.

    >>> not_negative("weight_decay", 0.0)
    0.0
    """
    return _number(name, value, "at least 0 and finite", lambda number: 0 <= number < math.inf)


def share(name: str, value: object) -> float:
    """Return ``value`` where it is a number of at least 0 and below 1.

    >>> share("momentum", 0.9)
    0.9
    """
    return _number(name, value, "at least 0 and below 1", lambda number: 0 <= number < 1)


def proportion(name: str, value: object) -> float:
    """Return ``value`` where it is a number from 0 to 1.

    >>> proportion("momentum", 1)
    1.0
    """
    return _number(name, value, "from 0 to 1", lambda number: 0 <= number <= 1)


def flag(name: str, value: object) -> bool:
    """Return ``value`` where it is True or False.

    >>> flag("bias", True)
    True
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def _number(name: str, value: object, wanted: str, fits: Callable[[float], bool]) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(
            f"{name} must be a number, {wanted}, got {value!r} of type {type(value).__name__}"
        )
    number = float(value)
    if not fits(number):
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    return number


def perhaps(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known one, if one is near.

    >>> perhaps("minst", ["digits", "mnist"]), perhaps("--batch_size", ["--batch-size"])
    (": perhaps 'mnist'?", ": perhaps '--batch-size'?")
    >>> perhaps("cats", ["digits", "mnist"])
    ''
    """
    from difflib import get_close_matches

    plain = {_plain(one): one for one in known}
    near = get_close_matches(_plain(name), plain, n=1)
    return f": perhaps {plain[near[0]]!r}?" if near else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").lstrip("-")
