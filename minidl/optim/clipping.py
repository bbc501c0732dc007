"""Clipping: gradients that are held within limits, by value and by their global norm."""

from __future__ import annotations

import math

import numpy as np

from minidl.types import Array

TINY = 1e-6
"""Added to the norm before it divides, as PyTorch does; Keras and the paper add nothing."""


def clip_by_value(grad: Array, limit: float) -> None:
    """Bring every element into [-limit, limit], in place.

    >>> grad = np.array([-3.0, 0.5, 2.0])
    >>> clip_by_value(grad, 1.0)
    >>> grad
    array([-1. ,  0.5,  1. ])
    """
    most = min(limit, float(np.finfo(grad.dtype).max))  # what no element exceeds says nothing
    np.clip(grad, -most, most, out=grad)


def sum_of_squares(grad: Array) -> float:
    """Return the sum of the squares, in float64 whatever the array's type.

    >>> sum_of_squares(np.full(2, 1e30, np.float32)) < 3e60
    True
    """
    return float(np.square(grad, dtype=np.float64).sum())


def norm_scale(squares: float, limit: float) -> float:
    """Return what brings a norm, given as its square, down to ``limit``; 1 where it is below.

    It is ``limit / (norm + 1e-6)``, PyTorch's (Pascanu et al. 2013, *On the difficulty of training
    recurrent neural networks*, algorithm 1, has no 1e-6).

    >>> round(norm_scale(16.0, 1.0), 6), norm_scale(16.0, 5.0)
    (0.25, 1.0)
    """
    return min(limit / (math.sqrt(squares) + TINY), 1.0)  # in this order: NaN stays NaN
