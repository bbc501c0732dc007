"""Sums over the samples and pixels of a batch, one for each channel.

They are products with ones, which is fast for any number of channels, over short runs whose sums
are added in turn: NumPy's own sum over leading axes adds row after row, and float32 loses digits.
"""

from __future__ import annotations

import numpy as np

from minidl.types import Array

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
