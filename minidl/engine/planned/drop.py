"""Dropping whole channels or samples of a shard of images."""

from __future__ import annotations

from typing import cast

import numpy as np

from minidl.engine.passes import Pass, Task
from minidl.engine.planned.op import Op, Room
from minidl.kernels.masks import keep
from minidl.layers import Dropout2d, DropPath
from minidl.types import Array


class Drop(Op):
    """``Dropout2d`` and ``DropPath``: a mask for a row of pixels, (W, n, C), serves all rows."""

    def __init__(self, task: Task, room: Room) -> None:
        super().__init__(task, room)
        self.y = room.result()
        self._dx = room.gradient(0) if task.wanted else None
        self._mask: Array | None = None

    def forward(self, run: Pass, *xs: Array) -> Array:
        """Return y (H, W, n, C)."""
        height, width, samples, channels = xs[0].shape
        ctx = self.task.context(run, self.room.first, {})
        mask = self._module.mask((samples, height, width, channels), ctx)
        if mask is not None:  # (n, 1, 1, C), or (n, 1, 1, 1)
            mask = np.broadcast_to(mask[:, 0, 0], (width, samples, channels)).copy()
        self._mask = mask
        return self._dropped(xs[0], self.y)

    def backward(self, run: Pass, dy: Array) -> tuple[Array | None, ...]:
        """Return dx (H, W, n, C)."""
        return (None if self._dx is None else self._dropped(dy, self._dx),)

    @property
    def _module(self) -> Dropout2d | DropPath:
        return cast("Dropout2d | DropPath", self.task.leaf.module)

    def _dropped(self, x: Array, out: Array) -> Array:
        """Write what stays, scaled."""
        if self._mask is None:
            np.copyto(out, x)
            return out
        keep(x, self._mask, out)
        out *= self._module.scale
        return out
