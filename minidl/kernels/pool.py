"""Pooling: the maximum or the average of each window, and their adjoints.

Both are separable: windows over columns, then over rows, cost kh + kw passes over contiguous memory
rather than kh·kw. Each function is two calls of the same one-axis kernel; axis 2 of an
(N, H, W, C) batch is the columns, axis 1 the rows. Padding is no pixel here: see ``taps``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from minidl.kernels.masks import keep
from minidl.kernels.taps import Line, Lines
from minidl.types import Array, Shape

Share: TypeAlias = "float | Array"
Pooled: TypeAlias = tuple[Array, Callable[[Array], Array]]
"""A result ``y``, and the function that makes ``dx`` of ``dy``."""


def _at(axis: int, one: slice) -> tuple[slice, ...]:
    """Return the index of ``one`` along an axis of a batch."""
    return (slice(None),) * axis + (one,)


def _resized(shape: Shape, axis: int, size: int) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])


def _combined(ufunc: np.ufunc, start: float, x: Array, axis: int, line: Line) -> Array:
    """Combine the taps of each window along one axis; of a single tap, this is a view."""
    if line.full:
        (_, pixels), *others = line.taps
        y: Array = x[_at(axis, pixels)]
        for index, (_, pixels) in enumerate(others):
            y = ufunc(y, x[_at(axis, pixels)], out=y if index else None)
        return y
    y = np.full(_resized(x.shape, axis, line.out), start, x.dtype)
    for windows, pixels in line.taps:
        some = y[_at(axis, windows)]
        ufunc(some, x[_at(axis, pixels)], out=some)
    return y


def _max_along(x: Array, axis: int, line: Line) -> Array:
    """Return the maximum of each window along one axis."""
    return _combined(np.maximum, -np.inf, x, axis, line)


def _max_along_adjoint(dy: Array, x: Array, y: Array, axis: int, line: Line) -> Array:
    """Send each ``dy`` to the first tap that holds the maximum."""
    if line.plain:
        return dy
    dx = np.zeros(x.shape, dy.dtype)
    free = np.ones(y.shape, np.bool_)
    for windows, pixels in line.taps:
        there, here = _at(axis, windows), _at(axis, pixels)
        hit = free[there] & (x[here] == y[there])
        dx[here] += keep(dy[there], hit)
        free[there] ^= hit
    return dx


def maximum(x: Array, lines: Lines) -> Pooled:
    """Return the maximum of each window, (N, oh, ow, C), and its gradient.

    Each gradient goes to the first maximum of its window, row by row.
    """
    rows, columns = lines
    by_column = _max_along(x, 2, columns)  # (N, H, ow, C)
    y = _max_along(by_column, 1, rows)

    def gradient(dy: Array) -> Array:
        dby_column = _max_along_adjoint(dy, by_column, y, 1, rows)  # (N, H, ow, C)
        return _max_along_adjoint(dby_column, x, by_column, 2, columns)

    return y, gradient


def _sum_along(x: Array, axis: int, line: Line) -> Array:
    """Return the sum of each window along one axis."""
    return _combined(np.add, 0.0, x, axis, line)


def _sum_along_adjoint(dy: Array, axis: int, line: Line) -> Array:
    """Add each ``dy`` to every tap of its window."""
    if line.plain:
        return dy
    dx = np.zeros(_resized(dy.shape, axis, line.size), dy.dtype)
    for windows, pixels in line.taps:
        dx[_at(axis, pixels)] += dy[_at(axis, windows)]
    return dx


def average(x: Array, lines: Lines, share: Share) -> Pooled:
    """Return the mean of each window, (N, oh, ow, C), and its gradient.

    ``share`` is what a pixel counts, one over how many its window has: a number or (oh, ow, 1).
    """
    rows, columns = lines
    y = _sum_along(_sum_along(x, 2, columns), 1, rows) * share

    def gradient(dy: Array) -> Array:
        dby_column = _sum_along_adjoint(dy * share, 1, rows)  # (N, H, ow, C)
        return _sum_along_adjoint(dby_column, 2, columns)

    return y, gradient


def shares(lines: Lines, like: Array) -> Array:
    """Return one over the number of pixels of each window, (oh, ow, 1), in the type of ``like``."""
    rows, columns = lines
    return (1 / np.outer(rows.counts, columns.counts)).astype(like.dtype)[..., None]
