"""Convolution of a shard with few channels, by im2col with the batch innermost.

Copying patches as rows would move runs of a few numbers, and each run costs as much as a hundred
numbers do. So the image is turned to (rows, C, columns, n) and a patch becomes a column: for each
row of outputs, ``y`` (ow·n, F) is ``columns' @ weight``, and a tap is one run of ow·n numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minidl.engine.memory import Memory
from minidl.engine.planned.lowered import block_rows, small_rows, tap_rows
from minidl.shapes import Window
from minidl.types import Array

CHANNELS = 16
"""With so many channels or more, runs of channels are long enough."""


class NarrowLowering:
    """The patches of one padded image, as columns, block by block.

    The image is (rows, phases, C, columns, n): columns that meet the same tap at a stride lie side
    by side, so that a tap is one run at any stride.
    """

    def __init__(self, window: Window, channels: int, samples: int, memory: Memory) -> None:
        self.window, self._memory = window, memory
        (height, width), phases = window.padded, window.stride[1]
        shape = (height, phases, channels, -(-width // phases), samples)
        self._image = memory.scratch("image", shape)
        depth, row = window.area * channels, window.out[1] * samples
        views = _patches(self._image, window)
        self._blocks = []
        for rows in block_rows(window, depth * samples, memory):
            height = rows.stop - rows.start
            block = memory.scratch("patches", (height, *window.kernel, channels, row))
            copies = [
                (block[:, :, taps], view[rows].reshape(block[:, :, taps].shape))
                for taps, view in views
            ]
            self._blocks.append((rows, copies, block.reshape(height, depth, row)))
        self.kernel = f"narrow x{len(self._blocks)}"

    def fill(self, x: Array) -> None:
        """Take in x (H, W, n, C)."""
        self._image.fill(0)
        (top, _), (left, _) = self.window.padding
        turned, phases = x.transpose(0, 3, 1, 2), self.window.stride[1]  # (H, C, W, n)
        for first in range(min(phases, turned.shape[2])):
            part, place = turned[:, :, first::phases], left + first
            columns = slice(place // phases, place // phases + part.shape[2])
            self._image[top : top + len(x), place % phases, :, columns] = part

    def _lower(self, copies: list[tuple[Array, Array]]) -> None:
        for taps, patches in copies:
            np.copyto(taps, patches)

    def _pieces(self, matrix: Array, filters: int) -> Array:
        """Cut the columns of each row of outputs into pieces that are multiplied in place."""
        rows, depth, length = matrix.shape
        piece = small_rows(length, depth * filters)
        return matrix.reshape(rows, depth, -1, piece).swapaxes(1, 2)

    def product(self, weight: Array, y: Array) -> None:
        """Write ``columns' @ weight`` to y (oh, ow, n, F), of weight (kh·kw·C, F)."""
        for rows, copies, matrix in self._blocks:
            self._lower(copies)
            pieces = self._pieces(matrix, weight.shape[1])  # (rows, pieces, kh·kw·C, t)
            out = y[rows].reshape(*pieces.shape[:2], pieces.shape[3], -1)
            np.matmul(pieces.swapaxes(2, 3), weight, out=out)

    def weight_gradient(self, dy: Array, total: Array) -> None:
        """Write ``columns @ dy`` to total (kh·kw·C, F)."""
        total.fill(0)
        for rows, copies, matrix in self._blocks:
            self._lower(copies)
            pieces = self._pieces(matrix, total.shape[1])  # (rows, pieces, kh·kw·C, t)
            flat = dy[rows].reshape(*pieces.shape[:2], pieces.shape[3], -1)
            part = self._memory.scratch("part", (*pieces.shape[:2], *total.shape))
            total += np.matmul(pieces, flat, out=part).sum(axis=(0, 1))

    def scatter(self, weight: Array, dy: Array, dx: Array) -> None:
        """Write to dx (H, W, n, C) what dy (oh, ow, n, F) sends back through the weights.

        Taps are added up along the columns first, then along the rows: fewer and longer sums.
        """
        window, (height, width) = self.window, self.window.padded
        shape = (height, self._image.shape[2], width, dy.shape[2])
        image = self._memory.scratch("gradient image", shape)  # (rows, C, columns, n)
        image.fill(0)
        for rows, _, matrix in self._blocks:
            flat = dy[rows].reshape(len(matrix), -1, weight.shape[1])  # (rows, ow·n, F)
            np.matmul(weight, flat.transpose(0, 2, 1), out=matrix)
            block = matrix.reshape(len(matrix), *window.kernel, image.shape[1], -1, dy.shape[2])
            rows_of_taps = (len(matrix), window.kernel[0], *image.shape[1:])
            lines = self._memory.scratch("lines", rows_of_taps)  # (rows, kh, C, columns, n)
            lines.fill(0)
            for j in range(window.kernel[1]):
                lines[:, :, :, window.tap(1, j)] += block[:, :, j]
            for i in range(window.kernel[0]):
                image[tap_rows(rows, window.tap(0, i), window)] += lines[:, i]
        down, across = window.inside
        np.copyto(dx, image[down, :, across].transpose(0, 2, 3, 1))


def _patches(image: Array, window: Window) -> list[tuple[slice, Array]]:
    """Return views of every patch, (oh, kh, taps, C, ow, n), for one phase of columns or more."""
    row, _, channel, column, sample = image.strides
    (_, phases, channels, _, samples), (oh, ow) = image.shape, window.out
    (sh, _), (dh, dw), (kh, kw) = window.stride, window.dilation, window.kernel
    together = kw if phases == 1 else 1
    views = []
    for j in range(0, kw, together):
        at, start = j * dw % phases, j * dw // phases
        view = as_strided(
            image[:, at:, :, start:],
            shape=(oh, kh, together, channels, ow, samples),
            strides=(sh * row, dh * row, dw * column, channel, column, sample),
        )
        views.append((slice(j, j + together), view))
    return views
