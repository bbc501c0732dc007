"""Convolution of a shard by im2col in two steps, in blocks of rows.

A window is lowered along the columns alone: ``lines`` (rows, ow·n, kw·C) holds, for every row of
the image, what each window sees of it. Row ``i`` of the kernel then meets the lines ``i`` further
down, so that ``y`` is a sum of kh products, and a pixel is copied kw times instead of kh·kw times.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minidl.engine.memory import Memory
from minidl.engine.planned.images import Padded
from minidl.shapes import Window
from minidl.types import Array

BLOCK_BYTES = 3 << 20
"""How large the lines of a block may be: measured; smaller ones cost more in calls."""

SMALL_PRODUCT = 500_000
"""How many multiplications a piece has: up to 10^6 OpenBLAS does not pack, a quarter faster."""


class _Block(NamedTuple):
    """Some rows of outputs, the rows of the image that they see, and their lines."""

    outputs: slice
    inputs: slice
    patches: Array
    lines: Array


class Lowering:
    """The lines of one padded image (rows, columns, n, C), block by block."""

    def __init__(self, window: Window, channels: int, samples: int, memory: Memory) -> None:
        self.window, self._memory = window, memory
        shape = (*window.padded, samples, channels)
        image = memory.scratch("image", shape)
        before = (window.padding[0][0], window.padding[1][0])
        self._image = Padded(image, window.size, before)
        self._row, self._width = window.out[1] * samples, window.kernel[1] * channels
        view = _patches(image, window)  # (rows, ow, n, kw, C)
        self._blocks = []
        for rows in block_rows(window, self._width * samples, memory):
            inputs = seen_rows(rows, window)
            lines = memory.scratch("patches", view[inputs].shape)
            self._blocks.append(_Block(rows, inputs, view[inputs], lines))
        self.kernel = f"im2col x{len(self._blocks)}"

    def fill(self, x: Array) -> None:
        """Take in x (H, W, n, C)."""
        self._image.fill(x)

    def _pieces(self, block: _Block, i: int, filters: int) -> Array:
        """Return what row ``i`` of the kernel meets: (rows, pieces, t, kw·C)."""
        count = block.outputs.stop - block.outputs.start
        lines = block.lines.reshape(-1, self._row, self._width)
        met = lines[tap_rows(slice(0, count), self.window.tap(0, i), self.window)]
        piece = small_rows(self._row, self._width * filters)
        return met.reshape(count, -1, piece, self._width)

    def product(self, weight: Array, y: Array) -> None:
        """Write the convolution to y (oh, ow, n, F), of weight (kh·kw·C, F)."""
        rows = weight.reshape(self.window.kernel[0], self._width, -1)
        for block in self._blocks:
            np.copyto(block.lines, block.patches)
            for i, row in enumerate(rows):
                pieces = self._pieces(block, i, len(row[0]))
                out = y[block.outputs].reshape(*pieces.shape[:3], -1)
                if i == 0:
                    np.matmul(pieces, row, out=out)
                else:
                    out += np.matmul(pieces, row, out=self._memory.scratch("part", out.shape))

    def weight_gradient(self, dy: Array, total: Array) -> None:
        """Write the gradient of the weights to total (kh·kw·C, F).

        Lowering a block again costs less than keeping its lines from the way forward.
        """
        total.fill(0)
        for block in self._blocks:
            np.copyto(block.lines, block.patches)
            for i, row in enumerate(total.reshape(self.window.kernel[0], self._width, -1)):
                pieces = self._pieces(block, i, len(row[0]))
                flat = dy[block.outputs].reshape(*pieces.shape[:3], -1)
                part = self._memory.scratch("part", (*pieces.shape[:2], *row.shape))
                row += np.matmul(pieces.swapaxes(2, 3), flat, out=part).sum(axis=(0, 1))

    def scatter(self, weight: Array, dy: Array, dx: Array) -> None:
        """Write to dx (H, W, n, C) what dy (oh, ow, n, F) sends back through the weights."""
        image, window = self._image.array, self.window
        image.fill(0)
        for block in self._blocks:
            block.lines.fill(0)
            for i, row in enumerate(weight.reshape(window.kernel[0], self._width, -1)):
                met = self._pieces(block, i, len(row[0]))
                flat = dy[block.outputs].reshape(*met.shape[:3], -1)
                met += np.matmul(flat, row.T, out=self._memory.scratch("part", met.shape))
            for j in range(window.kernel[1]):
                image[block.inputs, window.tap(1, j)] += block.lines[:, :, :, j]
        np.copyto(dx, self._image.inside)


def block_rows(window: Window, row_width: int, memory: Memory) -> list[slice]:
    """Cut the rows of outputs into blocks of equal height of at most ``BLOCK_BYTES``."""
    (oh, ow), itemsize = window.out, memory.dtype.itemsize
    count = max(1, BLOCK_BYTES // (ow * row_width * itemsize))
    count = -(-oh // -(-oh // count))
    return [slice(start, min(start + count, oh)) for start in range(0, oh, count)]


def seen_rows(rows: slice, window: Window) -> slice:
    """Return the rows of the padded image that some rows of outputs see."""
    stride, span = window.stride[0], window.dilation[0] * (window.kernel[0] - 1)
    return slice(rows.start * stride, (rows.stop - 1) * stride + span + 1)


def tap_rows(rows: slice, down: slice, window: Window) -> slice:
    """Return the rows of the padded image that a tap of some rows of outputs reads."""
    stride = window.stride[0]
    first = down.start + rows.start * stride
    return slice(first, first + (rows.stop - rows.start - 1) * stride + 1, stride)


def small_rows(rows: int, work: int) -> int:
    """Return into how many rows a time to cut a product: a divisor of ``rows``, or all of them.

    >>> small_rows(1536, 288 * 64)
    24
    """
    most = SMALL_PRODUCT // work
    if rows <= most:
        return rows
    return next((piece for piece in range(most, 15, -1) if rows % piece == 0), rows)


def _patches(image: Array, window: Window) -> Array:
    """Return a view of what windows see of every row: (rows, ow, n, kw, C)."""
    row, column, sample, channel = image.strides
    (height, _, samples, channels), step = image.shape, window.stride[1] * column
    return as_strided(
        image,
        shape=(height, window.out[1], samples, window.kernel[1], channels),
        strides=(row, step, sample, window.dilation[1] * column, channel),
    )
