"""Pooling to a given size, down to one number for each channel, and the adjoints.

Windows are long here, and may be of unequal sizes; so each is reduced by itself, where ``pool``
walks over the taps of all. Every step is along one axis of rows (outer, size, inner).
"""

from __future__ import annotations

import math

import numpy as np

from minidl.kernels.pool import Pooled
from minidl.kernels.pool import maximum as sliding_maximum
from minidl.kernels.sums import row_sums
from minidl.kernels.taps import window_lines
from minidl.shapes import Pair, Window
from minidl.types import Array

_SHORT = 8
"""Up to how many rows or columns walking over taps is faster than looking for the maximum."""


def bounds(size: int, out: int) -> list[Pair]:
    """Return where each of ``out`` windows begins and ends: they share the pixels evenly.

    Window ``i`` is from ``floor(i·size / out)`` to ``ceil((i + 1)·size / out)``, PyTorch's rule.

    >>> bounds(5, 3)
    [(0, 2), (1, 4), (3, 5)]
    """
    return [(i * size // out, -(-(i + 1) * size // out)) for i in range(out)]


def _rows(x: Array, axis: int) -> Array:
    """Return ``x`` with what is before and after an axis as one: (outer, size, inner)."""
    return x.reshape(math.prod(x.shape[:axis]), x.shape[axis], -1)


def _means(rows: Array, windows: list[Pair]) -> Array:
    """Return the mean of each window, (outer, out, inner)."""
    means = [row_sums(rows[:, start:end]) * (1 / (end - start)) for start, end in windows]
    return np.stack(means, axis=1)


def _means_adjoint(dy: Array, windows: list[Pair], size: int) -> Array:
    """Share each ``dy`` equally among the rows of its window."""
    dx = np.zeros((len(dy), size, dy.shape[2]), dy.dtype)
    for index, (start, end) in enumerate(windows):
        dx[:, start:end] += dy[:, index, None] * (1 / (end - start))
    return dx


def _firsts(rows: Array, out: int) -> Array:
    """Return in which row the first maximum of each window is, (outer, out, inner)."""
    windows = bounds(rows.shape[1], out)
    return np.stack([at + rows[:, at:end].argmax(axis=1) for at, end in windows], axis=1)


def _means_along(x: Array, axis: int, out: int) -> Pooled:
    if x.shape[axis] == out:
        return x, lambda dy: dy
    windows, rows = bounds(x.shape[axis], out), _rows(x, axis)

    def gradient(dy: Array) -> Array:
        return _means_adjoint(_rows(dy, axis), windows, rows.shape[1]).reshape(x.shape)

    return _means(rows, windows).reshape(*x.shape[:axis], out, *x.shape[axis + 1 :]), gradient


def average(x: Array, out: Pair) -> Pooled:
    """Return the mean of each window, (N, oh, ow, C), and its gradient."""
    if out == (1, 1):
        return global_average(x, keepdims=True)
    by_row, to_x = _means_along(x, 1, out[0])  # (N, oh, W, C)
    y, to_by_row = _means_along(by_row, 2, out[1])
    return y, lambda dy: to_x(to_by_row(dy))


def maximum(x: Array, out: Pair) -> Pooled:
    """Return the maximum of each window, (N, oh, ow, C), and its gradient.

    Columns come before rows: each gradient goes to the first maximum of its window, row by row.
    """
    samples, height, width, channels = x.shape
    tile = (height // out[0], width // out[1])
    if (height, width) == (tile[0] * out[0], tile[1] * out[1]) and max(tile) <= _SHORT:
        return sliding_maximum(x, window_lines(Window((height, width), tile, tile)))
    shape = (samples, *out, channels)
    by_row = _rows(x, 2)  # (N·H, W, C)
    column = _firsts(by_row, out[1])  # (N·H, ow, C)
    best = np.take_along_axis(by_row, column, 1).reshape(samples, height, -1)  # (N, H, ow·C)
    row = _firsts(best, out[0])  # (N, oh, ow·C)
    y = np.take_along_axis(best, row, 1).reshape(shape)
    pixel = row * width + np.take_along_axis(column.reshape(best.shape), row, 1)

    def gradient(dy: Array) -> Array:
        dx = np.zeros((samples, height * width, channels), dy.dtype)
        sample = np.arange(samples)[:, None, None, None]
        np.add.at(dx, (sample, pixel.reshape(shape), np.arange(channels)), dy)
        return dx.reshape(x.shape)

    return y, gradient


def global_average(x: Array, keepdims: bool = False) -> Pooled:
    """Return the mean of each channel, (N, C) or (N, 1, 1, C), and its gradient."""
    rows = x.reshape(len(x), -1, x.shape[3])  # (N, H·W, C)
    pixels = rows.shape[1]
    y = row_sums(rows)
    y *= 1 / pixels

    def gradient(dy: Array) -> Array:
        return (dy.reshape(len(x), 1, -1) / pixels).repeat(pixels, 1)

    return (y[:, None, None] if keepdims else y), gradient


def global_maximum(x: Array) -> Pooled:
    """Return the maximum of each channel, (N, C), and its gradient, to the first row by row."""
    flat = x.reshape(len(x), 1, -1, x.shape[3])  # (N, 1, H·W, C)
    y, gradient = maximum(flat, (1, 1))
    return y[:, 0, 0], lambda dy: gradient(dy.reshape(y.shape))
