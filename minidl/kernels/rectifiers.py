"""Activations with a kink: straight, or nearly so, on either side of 0 or of ±3.

Each pair is ``name(x, ...) -> y`` and ``name_gradient(dy, ...) -> dx``. Both sides are computed
everywhere and added, because a choice for each element is slow. A NaN is in no flat part: there
the gradient passes.

``np.clip`` stands for a maximum or minimum with one number: in NumPy 2 it is three times as fast.
"""

from __future__ import annotations

import numpy as np

from minidl.kernels.masks import keep, split
from minidl.types import Array

INFINITY = float("inf")


def relu(x: Array) -> Array:
    """Return max(x, 0); NaN stays NaN."""
    y: Array = np.clip(x, 0, INFINITY)
    return y


def relu_gradient(dy: Array, y: Array) -> Array:
    """Return ``dy`` where the output is positive, else 0."""
    return keep(dy, ~(y <= 0))


def leaky_relu(x: Array, slope: float | Array) -> Array:
    """Return x above 0 and slope · x below; ``slope`` is one number, or one for each channel."""
    if isinstance(slope, float) and 0 < slope <= 1:  # 0 · -inf is NaN
        y: Array = x * slope
        return np.maximum(y, x, out=y)
    lowest = np.where(np.equal(slope, 0), np.finfo(x.dtype).min, -INFINITY)
    y = np.clip(x, lowest.astype(x.dtype), 0)
    y *= slope
    y += np.clip(x, 0, INFINITY)
    return y


def leaky_relu_gradient(dy: Array, x: Array, slope: float | Array) -> Array:
    """Return ``dy`` where x is positive, else slope · dy."""
    dx, below = split(dy, x > 0)
    below *= slope
    dx += below
    return dx


def elu(x: Array, alpha: float) -> Array:
    """Return x above 0 and alpha · (exp(x) - 1) below.

    As 2t / (1 - t), t = tanh(x / 2), which keeps its digits near 0: ``np.expm1`` does as well, but
    takes ten times as long on processors without AVX-512.
    """
    y: Array = np.clip(x, -INFINITY, 0)
    y *= 0.5
    np.tanh(y, out=y)
    y /= 1 - y
    y *= 2 * alpha
    y += np.clip(x, 0, INFINITY)
    return y


def elu_gradient(dy: Array, x: Array, alpha: float) -> Array:
    """Return ``dy`` where x is positive, else alpha · exp(x) · dy."""
    dx, below = split(dy, x > 0)
    below *= np.exp(np.clip(x, -INFINITY, 0))
    below *= alpha
    dx += below
    return dx


_ALPHA, _SCALE = 1.6732632423543772, 1.0507009873554805


def selu(x: Array) -> Array:
    """Return scale · elu(x, alpha), with the two constants that keep mean 0 and variance 1."""
    y = elu(x, _ALPHA)
    y *= _SCALE
    return y


def selu_gradient(dy: Array, x: Array) -> Array:
    """Return scale · dy where x is positive, else scale · alpha · exp(x) · dy."""
    dx = elu_gradient(dy, x, _ALPHA)
    dx *= _SCALE
    return dx


def hard_sigmoid(x: Array) -> Array:
    """Return (x + 3) / 6, held between 0 and 1."""
    y: Array = np.clip(x, -3, 3)
    y += 3
    y /= 6
    return y


def hard_sigmoid_gradient(dy: Array, x: Array) -> Array:
    """Return dy / 6 where -3 < x < 3, else 0."""
    dx = keep(dy, ~(np.abs(x) >= 3))
    dx /= 6
    return dx


def hard_swish(x: Array) -> Array:
    """Return x · hard_sigmoid(x)."""
    y = hard_sigmoid(x)
    y *= np.clip(x, -3, INFINITY)  # 0 · -inf would be NaN
    return y


def hard_swish_gradient(dy: Array, x: Array) -> Array:
    """Return (2x + 3) / 6 · dy where -3 < x < 3; 0 below, ``dy`` above."""
    slope: Array = np.clip(x, -3, 3)
    slope += keep(slope, np.abs(slope) < 3)
    slope += 3
    slope /= 6
    slope *= dy
    return slope
