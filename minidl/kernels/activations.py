"""Activation functions and their derivatives, element by element.

Each pair is ``name(x) -> y`` and ``name_gradient(dy, y) -> dx``; these need the output alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minidl.types import Array


class Elementwise(NamedTuple):
    """A function ``y = f(x)`` of each element, and ``dx = gradient(dy, y)``."""

    function: Callable[[Array], Array]
    gradient: Callable[[Array, Array], Array]


def relu(x: Array) -> Array:
    """Return max(x, 0); NaN stays NaN."""
    y: Array = np.maximum(x, x.dtype.type(0))
    return y


def relu_gradient(dy: Array, y: Array) -> Array:
    """Return ``dy`` where the output is positive, else 0."""
    return np.multiply(dy, y > 0)


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), from exp(-|x|), which cannot overflow."""
    small = np.exp(-np.abs(x))
    y: Array = np.where(x < 0, small, 1)
    y /= 1 + small
    return y


def sigmoid_gradient(dy: Array, y: Array) -> Array:
    """Return dy · y · (1 - y)."""
    dx: Array = dy * y * (1 - y)
    return dx


def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent."""
    y: Array = np.tanh(x)
    return y


def tanh_gradient(dy: Array, y: Array) -> Array:
    """Return dy · (1 - y²)."""
    dx: Array = dy * (1 - y * y)
    return dx


RELU = Elementwise(relu, relu_gradient)
SIGMOID = Elementwise(sigmoid, sigmoid_gradient)
TANH = Elementwise(tanh, tanh_gradient)
