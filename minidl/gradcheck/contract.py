"""What every module promises beside right derivatives; each breach has its own message."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from minidl.gradcheck.subject import Key, Subject, named
from minidl.types import Array


def check_contract(subject: Subject) -> Array:
    """Return the output, having run once forward and back; ``GradientError`` on a breach."""
    before = {key: array.copy() for key, array in subject.arrays.items()}
    y, pullback = subject.forward(subject.arrays)
    if pullback is not None:
        raise subject.wrong(
            "forward returns a pullback where nothing is wanted: return ``pullback if ctx.wanted"
            " else None``"
        )
    _check_unchanged(subject, before, "forward")
    _check_output(subject, y)
    again, pullback = subject.forward(subject.arrays, subject.wanted)
    _check_repeats(subject, y, again)
    if pullback is None:
        raise subject.wrong("forward gives no pullback though one is wanted")
    dy = np.ones(y.shape)
    subject.found(pullback(dy))
    _check_unchanged(subject, before, "the pullback")
    if (dy != 1).any():
        raise subject.wrong(
            "the pullback changes dy in place: others read it too, so make a new array"
        )
    return y


def _check_unchanged(subject: Subject, before: Mapping[Key, Array], who: str) -> None:
    for key, array in before.items():
        if not np.array_equal(array, subject.arrays[key], equal_nan=True):
            raise subject.wrong(
                f"{who} changes {named(key)} in place: others read it too, so make a new array"
            )


def _check_output(subject: Subject, y: Array) -> None:
    if not isinstance(y, np.ndarray) or y.dtype != np.float64:
        came = y.dtype if isinstance(y, np.ndarray) else type(y).__name__
        raise subject.wrong(
            f"the output is {came} for float64 inputs: keep the type of what comes in"
        )
    if not np.isfinite(y).all():
        index = tuple(map(int, np.argwhere(~np.isfinite(y))[0]))
        raise subject.wrong(
            f"the output is {y[index]} at {index}: check it at inputs where it is finite"
        )


def _check_repeats(subject: Subject, y: Array, again: Array) -> None:
    if y.shape != again.shape or not np.allclose(y, again, rtol=1e-12, atol=1e-12):
        raise subject.wrong(
            "two runs of forward on the same inputs differ: draw random numbers from ctx.random,"
            " keep no state, and compute the same whether or not gradients are wanted"
        )
