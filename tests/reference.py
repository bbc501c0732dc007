"""The definitions, as naive loops in float64: what the fast kernels are compared with.

Nothing here is clever, and nothing comes from minidl. Images are (N, H, W, C), convolution weights
(kh, kw, C / groups, F), and padding is given as (before, after) for rows and for columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Pair = tuple[int, int]
Pads = tuple[Pair, Pair]
Index = tuple[int, ...]


class Geometry(NamedTuple):
    """How a window slides over an image."""

    stride: Pair = (1, 1)
    padding: Pads = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)
    beyond: Pair = (0, 0)  # how much of the padding after is there for the last window alone


PLAIN = Geometry()


def out_size(size: Pair, kernel: Pair, geometry: Geometry = PLAIN) -> Pair:
    """Count where the first tap of a window may stand, on each axis of the padded image."""
    counts = []
    for axis in (0, 1):
        span = geometry.dilation[axis] * (kernel[axis] - 1) + 1
        padded = size[axis] + sum(geometry.padding[axis])
        counts.append(len(range(0, padded - span + 1, geometry.stride[axis])))
    return counts[0], counts[1]


def _pixel(window: Pair, tap: Pair, geometry: Geometry) -> Pair:
    """Return the pixel of the image, perhaps outside it, under a tap of a window."""
    row, column = (
        window[axis] * geometry.stride[axis]
        + tap[axis] * geometry.dilation[axis]
        - geometry.padding[axis][0]
        for axis in (0, 1)
    )
    return row, column


def _inside(pixel: Pair, size: Sequence[int]) -> bool:
    return 0 <= pixel[0] < size[0] and 0 <= pixel[1] < size[1]


# Convolution


def _products(
    x_shape: Index, w_shape: Index, geometry: Geometry, groups: int
) -> Iterator[tuple[Index, Index, Index]]:
    """Walk every product of the convolution's sum: the places of y, x and the weight."""
    samples, height, width, _ = x_shape
    kh, kw, depth, filters = w_shape
    oh, ow = out_size((height, width), (kh, kw), geometry)
    for p, q, i, j in product(range(oh), range(ow), range(kh), range(kw)):
        pixel = _pixel((p, q), (i, j), geometry)
        if _inside(pixel, (height, width)):
            for n, f, c in product(range(samples), range(filters), range(depth)):
                channel = f // (filters // groups) * depth + c
                yield (n, p, q, f), (n, *pixel, channel), (i, j, c, f)


def conv_forward(
    x: Array, weight: Array, geometry: Geometry = PLAIN, bias: Array | None = None, groups: int = 1
) -> Array:
    """y[n,p,q,f] = bias[f] + sum of x under each tap times the weight of that tap."""
    size = out_size((x.shape[1], x.shape[2]), (weight.shape[0], weight.shape[1]), geometry)
    y = np.zeros((len(x), *size, weight.shape[3]))
    for at, read, tap in _products(x.shape, weight.shape, geometry, groups):
        y[at] += x[read] * weight[tap]
    return y if bias is None else y + bias


def conv_input_gradient(
    dy: Array, weight: Array, x_shape: Index, geometry: Geometry = PLAIN, groups: int = 1
) -> Array:
    """Every product x · weight in y sends dy · weight back to its x."""
    dx = np.zeros(x_shape)
    for at, read, tap in _products(x_shape, weight.shape, geometry, groups):
        dx[read] += dy[at] * weight[tap]
    return dx


def conv_weight_gradient(
    dy: Array, x: Array, w_shape: Index, geometry: Geometry = PLAIN, groups: int = 1
) -> Array:
    """Every product x · weight in y sends dy · x back to its weight."""
    dweight = np.zeros(w_shape)
    for at, read, tap in _products(x.shape, w_shape, geometry, groups):
        dweight[tap] += dy[at] * x[read]
    return dweight


def im2col(x: Array, kernel: Pair, geometry: Geometry = PLAIN) -> Array:
    """One row for each window, (N·oh·ow, kh·kw·C): the pixels under it, zero outside the image."""
    samples, height, width, channels = x.shape
    oh, ow = out_size((height, width), kernel, geometry)
    rows = []
    for n, p, q in product(range(samples), range(oh), range(ow)):
        row: list[float] = []
        for tap in product(range(kernel[0]), range(kernel[1])):
            row_, column = _pixel((p, q), tap, geometry)
            inside = _inside((row_, column), (height, width))
            row += list(x[n, row_, column]) if inside else [0.0] * channels
        rows.append(row)
    return np.array(rows)


# Pooling


def _windows(size: Pair, kernel: Pair, geometry: Geometry) -> Iterator[tuple[Pair, list[Pair]]]:
    """Walk the windows: each one's place, and the pixels of the image under it, row by row."""
    oh, ow = out_size(size, kernel, geometry)
    for window in product(range(oh), range(ow)):
        taps = product(range(kernel[0]), range(kernel[1]))
        pixels = [_pixel(window, tap, geometry) for tap in taps]
        yield window, [pixel for pixel in pixels if _inside(pixel, size)]


def _first_maximum(image: Array, pixels: list[Pair]) -> Pair:
    best = pixels[0]
    for pixel in pixels[1:]:
        if image[pixel] > image[best]:
            best = pixel
    return best


def max_pool(x: Array, kernel: Pair, geometry: Geometry) -> Array:
    """The largest pixel under each window; padding is never the largest."""
    size = (x.shape[1], x.shape[2])
    y = np.zeros((len(x), *out_size(size, kernel, geometry), x.shape[3]))
    for (p, q), pixels in _windows(size, kernel, geometry):
        for n, c in product(range(len(x)), range(x.shape[3])):
            y[n, p, q, c] = max(x[n, row, column, c] for row, column in pixels)
    return y


def max_pool_gradient(dy: Array, x: Array, kernel: Pair, geometry: Geometry) -> Array:
    """Each dy goes to the first of the largest pixels under its window."""
    dx = np.zeros(x.shape)
    for (p, q), pixels in _windows((x.shape[1], x.shape[2]), kernel, geometry):
        for n, c in product(range(len(x)), range(x.shape[3])):
            row, column = _first_maximum(x[n, :, :, c], pixels)
            dx[n, row, column, c] += dy[n, p, q, c]
    return dx


def _divisor(window: Pair, size: Pair, kernel: Pair, geometry: Geometry, counts: bool) -> int:
    """Count the taps of a window on the image, or with its padding if that ``counts``."""
    taps = [_pixel(window, tap, geometry) for tap in product(range(kernel[0]), range(kernel[1]))]
    if not counts:
        return sum(_inside(pixel, size) for pixel in taps)
    (_, bottom), (_, right) = geometry.padding
    last = (size[0] + bottom - geometry.beyond[0], size[1] + right - geometry.beyond[1])
    return sum(row < last[0] and column < last[1] for row, column in taps)


def average_pool(x: Array, kernel: Pair, geometry: Geometry, counts: bool = True) -> Array:
    """The sum of the pixels under each window, by the number of its taps."""
    size = (x.shape[1], x.shape[2])
    y = np.zeros((len(x), *out_size(size, kernel, geometry), x.shape[3]))
    for (p, q), pixels in _windows(size, kernel, geometry):
        for row, column in pixels:
            y[:, p, q] += x[:, row, column] / _divisor((p, q), size, kernel, geometry, counts)
    return y


def average_pool_gradient(
    dy: Array, x_shape: Index, kernel: Pair, geometry: Geometry, counts: bool = True
) -> Array:
    """Each dy, by the number of taps, goes to every pixel under its window."""
    dx, size = np.zeros(x_shape), (x_shape[1], x_shape[2])
    for (p, q), pixels in _windows(size, kernel, geometry):
        for row, column in pixels:
            dx[:, row, column] += dy[:, p, q] / _divisor((p, q), size, kernel, geometry, counts)
    return dx


def adaptive_windows(size: Pair, out: Pair) -> Iterator[tuple[Pair, list[Pair]]]:
    """Walk ``out`` windows that share an image: each one's place and its pixels, row by row."""
    for p, q in product(range(out[0]), range(out[1])):
        rows, columns = (
            range(math.floor(k * n / m), math.ceil((k + 1) * n / m))
            for k, n, m in ((p, size[0], out[0]), (q, size[1], out[1]))
        )
        yield (p, q), list(product(rows, columns))


def adaptive_pools(x: Array, dy: Array) -> tuple[Array, Array, Array, Array]:
    """Return the means and their gradient, then the maxima and theirs."""
    means, maxima = np.zeros(dy.shape), np.zeros(dy.shape)
    dmeans, dmaxima = np.zeros(x.shape), np.zeros(x.shape)
    out = (dy.shape[1], dy.shape[2])
    for (p, q), pixels in adaptive_windows((x.shape[1], x.shape[2]), out):
        for n, c in product(range(len(x)), range(x.shape[3])):
            at, image = (n, p, q, c), x[n, :, :, c]
            means[at] = math.fsum(image[pixel] for pixel in pixels) / len(pixels)
            for row, column in pixels:
                dmeans[n, row, column, c] += dy[at] / len(pixels)
            row, column = _first_maximum(image, pixels)
            maxima[at] = image[row, column]
            dmaxima[n, row, column, c] += dy[at]
    return means, dmeans, maxima, dmaxima


# Batch norm, on one column of values: (M, C) with M = N·H·W


def batch_norm(x: Array, weight: Array, bias: Array, epsilon: float) -> Array:
    """Each column to mean 0 and variance 1, times its weight, plus its bias."""
    y = np.zeros(x.shape)
    for c in range(x.shape[1]):
        column = [float(value) for value in x[:, c]]
        mean = math.fsum(column) / len(column)
        variance = math.fsum((value - mean) ** 2 for value in column) / len(column)
        for m, value in enumerate(column):
            y[m, c] = (value - mean) / math.sqrt(variance + epsilon) * weight[c] + bias[c]
    return y


def batch_norm_input_gradient(dy: Array, x: Array, weight: Array, epsilon: float) -> Array:
    """The whole Jacobian of each column, d y[k] / d x[m], summed against dy."""
    dx = np.zeros(x.shape)
    rows = len(x)
    for c in range(x.shape[1]):
        mean = math.fsum(x[:, c]) / rows
        variance = math.fsum((value - mean) ** 2 for value in x[:, c]) / rows
        root = math.sqrt(variance + epsilon)
        for m, k in product(range(rows), range(rows)):
            direct = ((k == m) - 1 / rows) / root
            by_variance = -(x[k, c] - mean) * (x[m, c] - mean) / (rows * root**3)
            dx[m, c] += dy[k, c] * weight[c] * (direct + by_variance)
    return dx


# Dense, and softmax cross-entropy


def dense(x: Array, weight: Array, bias: Array) -> Array:
    """y[n,o] = bias[o] + sum over i of x[n,i] · weight[i,o]."""
    y = np.zeros((len(x), weight.shape[1]))
    for n, o in product(range(len(x)), range(weight.shape[1])):
        y[n, o] = bias[o] + sum(x[n, i] * weight[i, o] for i in range(len(weight)))
    return y


def dense_gradients(dy: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Return dx, dweight and dbias."""
    dx, dweight, dbias = np.zeros(x.shape), np.zeros(weight.shape), np.zeros(weight.shape[1])
    for n, o in product(range(len(x)), range(weight.shape[1])):
        dbias[o] += dy[n, o]
        for i in range(len(weight)):
            dx[n, i] += dy[n, o] * weight[i, o]
            dweight[i, o] += dy[n, o] * x[n, i]
    return dx, dweight, dbias


def softmax_cross_entropy(logits: Array, targets: Array) -> tuple[float, Array]:
    """Return the mean of -sum(target · log(softmax)) over the rows, and its gradient.

    ``targets`` are rows of probabilities.
    """
    total, gradient = 0.0, np.zeros(logits.shape)
    for n, row in enumerate(logits):
        largest = max(row)
        exponentials = [math.exp(value - largest) for value in row]
        whole = sum(exponentials)
        for k, value in enumerate(row):
            total -= targets[n, k] * (value - largest - math.log(whole))
            gradient[n, k] = (exponentials[k] / whole - targets[n, k]) / len(logits)
    return total / len(logits), gradient
