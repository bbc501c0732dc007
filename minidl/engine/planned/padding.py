"""Padding a shard of images with a number."""

from __future__ import annotations

from typing import cast

import numpy as np

from minidl.engine.passes import Pass, Task
from minidl.engine.planned.images import Padded
from minidl.engine.planned.op import Op, Room
from minidl.layers import Pad
from minidl.shapes import explicit_padding
from minidl.types import Array


class PadConstant(Op):
    """Images written straight into a frame of one value, and cut out of it on the way back."""

    def __init__(self, task: Task, room: Room) -> None:
        super().__init__(task, room)
        module, (height, width, _) = cast(Pad, task.leaf.module), task.leaf.shapes[0]
        (top, _), (left, _) = explicit_padding(module.padding)
        self._padded = Padded(room.result(), (height, width), (top, left), module.value)
        self._inside = slice(top, top + height), slice(left, left + width)
        self._dx = room.gradient(0) if task.wanted else None

    def forward(self, run: Pass, *xs: Array) -> Array:
        """Return y (oh, ow, n, C)."""
        self._padded.fill(xs[0])
        return self._padded.array

    def backward(self, run: Pass, dy: Array) -> tuple[Array | None, ...]:
        """Return dx (H, W, n, C)."""
        if self._dx is not None:
            np.copyto(self._dx, dy[self._inside])
        return (self._dx,)
