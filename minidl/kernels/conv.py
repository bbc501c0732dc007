"""Convolution as matrix products: ``im2col``, its adjoint ``col2im``, and what is built on them.

"Convolution" is cross-correlation, as in every deep-learning library:
``y[n, p, q, f] = sum over i, j, c of x[n, p·sh + i·dh, q·sw + j·dw, c] · weight[i, j, c, f]``.
``im2col`` lays every patch that a window sees out as a row, so that this sum becomes one matrix
product (Chellapilla, Puri and Simard 2006, *High performance convolutional neural networks for
document processing*).

The lowered matrix is kh·kw times as large as the image, so the products walk the batch in blocks
whose patches stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minidl.kernels.padding import crop, pad
from minidl.shapes import Window
from minidl.types import Array, Shape

BLOCK_BYTES = 1 << 20
"""How large the lowered patches of a block may be: about one core's level-2 cache."""


def patches(padded: Array, window: Window) -> Array:
    """Return a view of every patch of a padded image: (N, oh, ow, kh, kw, C), read-only."""
    n, row, column, channel = padded.strides
    (sh, sw), (dh, dw) = window.stride, window.dilation
    return as_strided(
        padded,
        shape=(len(padded), *window.out, *window.kernel, padded.shape[3]),
        strides=(n, row * sh, column * sw, row * dh, column * dw, channel),
        writeable=False,
    )


def im2col(x: Array, window: Window) -> Array:
    """Lay the patches of ``x`` (N, H, W, C) out as rows: (N·oh·ow, kh·kw·C).

    With one channel the rows are stored column by column, because copying is fastest along the
    longest contiguous run; the values are the same.

    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> im2col(x, Window(size=(3, 3), kernel=(2, 2)))
    array([[0., 1., 3., 4.],
           [1., 2., 4., 5.],
           [3., 4., 6., 7.],
           [4., 5., 7., 8.]])
    """
    view = patches(pad(x, window), window)  # (N, oh, ow, kh, kw, C)
    rows, width = len(x) * window.out[0] * window.out[1], window.area * x.shape[3]
    if x.shape[3] == 1:
        return view.transpose(3, 4, 5, 0, 1, 2).reshape(width, rows).T  # (N·oh·ow, kh·kw)
    return view.reshape(rows, width)  # (N·oh·ow, kh·kw·C)


def col2im(cols: Array, window: Window) -> Array:
    """Add rows of patches back to where ``im2col`` took them from: its adjoint.

    ``cols`` is (N·oh·ow, kh·kw·C), the result (N, H, W, C); a pixel gets the sum over the patches
    that it is part of.

    >>> window = Window(size=(3, 3), kernel=(2, 2))
    >>> col2im(np.ones((4, 4)), window)[0, :, :, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    taps = cols.reshape(-1, *window.out, *window.kernel, cols.shape[1] // window.area)
    image = np.zeros((len(taps), *window.padded, taps.shape[-1]), cols.dtype)
    for i, j, rows, columns in window.taps():
        image[:, rows, columns] += taps[:, :, :, i, j]  # (N, oh, ow, C)
    return crop(image, window)


def blocks(samples: int, window: Window, channels: int, itemsize: int) -> Iterator[slice]:
    """Cut a batch into runs of samples whose patches fit in ``BLOCK_BYTES``, one at least."""
    patch_bytes = window.out[0] * window.out[1] * window.area * channels * itemsize
    step = max(1, BLOCK_BYTES // max(1, patch_bytes))
    for start in range(0, samples, step):
        yield slice(start, min(start + step, samples))


def forward(x: Array, weight: Array, window: Window) -> Array:
    """Convolve ``x`` (N, H, W, C) with ``weight`` (kh, kw, C, F) to y (N, oh, ow, F)."""
    matrix = weight.reshape(-1, weight.shape[3])  # (kh·kw·C, F)
    y = np.empty((len(x), *window.out, weight.shape[3]), np.result_type(x, weight))
    for block in blocks(len(x), window, x.shape[3], x.itemsize):
        rows = y[block].reshape(-1, y.shape[3])  # (n·oh·ow, F), a view
        np.matmul(im2col(x[block], window), matrix, out=rows)
    return y


def weight_gradient(x: Array, dy: Array, window: Window) -> Array:
    """Return ``dweight`` (kh, kw, C, F) from x (N, H, W, C) and dy (N, oh, ow, F).

    Lowering a block again costs less than keeping its patches from the forward pass.
    """
    filters = dy.shape[3]
    total = np.zeros((window.area * x.shape[3], filters), np.result_type(x, dy))
    for block in blocks(len(x), window, x.shape[3], x.itemsize):
        total += im2col(x[block], window).T @ dy[block].reshape(-1, filters)  # (kh·kw·C, F)
    return total.reshape(*window.kernel, x.shape[3], filters)


def input_gradient(dy: Array, weight: Array, window: Window) -> Array:
    """Return ``dx`` (N, H, W, C) from dy (N, oh, ow, F) and weight (kh, kw, C, F)."""
    mirror = mirrored(window)
    if mirror is None:
        return scattered_input_gradient(dy, weight, window)
    rotated = weight[::-1, ::-1].transpose(0, 1, 3, 2)  # (kh, kw, F, C)
    return forward(dy, np.ascontiguousarray(rotated), mirror)


def mirrored(window: Window) -> Window | None:
    """Return the window that turns ``dy`` into ``dx`` as one more convolution, or None.

    At stride 1 a pixel gets ``dy`` from the windows around it, each through the opposite tap: a
    convolution of ``dy`` with the rotated weights, padded so that the image comes out whole. It
    gathers where ``col2im`` scatters; which is faster depends on the shapes. None where it would
    need negative padding.
    """
    spans = [d * (k - 1) for k, d in zip(window.kernel, window.dilation)]
    (top, bottom), (left, right) = window.padding
    pads = ((spans[0] - top, spans[0] - bottom), (spans[1] - left, spans[1] - right))
    if window.stride != (1, 1) or min(min(pad) for pad in pads) < 0:
        return None
    return Window(window.out, window.kernel, (1, 1), window.dilation, pads)


def scattered_input_gradient(dy: Array, weight: Array, window: Window) -> Array:
    """Return ``dx`` for any window: the product with the weights, added back by ``col2im``."""
    shape: Shape = (len(dy), *window.size, weight.shape[2])
    matrix = weight.reshape(-1, weight.shape[3])  # (kh·kw·C, F)
    dx = np.empty(shape, np.result_type(dy, weight))
    for block in blocks(len(dy), window, weight.shape[2], dy.itemsize):
        rows = dy[block].reshape(-1, weight.shape[3])  # (n·oh·ow, F)
        dx[block] = col2im(rows @ matrix.T, window)
    return dx
