"""Pooling of a shard."""

from __future__ import annotations

import numpy as np

from minidl.engine.passes import Pass, Task
from minidl.engine.planned.op import Op, Room
from minidl.shapes import Window
from minidl.types import Array


def in_pairs(window: Window) -> bool:
    """Say whether a window is 2x2 at stride 2 without padding or dilation."""
    plain = window.dilation == (1, 1) and window.padding == ((0, 0), (0, 0))
    return plain and window.kernel == window.stride == (2, 2)


class MaxPoolInPairs(Op):
    """The maximum of 2x2 windows side by side: of columns in pairs, then of rows in pairs.

    On a tie the left one wins, then the upper one: the first maximum, row by row.
    """

    def __init__(self, task: Task, room: Room) -> None:
        super().__init__(task, room)
        self.y, memory = room.result(), room.memory
        oh, ow, samples, channels = self.y.shape
        by_column = (2 * oh, ow, samples, channels)
        self._columns, self._work = (memory.scratch(f"pooled {k}", by_column) for k in "ab")
        if task.wanted:
            self._left = memory.keep(by_column, np.bool_)
            self._upper = memory.keep(self.y.shape, np.bool_)
            self._dx = room.gradient(0)

    def forward(self, run: Pass, *xs: Array) -> Array:
        """Return y (oh, ow, n, C)."""
        left, right = self._pairs(xs[0])
        np.maximum(left, right, out=self._columns)
        upper, lower = self._columns[0::2], self._columns[1::2]
        np.maximum(upper, lower, out=self.y)
        if self.task.wanted:
            np.greater_equal(left, right, out=self._left)
            np.greater_equal(upper, lower, out=self._upper)
        return self.y

    def _pairs(self, x: Array) -> tuple[Array, Array]:
        """Return the left and the right columns of ``x``, without what no window covers."""
        height, width = self._columns.shape[:2]
        return x[:height, 0 : 2 * width : 2], x[:height, 1 : 2 * width : 2]

    def backward(self, run: Pass, dy: Array) -> tuple[Array | None, ...]:
        """Return dx (H, W, n, C): each gradient goes to where the maximum was."""
        dcolumns = self._columns
        np.multiply(dy, self._upper, out=dcolumns[0::2])
        np.subtract(dy, dcolumns[0::2], out=dcolumns[1::2])
        left, right = self._pairs(self._dx)
        np.multiply(dcolumns, self._left, out=self._work)
        np.copyto(left, self._work)
        np.subtract(dcolumns, self._work, out=right)
        self._dx[len(dcolumns) :].fill(0)
        self._dx[:, 2 * dcolumns.shape[1] :].fill(0)
        return (self._dx,)


class GlobalAverage(Op):
    """The mean of each channel."""

    def __init__(self, task: Task, room: Room) -> None:
        super().__init__(task, room)
        self.y = room.result()
        height, width, _ = task.leaf.shapes[0]
        self._pixels = height * width
        self._dx = room.gradient(0) if task.wanted else None

    def forward(self, run: Pass, *xs: Array) -> Array:
        """Return y (n, C)."""
        flat = xs[0].reshape(self._pixels, *self.y.shape)  # (H·W, n, C)
        np.divide(flat.sum(axis=0), self._pixels, out=self.y)
        return self.y

    def backward(self, run: Pass, dy: Array) -> tuple[Array | None, ...]:
        """Return dx (H, W, n, C): every pixel has an equal share."""
        if self._dx is not None:
            self._dx[...] = dy / self._pixels
        return (self._dx,)
