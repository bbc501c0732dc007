"""Depthwise convolution of a shard."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minidl.engine.memory import Memory
from minidl.engine.passes import Pass, Task
from minidl.engine.planned.images import Padded
from minidl.engine.planned.op import Op, Room
from minidl.engine.planned.pointwise import channel_sums
from minidl.kernels.conv import mirrored
from minidl.layers import Conv2d
from minidl.shapes import Window
from minidl.types import Array


class _Taps:
    """Images among zeros, and weights as they meet a row of outputs of all samples."""

    def __init__(self, window: Window, samples: int, channels: int, memory: Memory) -> None:
        image = memory.scratch("image", (*window.padded, samples, channels))
        self.image = Padded(image, window.size, (window.padding[0][0], window.padding[1][0]))
        self.seen = _seen(image, window)  # (oh, kh, kw, ow, n, C)
        self.taps = memory.scratch("taps", (*window.kernel, window.out[1], samples, channels))

    def product(self, x: Array, weight: Array, y: Array) -> None:
        """Write y (oh, ow, n, C) from x (H, W, n, C) and weight (kh, kw, 1, C)."""
        self.image.fill(x)
        np.copyto(self.taps, weight[:, :, :, None])
        np.einsum("pijqnc,ijqnc->pqnc", self.seen, self.taps, out=y)

    def weight_gradient(self, x: Array, dy: Array, dweight: Array) -> None:
        """Write dweight (kh, kw, 1, C)."""
        self.image.fill(x)
        np.einsum("pijqnc,pqnc->ijqnc", self.seen, dy, out=self.taps)
        for rows, totals in zip(self.taps, dweight):
            for products, total in zip(rows, totals):
                channel_sums(products, total[0])


def _seen(image: Array, window: Window) -> Array:
    """Return a view of what each tap sees: (oh, kh, kw, ow, n, C)."""
    row, column, sample, channel = image.strides
    (sh, sw), (dh, dw) = window.stride, window.dilation
    return as_strided(
        image,
        shape=(window.out[0], *window.kernel, window.out[1], *image.shape[2:]),
        strides=(row * sh, row * dh, column * dw, column * sw, sample, channel),
    )


class Depthwise(Op):
    """Each channel with a filter of its own, as ``kernels.depthwise``."""

    kernel = "taps"

    def __init__(self, task: Task, room: Room) -> None:
        super().__init__(task, room)
        window = cast(Conv2d, task.leaf.module).window(task.leaf.shapes[0])
        self._window, self.y = window, room.result()
        size = (room.samples, task.leaf.shape[2], room.memory)
        self._there, mirror = _Taps(window, *size), mirrored(window)
        self._back = None if mirror is None else _Taps(mirror, *size)
        self._dx = room.gradient(0) if self.wants(0) else None

    @property
    def weight(self) -> Array:
        """The weights, (kh, kw, 1, C)."""
        return self.task.params["weight"]

    def forward(self, run: Pass, *xs: Array) -> Array:
        """Return y (oh, ow, n, C)."""
        self._x = xs[0]
        self._there.product(self._x, self.weight, self.y)
        return self.y

    def backward(self, run: Pass, dy: Array) -> tuple[Array | None, ...]:
        """Write dweight and return dx (H, W, n, C)."""
        if self.wants("weight"):
            self._there.weight_gradient(self._x, dy, self.room.partial("weight"))
        if self._dx is not None and self._back is not None:
            self._back.product(dy, self.weight[::-1, ::-1], self._dx)
        elif self._dx is not None:
            self._scatter(dy, self._dx)
        return (self._dx,)

    def _scatter(self, dy: Array, dx: Array) -> None:
        """Write dx by adding each tap to where it was read."""
        image, part = self._there.image, self.room.memory.scratch("tap", dy.shape)
        image.array.fill(0)
        for i, j, rows, columns in self._window.taps():
            np.multiply(dy, np.tile(self.weight[i, j, 0], (*dy.shape[1:3], 1)), out=part)
            image.array[rows, columns] += part
        np.copyto(dx, image.inside)
