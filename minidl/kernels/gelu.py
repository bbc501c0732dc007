"""GELU: x · Φ(x), with the normal distribution Φ, and its approximation by a tanh.

Hendrycks and Gimpel 2016, *Gaussian error linear units*.
"""

from __future__ import annotations

import math

import numpy as np

from minidl.kernels.smooth import bounded_exp
from minidl.types import Array

INFINITY = float("inf")

# Φ(-t) · exp(t²/2) as a ratio of polynomials, from the constant term up; for t from 0 to 15 its
# relative error is at most 7e-9. Fitted by weighted least squares, with the weights raised where
# the error is largest until all peaks are even (Lawson 1961). All terms are positive, so none
# cancel.
_ABOVE = (0.500000003, 0.4392821, 0.183968082, 0.0408807516, 0.00415316851)
_BELOW = (1.0, 1.67644921, 1.20554405, 0.471405893, 0.102478965, 0.010410338)


def gelu(x: Array) -> Array:
    """Return x · Φ(x)."""
    return _gelu32(x) if x.dtype == np.float32 else _gelu64(x)


def _gelu64(x: Array) -> Array:
    from scipy.special import ndtr

    y: Array = ndtr(x)
    y *= np.clip(x, -1000, INFINITY)  # 0 · -inf would be NaN
    return y


def _gelu32(x: Array) -> Array:
    """Return max(x, 0) - t · Φ(-t), t = |x|: six times as fast as SciPy's Φ.

    The error is at most 3 roundings of ``|y| + |x · dy/dx|``: a few units in the last place of y,
    and what y changes by where x does so.
    """
    t: Array = np.clip(np.abs(x), 0, 15)  # beyond, exp(-t²/2) is 0 in float32
    tail = _polynomial(_ABOVE, t)
    tail /= _polynomial(_BELOW, t)
    tail *= t
    tail *= _bell(t)
    y: Array = np.clip(x, 0, INFINITY)
    y -= tail
    return y


def gelu_gradient(dy: Array, x: Array, y: Array) -> Array:
    """Return dy · (Φ(x) + x · φ(x)), where Φ is y / x and φ the normal density.

    The quotient is ``(x · y + tiny / 2) / (x² + tiny)``, which is 1/2 at 0.
    """
    tiny = float(np.finfo(x.dtype).tiny)
    x, slope = np.clip(x, -1e10, 1e10), np.clip(y, -1e10, 1e10)
    slope *= x
    slope += tiny / 2
    slope /= x * x + tiny
    x *= _bell(x)
    x *= 1 / math.sqrt(2 * math.pi)
    slope += x
    slope *= dy
    return slope


def _bell(x: Array) -> Array:
    """Return exp(-x² / 2)."""
    square: Array = x * x
    square *= -0.5
    return np.exp(square, out=square)


def _polynomial(terms: tuple[float, ...], x: Array) -> Array:
    """Return the sum of ``terms[k] · x^k``."""
    y: Array = x * terms[-1]
    for term in terms[-2:0:-1]:
        y += term
        y *= x
    y += terms[0]
    return y


_SLOPE, _CUBE = 2 * math.sqrt(2 / math.pi), 2 * math.sqrt(2 / math.pi) * 0.044715


def gelu_tanh(x: Array) -> Array:
    """Return x/2 · (1 + tanh(w/2)), w = sqrt(8/π) · (x + 0.044715 x³), which is x · sigmoid(w)."""
    w: Array = np.clip(x, -25, 10)  # beyond, the sigmoid is 0 or 1
    square = w * w
    square *= _CUBE
    square += _SLOPE
    w *= square
    y = bounded_exp(w)
    y /= y + 1
    y *= np.clip(x, -25, INFINITY)  # 0 · -inf would be NaN
    return y


def gelu_tanh_gradient(dy: Array, x: Array) -> Array:
    """Return dy · s · (1 + x · (1 - s) · dw/dx), s = sigmoid(w)."""
    x = np.clip(x, -25, 10)
    square = x * x
    e = bounded_exp(x * (_SLOPE + _CUBE * square))
    rest = 1 / (e + 1)  # 1 - s
    square *= 3 * _CUBE
    square += _SLOPE  # dw/dx
    square *= x
    square *= rest
    square += 1
    square *= e
    square *= rest
    square *= dy
    return square
