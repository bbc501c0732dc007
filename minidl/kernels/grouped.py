"""Convolution in groups: filter ``f`` sees the channels of its own group alone.

With ``groups`` groups the weights are (kh, kw, C / groups, F), and the first run of filters sees
the first run of channels, and so on (Krizhevsky et al. 2012, *ImageNet classification with deep
convolutional neural networks*). One group is the plain convolution, as many groups as there
are channels and filters is the depthwise one; in between, a stack of matrix products, one a group.
"""

from __future__ import annotations

import numpy as np

from minidl.kernels import conv, depthwise
from minidl.kernels.padding import pad
from minidl.shapes import Window
from minidl.types import Array


def forward(x: Array, weight: Array, window: Window, groups: int) -> Array:
    """Convolve ``x`` (N, H, W, C) with ``weight`` (kh, kw, C / groups, F) to y (N, oh, ow, F)."""
    if groups == 1:
        return conv.forward(x, weight, window)
    if weight.shape[2:] == (1, groups):
        return depthwise.forward(x, weight, window)
    matrices = _matrices(weight, groups)
    y = np.empty((len(x), *window.out, weight.shape[3]), np.result_type(x, weight))
    for block in conv.blocks(len(x), window, x.shape[3], x.itemsize):
        y[block] = _joined(_rows(x[block], window, groups) @ matrices, y[block].shape)
    return y


def weight_gradient(x: Array, dy: Array, window: Window, groups: int) -> Array:
    """Return ``dweight`` (kh, kw, C / groups, F) from x (N, H, W, C) and dy (N, oh, ow, F)."""
    if groups == 1:
        return conv.weight_gradient(x, dy, window)
    if x.shape[3] == dy.shape[3] == groups:
        return depthwise.weight_gradient(x, dy, window)
    depth, filters = x.shape[3] // groups, dy.shape[3]
    total = np.zeros((groups, window.area * depth, filters // groups), np.result_type(x, dy))
    for block in conv.blocks(len(x), window, x.shape[3], x.itemsize):
        total += _rows(x[block], window, groups).swapaxes(1, 2) @ _apart(dy[block], groups)
    joined = total.transpose(1, 0, 2)  # (kh·kw·C / groups, groups, F / groups)
    return joined.reshape(*window.kernel, depth, filters)


def input_gradient(dy: Array, weight: Array, window: Window, groups: int) -> Array:
    """Return ``dx`` (N, H, W, C) from dy (N, oh, ow, F) and weight (kh, kw, C / groups, F)."""
    if groups == 1:
        return conv.input_gradient(dy, weight, window)
    if weight.shape[2:] == (1, groups):
        return depthwise.input_gradient(dy, weight, window)
    depth, channels = weight.shape[2], weight.shape[2] * groups
    matrices = _matrices(weight, groups).swapaxes(1, 2)  # (groups, F / groups, kh·kw·C / groups)
    dx = np.empty((len(dy), *window.size, channels), np.result_type(dy, weight))
    for block in conv.blocks(len(dy), window, channels, dy.itemsize):
        cols = _apart(dy[block], groups) @ matrices  # (groups, n·oh·ow, kh·kw·C / groups)
        taps = cols.reshape(groups, -1, window.area, depth).transpose(1, 2, 0, 3)
        dx[block] = conv.col2im(taps.reshape(-1, window.area * channels), window)
    return dx


def _matrices(weight: Array, groups: int) -> Array:
    """Return the weights of each group as a matrix: (groups, kh·kw·C / groups, F / groups)."""
    split = weight.reshape(-1, groups, weight.shape[3] // groups)  # (kh·kw·C / groups, groups, ...)
    return split.transpose(1, 0, 2)


def _rows(x: Array, window: Window, groups: int) -> Array:
    """Lay the patches of each group out as rows: (groups, N·oh·ow, kh·kw·C / groups)."""
    view = conv.patches(pad(x, window), window)  # (N, oh, ow, kh, kw, C)
    split = view.reshape(*view.shape[:5], groups, -1).transpose(5, 0, 1, 2, 3, 4, 6)
    return split.reshape(groups, -1, window.area * split.shape[6])


def _apart(dy: Array, groups: int) -> Array:
    """Return the filters of each group: (N, oh, ow, F) to (groups, N·oh·ow, F / groups)."""
    return dy.reshape(-1, groups, dy.shape[3] // groups).transpose(1, 0, 2)


def _joined(y: Array, shape: tuple[int, ...]) -> Array:
    """Return the groups' filters side by side: the inverse of ``_apart``."""
    return y.transpose(1, 0, 2).reshape(shape)
