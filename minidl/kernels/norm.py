"""Normalisation: to mean 0 and variance 1, and its gradient.

One kernel serves all: arrays are (S, P, C), and in each of S the mean is taken over P and over
``groups`` groups of adjacent channels. Batch norm has S = 1, P = N·H·W and a group for each
channel; group norm S = N and P = H·W, instance norm the same and a group for each channel; layer
norm has P = 1 and one group, of all that is normalised together. ``weight`` and ``bias`` are (C,).

The variance is the mean of squared deviations from the mean, because E[x²] - E[x]² cancels, and can
even turn negative, in float32. The deviations are centred a second time: at a mean of 10 000 the
mean itself is only known to 0.001 (Chan, Golub and LeVeque 1983, *Algorithms for computing the
sample variance*).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minidl.kernels.sums import column_sums, last_sums, row_sums
from minidl.types import Array

_RUN = 512
"""How many numbers meet others in one run: short runs take up to three times as long."""


def moments(x: Array, groups: int) -> tuple[Array, Array, Array]:
    """Return ``x - mean``, the mean and the biased variance; the last two are (S, groups)."""
    mean = _means(x, groups)
    centred = by_group(np.subtract, x, mean)
    rest = _means(centred, groups)
    by_group(np.subtract, centred, rest, out=centred)
    return centred, mean + rest, _means(np.square(centred), groups)


def inverse_deviation(variance: Array, epsilon: float) -> Array:
    """Return ``1 / sqrt(variance + epsilon)``: the scale that makes the variance 1."""
    scale: Array = 1 / np.sqrt(variance + variance.dtype.type(epsilon))
    return scale


def normalize(centred: Array, scale: Array, weight: Array | None, bias: Array | None) -> Array:
    """Return ``centred · scale · weight + bias``, for ``scale`` (S, groups)."""
    y = _times(centred, scale, weight)
    return y if bias is None else by_channel(np.add, y, bias[None], out=y)


class GradientSums(NamedTuple):
    """What gradients are made of: ``dy``, ``dy · centred``, and their sums over P, (S, 1, C)."""

    dy: Array
    products: Array
    dy_sums: Array
    product_sums: Array


def gradient_sums(dy: Array, centred: Array) -> GradientSums:
    """Return what all gradients are made of."""
    products = dy * centred
    return GradientSums(dy, products, _over_pixels(dy), _over_pixels(products))


def parameter_gradients(sums: GradientSums, scale: Array) -> tuple[Array, Array]:
    """Return the gradients of weight and bias, (C,)."""
    dweight = column_sums(by_group(np.multiply, sums.product_sums, scale))
    return dweight, column_sums(sums.dy_sums)


def input_gradient(sums: GradientSums, centred: Array, scale: Array, weight: Array | None) -> Array:
    """Return the gradient of ``x`` where the statistics are its own, in the memory of products.

    With ``g = dy · weight`` it is ``scale · (g - mean(g) - normal · mean(g · normal))`` for
    ``normal = centred · scale`` (Ioffe and Szegedy 2015, *Batch normalization*, section 3).
    """

    def mean(one: Array) -> Array:
        each = one if weight is None else by_channel(np.multiply, one, weight[None])
        return _over_groups(each, scale.shape[1]) * (scale.size / centred.size)

    level, slope = mean(sums.dy_sums) * scale, mean(sums.product_sums) * scale
    dx = _times(sums.dy, scale, weight, out=sums.products)
    dx -= by_group(np.multiply, centred, slope * np.square(scale))
    return by_group(np.subtract, dx, level, out=dx)


def _times(x: Array, scale: Array, weight: Array | None, out: Array | None = None) -> Array:
    """Return ``x · scale · weight``."""
    if weight is None:
        return by_group(np.multiply, x, scale, out)
    if x.shape[1] > 1:
        return by_channel(np.multiply, x, _spread(scale, x) * weight, out)
    y = by_group(np.multiply, x, scale, out)
    return by_channel(np.multiply, y, weight[None], out=y)


def _over_pixels(x: Array) -> Array:
    """Return the sums over P, (S, 1, C); x itself where there is one pixel."""
    return row_sums(x)[:, None] if x.shape[1] > 1 else x


def _over_groups(sums: Array, groups: int) -> Array:
    """Return the sums over groups of channels, (S, groups)."""
    return last_sums(sums.reshape(len(sums), groups, -1))  # (S, groups, C / groups)


def _means(x: Array, groups: int) -> Array:
    """Return the means of groups, (S, groups)."""
    means: Array = _over_groups(_over_pixels(x), groups) * (groups * len(x) / x.size)
    return means


def _spread(numbers: Array, x: Array) -> Array:
    """Return (S, C) of numbers (S, groups): one for each channel."""
    each: Array = numbers.repeat(x.shape[2] // numbers.shape[1], axis=1)
    return each


def by_group(operation: np.ufunc, x: Array, numbers: Array, out: Array | None = None) -> Array:
    """Return ``operation(x, numbers)`` where numbers (S, groups) meet x (S, P, C)."""
    if x.shape[1] > 1:
        return by_channel(operation, x, _spread(numbers, x), out)
    out = np.empty(x.shape, x.dtype) if out is None else out
    members = (*numbers.shape, -1)  # (S, groups, C / groups)
    operation(x.reshape(members), numbers[..., None], out=out.reshape(members))
    return out


def by_channel(operation: np.ufunc, x: Array, numbers: Array, out: Array | None = None) -> Array:
    """Return ``operation(x, numbers)`` where numbers (S or 1, C) meet x (S, P, C).

    Pixels are taken several at a time, and the numbers repeated as often.
    """
    out = np.empty(x.shape, x.dtype) if out is None else out
    parts, channels = numbers.shape
    pixels = x.size // numbers.size
    most = min(pixels, _RUN // channels)
    count = next((k for k in range(most, 1, -1) if pixels % k == 0), 1)
    runs = (parts, pixels // count, count * channels)
    repeated = numbers[:, None].repeat(count, axis=1)  # (parts, count, C)
    operation(x.reshape(runs), repeated.reshape(parts, 1, -1), out=out.reshape(runs))
    return out
