"""Normalisation: to mean 0 and variance 1 over all axes but the last, and its gradient.

The variance is the mean of squared deviations from the mean, because E[x²] - E[x]² cancels, and can
even turn negative, in float32. The deviations are centred a second time: at a mean of 10 000 the
mean itself is only known to 0.001 (Chan, Golub and LeVeque 1983, *Algorithms for computing the
sample variance*).
"""

from __future__ import annotations

import numpy as np

from minidl.kernels.sums import column_sums
from minidl.types import Array


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
