"""Softmax and its logarithm over the last axis, safe for logits of any size.

At infinity they have their limits: one infinite logit has probability 1. Where there is no limit,
for two infinite logits or for minus infinity alone, all are NaN.
"""

from __future__ import annotations

import numpy as np

from minidl.types import Array


def log_softmax(logits: Array) -> Array:
    """Return ``x - log(sum(exp(x)))`` over the last axis, shifted by the maximum first.

    Where one logit outweighs the rest, the rest is summed without it: the logarithm of its
    probability is ``-log(1 + rest)``, however small the rest is.
    """
    logs = _shifted(logits)  # (N·..., C)
    exps = np.exp(logs)
    total = _sums(exps)
    exps -= logs == 0
    rest = np.where(total < 1.5, _sums(exps), total - 1)
    logs -= np.log1p(rest)
    return logs.reshape(logits.shape)


def log_softmax_gradient(dy: Array, y: Array) -> Array:
    """Return ``dy - exp(y) · sum(dy)``."""
    dx = np.exp(y).reshape(-1, y.shape[-1])  # (N·..., C)
    dx *= _sums(dy.reshape(dx.shape))
    return np.subtract(dy, dx.reshape(y.shape))


def softmax(logits: Array) -> Array:
    """Return probabilities that sum to 1 over the last axis.

    >>> softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    y = _shifted(logits)  # (N·..., C)
    np.exp(y, out=y)
    y /= _sums(y)
    return y.reshape(logits.shape)


def softmax_gradient(dy: Array, y: Array) -> Array:
    """Return ``y · (dy - sum(dy · y))``."""
    rows, dx = y.reshape(-1, y.shape[-1]), (dy * y).reshape(-1, y.shape[-1])  # (N·..., C)
    dx -= rows * _sums(dx)
    return dx.reshape(y.shape)


def _shifted(logits: Array) -> Array:
    """Return rows (N·..., C) minus their maximum; 0 for a row's only infinity."""
    rows = logits.reshape(-1, logits.shape[-1])
    top = _maxima(rows)
    with np.errstate(invalid="ignore"):  # inf - inf
        shifted: Array = rows - top
    if np.isposinf(top).any():
        peaks = rows == np.inf
        shifted[peaks & (peaks.sum(axis=1, keepdims=True) == 1)] = 0
    return shifted


def _maxima(rows: Array) -> Array:
    """Return each row's maximum, (n, 1); short rows are quicker as columns."""
    laid = rows.copy(order="F") if rows.shape[1] < 64 else rows
    maxima: Array = laid.max(axis=1, keepdims=True)
    return maxima


def _sums(rows: Array) -> Array:
    """Return each row's sum, (n, 1), as a product with ones: fast for rows of any length."""
    with np.errstate(invalid="ignore"):  # BLAS may raise the flag for lanes that it does not use
        sums: Array = rows @ np.ones((rows.shape[1], 1), rows.dtype)
    return sums
