"""Normalisation of each sample of a shard of images by its own statistics."""

from __future__ import annotations

from typing import cast

import numpy as np

from minidl.engine.passes import Pass, Task
from minidl.engine.planned.op import Op, Room
from minidl.kernels.norm import inverse_deviation
from minidl.kernels.sums import row_sums
from minidl.layers import GroupNorm, InstanceNorm
from minidl.types import Array


class NormGroups(Op):
    """``GroupNorm`` and ``InstanceNorm``: sums over pixels, then over a group's channels.

    With ``c`` the values less the mean, the output is ``a · c + b`` and the gradient
    ``a · dy + d · c + e``, each letter a number for a channel of a sample, (n, C).
    """

    def __init__(self, task: Task, room: Room) -> None:
        super().__init__(task, room)
        self.y = room.result()
        self._pixels = self.y.shape[0] * self.y.shape[1]
        self._centred = room.memory.keep(self.y.shape)
        self._dx = room.gradient(0) if self.wants(0) else None

    @property
    def module(self) -> GroupNorm | InstanceNorm:
        """The module itself."""
        return cast("GroupNorm | InstanceNorm", self.task.leaf.module)

    def forward(self, run: Pass, *xs: Array) -> Array:
        """Centre by the means, twice as ``kernels.norm.moments`` does, and scale."""
        c = self._centred
        np.subtract(xs[0], self._spread(self._means(_sums(xs[0]))), out=c)
        self._rest = self._means(_sums(c))  # (n, C), as all that follow
        variance = self._means(_products(c, c)) - np.square(self._rest)
        self._scale = inverse_deviation(variance, self.module.epsilon)
        factor = self._weighted(self._scale)
        offset = -self._rest * factor
        if self.module.affine:
            offset += self.task.params["bias"]
        np.multiply(c, self._spread(factor), out=self.y)
        self.y += self._spread(offset)
        return self.y

    def backward(self, run: Pass, dy: Array) -> tuple[Array | None, ...]:
        """Write the gradients of weight and bias, and return dx (H, W, n, C)."""
        sums = _sums(dy)
        products = _products(dy, self._centred) - self._rest * sums
        if self.wants("weight"):
            np.add.reduce(products * self._scale, axis=0, out=self.room.partial("weight"))
        if self.wants("bias"):
            np.add.reduce(sums, axis=0, out=self.room.partial("bias"))
        if self._dx is not None:
            self._send(dy, sums, products, self._dx)
        return (self._dx,)

    def _send(self, dy: Array, sums: Array, products: Array, dx: Array) -> None:
        """Write the gradient of the input, ``kernels.norm.input_gradient``."""
        scale = self._scale
        slope = -self._means(self._weighted(products)) * scale * scale * scale
        offset = -self._means(self._weighted(sums)) * scale - slope * self._rest
        dy *= self._spread(self._weighted(scale))
        np.multiply(self._centred, self._spread(slope), out=dx)
        dx += self._spread(offset)
        dx += dy

    def _weighted(self, numbers: Array) -> Array:
        """Return numbers (n, C) times the weights."""
        return numbers * self.task.params["weight"] if self.module.affine else numbers

    def _means(self, sums: Array) -> Array:
        """Return the mean of each channel's group, (n, C), of sums over pixels."""
        samples, channels = sums.shape
        groups = self.module.groups if isinstance(self.module, GroupNorm) else channels
        size = channels // groups
        totals = sums.reshape(samples, groups, size).sum(axis=2) / (self._pixels * size)
        means: Array = totals.repeat(size, axis=1)
        return means

    def _spread(self, numbers: Array) -> Array:
        """Return numbers (n, C) for a row of pixels, (W, n, C): long runs meet faster."""
        return np.tile(numbers, (self.y.shape[1], 1, 1))


def _sums(x: Array) -> Array:
    """Return the sums of x (H, W, n, C) over pixels, (n, C)."""
    return row_sums(x.reshape(-1, x[0, 0].size)).reshape(x.shape[2:])  # (H·W, n·C)


def _products(a: Array, b: Array) -> Array:
    """Return the sums of a · b over pixels, (n, C): of each row of the images, then of all."""
    rows = (*a.shape[:2], -1)  # (H, W, n·C)
    sums = np.einsum("hwc,hwc->hc", a.reshape(rows), b.reshape(rows))
    return row_sums(sums).reshape(a.shape[2:])
