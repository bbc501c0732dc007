"""Sums over the samples and pixels of a batch, one for each channel, and over channels.

They are products with ones, which is fast for any number of channels, over short runs whose sums
are added in turn: NumPy's own sum over leading axes adds row after row, and float32 loses digits.
"""

from __future__ import annotations

import numpy as np

from minidl.types import Array, Shape

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


def last_sums(x: Array) -> Array:
    """Return the sum over the last axis, (..., C) to (...); NumPy adds a long one in pairs.

    >>> last_sums(np.ones((2, 3)))
    array([3., 3.])
    """
    rows = x.reshape(-1, x.shape[-1])
    short = rows.shape[1] <= _RUN
    total: Array = rows @ np.ones(rows.shape[1], x.dtype) if short else rows.sum(axis=1)
    return total.reshape(x.shape[:-1])


def sum_to(x: Array, shape: Shape) -> Array:
    """Return the sum over the axes that ``shape`` has with size 1: the adjoint of broadcasting.

    >>> sum_to(np.ones((2, 3, 4)), (2, 1, 1))
    array([[[12.]],
    <BLANKLINE>
           [[12.]]])
    """
    axes = [axis for axis, size in enumerate(shape) if size != x.shape[axis]]
    if axes and axes[-1] == x.ndim - 1:
        x = last_sums(x)[..., None]
        del axes[-1]
    if not axes:
        return x
    kept = [axis for axis in range(x.ndim - 1) if axis not in axes]
    rows = x.transpose(*kept, *axes, x.ndim - 1)
    rows = rows.reshape(*(x.shape[axis] for axis in kept), -1, x.shape[-1])  # (kept, summed, C)
    return row_sums(rows).reshape(shape)
