"""Smooth activations, element by element, for inputs of any size.

Each pair is ``name(x) -> y`` and ``name_gradient(dy, x or y) -> dx``. Functions are written with
exp(x), never as 1 minus something, and so keep their digits where they are small: softplus(-50) is
2e-22. Inputs are held where a function has reached its limit, so that no product is 0 · inf.

``np.clip`` stands for a maximum or minimum with one number: in NumPy 2 it is three times as fast.
"""

from __future__ import annotations

import numpy as np

from minidl.types import Array

INFINITY = float("inf")
LOW = -1000.0
"""Below, exp(x) is 0 in float64."""
HIGH = 44.0
"""Above, 1 + exp(-x) is 1 in float64; here, exp(x)² is still a float32."""


def bounded_exp(x: Array) -> Array:
    """Return exp(min(x, HIGH)), which cannot overflow."""
    e: Array = np.clip(x, -INFINITY, HIGH)
    return np.exp(e, out=e)


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), as exp(x) / (1 + exp(x))."""
    y = bounded_exp(x)
    y /= y + 1
    return y


def sigmoid_gradient(dy: Array, y: Array) -> Array:
    """Return dy · y · (1 - y): for large x, where y rounds to 1, it is 0, as PyTorch's."""
    dx: Array = 1 - y
    dx *= y
    dx *= dy
    return dx


def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent."""
    y: Array = np.tanh(x)
    return y


def tanh_gradient(dy: Array, y: Array) -> Array:
    """Return dy · (1 - y²)."""
    dx: Array = y * y
    np.subtract(1, dx, out=dx)
    dx *= dy
    return dx


def silu(x: Array) -> Array:
    """Return x · sigmoid(x)."""
    y = sigmoid(x)
    y *= np.clip(x, LOW, INFINITY)
    return y


def silu_gradient(dy: Array, x: Array) -> Array:
    """Return dy · s · (1 + x · (1 - s)), s = sigmoid(x)."""
    e = bounded_exp(x)
    rest = 1 / (e + 1)  # 1 - s
    slope: Array = np.clip(x, LOW, HIGH)
    slope *= rest
    slope += 1
    slope *= e
    slope *= rest
    slope *= dy
    return slope


def mish(x: Array) -> Array:
    """Return x · tanh(softplus(x)), where tanh(log(1 + e)) = e(e + 2) / (e(e + 2) + 2)."""
    e = bounded_exp(x)
    e *= e + 2
    e /= e + 2
    e *= np.clip(x, LOW, INFINITY)
    return e


def mish_gradient(dy: Array, x: Array) -> Array:
    """Return dy · (t + x · 4e(1 + e) / d²), where t = e(e + 2) / d and d = e(e + 2) + 2."""
    e = bounded_exp(x)
    tanh = e * (e + 2)
    denominator = tanh + 2
    tanh /= denominator
    slope: Array = np.clip(x, LOW, HIGH)
    slope *= (4 * e) / denominator
    slope *= (1 + e) / denominator
    slope += tanh
    slope *= dy
    return slope


def softplus(x: Array) -> Array:
    """Return log(1 + exp(x)), as max(x, 0) + log(1 + e), e = exp(-abs(x)).

    With u = 1 + e, which is rounded, the last is log(u) + (e - (u - 1)) / u. ``np.log1p`` is as
    good, but takes ten times as long on processors without AVX-512.
    """
    e: Array = -np.abs(x)
    np.exp(e, out=e)
    u = 1 + e
    e -= u - 1
    e /= u
    e += np.log(u, out=u)
    e += np.clip(x, 0, INFINITY)
    return e


def softplus_gradient(dy: Array, x: Array) -> Array:
    """Return dy · sigmoid(x)."""
    dx = sigmoid(x)
    dx *= dy
    return dx


def softsign(x: Array) -> Array:
    """Return x / (1 + abs(x))."""
    y: Array = np.clip(x, -1e30, 1e30)  # inf / inf would be NaN
    y /= 1 + np.abs(y)
    return y


def softsign_gradient(dy: Array, x: Array) -> Array:
    """Return dy / (1 + abs(x))²."""
    dx: Array = np.abs(x)
    dx += 1
    np.divide(1, dx, out=dx)
    dx *= dx
    dx *= dy
    return dx
