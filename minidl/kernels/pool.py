"""Pooling: the maximum or the average of each window, and their adjoints.

Both are separable: a window over columns, then one over rows, costs kh + kw passes over contiguous
memory rather than kh·kw. Each public function is two calls of the same one-axis kernel; axis 2 of
an (N, H, W, C) batch is the columns, axis 1 the rows.
"""

from __future__ import annotations

import numpy as np

from minidl.kernels.padding import crop, pad
from minidl.shapes import Window
from minidl.types import Array, Shape


def _tap(axis: int, index: int, window: Window) -> tuple[slice, ...]:
    """Return the index of tap ``index`` of every window along one axis of a batch."""
    everything = slice(None)
    return (everything,) * axis + (window.tap(axis - 1, index),)


def _max_along(x: Array, axis: int, window: Window) -> Array:
    """Return the maximum over the taps of one axis."""
    y: Array = x[_tap(axis, 0, window)]
    for index in range(1, window.kernel[axis - 1]):
        y = np.maximum(y, x[_tap(axis, index, window)])
    return y


def _max_along_adjoint(dy: Array, x: Array, y: Array, axis: int, window: Window) -> Array:
    """Send each ``dy`` to the first tap that holds the maximum."""
    dx = np.zeros(x.shape, dy.dtype)
    free = np.ones(y.shape, np.bool_)
    for index in range(window.kernel[axis - 1]):
        tap = _tap(axis, index, window)
        hit = free & (x[tap] == y)
        dx[tap] += hit * dy
        free ^= hit
    return dx


def max_forward(x: Array, window: Window) -> tuple[Array, tuple[Array, Array]]:
    """Return the maximum of each window, (N, oh, ow, C), and what the gradient needs.

    Padding counts as minus infinity.
    """
    padded = pad(x, window, -np.inf)
    by_column = _max_along(padded, 2, window)  # (N, H, ow, C)
    return _max_along(by_column, 1, window), (padded, by_column)


def max_gradient(dy: Array, y: Array, saved: tuple[Array, Array], window: Window) -> Array:
    """Return ``dx``: each gradient goes to the first maximum of its window, row by row."""
    padded, by_column = saved
    dby_column = _max_along_adjoint(dy, by_column, y, 1, window)  # (N, H, ow, C)
    return crop(_max_along_adjoint(dby_column, padded, by_column, 2, window), window)


def _sum_along(x: Array, axis: int, window: Window) -> Array:
    """Return the sum over the taps of one axis."""
    y: Array = x[_tap(axis, 0, window)].copy()
    for index in range(1, window.kernel[axis - 1]):
        y += x[_tap(axis, index, window)]
    return y


def _sum_along_adjoint(dy: Array, shape: Shape, axis: int, window: Window) -> Array:
    """Add each ``dy`` to every tap of its window."""
    dx = np.zeros(shape, dy.dtype)
    for index in range(window.kernel[axis - 1]):
        dx[_tap(axis, index, window)] += dy
    return dx


def average_forward(x: Array, window: Window) -> Array:
    """Return the mean of each window, (N, oh, ow, C); padding counts as zeros."""
    by_column = _sum_along(pad(x, window), 2, window)  # (N, H, ow, C)
    y = _sum_along(by_column, 1, window)
    y *= 1 / window.area
    return y


def average_gradient(dy: Array, window: Window) -> Array:
    """Return ``dx``: each gradient is shared equally by the pixels of its window."""
    samples, _, columns, channels = dy.shape
    height, width = window.padded
    shared = dy * (1 / window.area)
    by_row = _sum_along_adjoint(shared, (samples, height, columns, channels), 1, window)
    return crop(_sum_along_adjoint(by_row, (samples, height, width, channels), 2, window), window)
