"""Normalisation: to mean 0 and variance 1 over all axes but the last, and its gradient.

The variance is the mean of squared deviations from the mean, because E[x²] - E[x]² cancels, and can
even turn negative, in float32. The deviations are centred a second time: at a mean of 10 000 the
mean itself is only known to 0.001 (Chan, Golub and LeVeque 1983, *Algorithms for computing the
sample variance*).
"""

from __future__ import annotations

import numpy as np

from minidl.types import Array

_RUN = 512
"""How many float32 numbers are added in a row before their sums are: rounding grows with a run."""


def row_sums(rows: Array) -> Array:
    """Return the sum over the last axis but one: (..., rows, C) to (..., C), in products with ones.

    >>> row_sums(np.ones((2, 3, 4)))
    array([[3., 3., 3., 3.],
           [3., 3., 3., 3.]])
    """
    *first, count, channels = rows.shape
    whole = count - count % _RUN
    if count <= _RUN:
        total: Array = np.ones(count, rows.dtype) @ rows
        return total
    runs = rows[..., :whole, :].reshape(*first, whole // _RUN, _RUN, channels)
    sums = row_sums(row_sums(runs))  # (..., runs, C), then (..., C)
    return sums + row_sums(rows[..., whole:, :]) if whole < count else sums


def column_sums(x: Array) -> Array:
    """Return the sum over all axes but the last, (C,).

    >>> column_sums(np.ones((2, 3, 4)))
    array([6., 6., 6., 6.])
    """
    return row_sums(x.reshape(-1, x.shape[-1]))  # (N·..., C) to (C,)


def column_means(x: Array) -> Array:
    """Return the mean over all axes but the last, (C,)."""
    means: Array = column_sums(x) * (x.shape[-1] / x.size)
    return means


def moments(x: Array) -> tuple[Array, Array, Array]:
    """Return ``x - mean``, the mean and the biased variance; the last two are (C,)."""
    mean = column_means(x)
    centred = x - mean
    rest = column_means(centred)
    centred -= rest
    return centred, mean + rest, column_means(np.square(centred))


def normalize_gradient(dy: Array, y: Array, scale: Array) -> Array:
    """Return ``dx`` for ``y = (x - mean(x)) · scale``, ``scale = 1 / sqrt(variance(x) + epsilon)``.

    ``scale · (dy - mean(dy) - y · mean(dy · y))`` (Ioffe and Szegedy 2015, *Batch normalization*,
    section 3, written with the normalised ``y``).
    """
    dx: Array = dy - column_means(dy)
    dx -= y * column_means(dy * y)
    dx *= scale
    return dx
