"""The dense layer of a shard, and what comes before it."""

from __future__ import annotations

import numpy as np

from minidl.engine.passes import Pass, Task, inward, outward
from minidl.engine.planned.op import Op, Room
from minidl.types import Array


class Multiply(Op):
    """The product of a dense layer, without its bias."""

    def __init__(self, task: Task, room: Room) -> None:
        super().__init__(task, room)
        self.y = room.result()
        self._dx = room.gradient(0) if self.wants(0) else None

    def forward(self, run: Pass, *xs: Array) -> Array:
        """Return y (n, units)."""
        self._x = xs[0]
        np.matmul(self._x, self.task.params["weight"], out=self.y)
        return self.y

    def backward(self, run: Pass, dy: Array) -> tuple[Array | None, ...]:
        """Write dweight and return dx (n, in)."""
        if self.wants("weight"):
            np.matmul(self._x.T, dy, out=self.room.partial("weight"))
        if self._dx is not None:
            np.matmul(dy, self.task.params["weight"].T, out=self._dx)
        return (self._dx,)


class FlattenImages(Op):
    """Images (H, W, n, C) as rows (n, H·W·C)."""

    def __init__(self, task: Task, room: Room) -> None:
        super().__init__(task, room)
        self.y = room.result()
        self._images = (room.samples, *task.leaf.shapes[0])
        self._dx = room.gradient(0) if task.wanted else None

    def forward(self, run: Pass, *xs: Array) -> Array:
        """Return y (n, H·W·C)."""
        np.copyto(self.y.reshape(self._images), outward(xs[0]))
        return self.y

    def backward(self, run: Pass, dy: Array) -> tuple[Array | None, ...]:
        """Return dx (H, W, n, C)."""
        if self._dx is not None:
            np.copyto(self._dx, inward(dy.reshape(self._images)))
        return (self._dx,)
