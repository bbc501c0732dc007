"""What changes each number by itself, written over its input: a bias, and ReLU."""

from __future__ import annotations

import math

import numpy as np

from minidl.engine.passes import Pass, Task
from minidl.engine.planned.op import Op, Room
from minidl.layers import BatchNorm, Normalize
from minidl.types import Array


class AddBias(Op):
    """A number added to each channel of images (H, W, n, F), or to each column of (n, units)."""

    def forward(self, run: Pass, *xs: Array) -> Array:
        """Add it in place."""
        x: Array = xs[0]
        x += spread(self.task.params["bias"], x)
        return x

    def backward(self, run: Pass, dy: Array) -> tuple[Array | None, ...]:
        """Write its gradient and pass ``dy`` on."""
        if self.wants("bias"):
            channel_sums(dy, self.room.partial("bias"))
        return (dy,)


def spread(numbers: Array, like: Array) -> Array:
    """Return a number for each channel as it meets images (H, W, n, C), or (n, C).

    They are repeated for a row of pixels, (W, n, C), because meeting short runs takes up to three
    times as long.
    """
    return np.tile(numbers, (*like.shape[1:3], 1)) if like.ndim == 4 else numbers


def channel_sums(x: Array, out: Array) -> None:
    """Write the sum over all axes but the last: over rows of pixels, then over the rows."""
    rows = x.reshape(len(x), -1, x.shape[-1]) if x.ndim == 4 else x.reshape(1, -1, x.shape[-1])
    sums = np.ones(rows.shape[1], x.dtype) @ rows
    np.add.reduce(sums, axis=0, out=out)


class Rectify(Op):
    """ReLU in place, which knows from its output where its gradient is 0."""

    def __init__(self, task: Task, room: Room) -> None:
        super().__init__(task, room)
        shape = room.shape
        # comparing with a row of zeros is faster than with one zero
        self._zeros = np.zeros(shape[-1] * (shape[-2] if len(shape) == 4 else 1), room.memory.dtype)
        self._mask = room.memory.scratch("mask", (math.prod(shape),), np.bool_)

    def forward(self, run: Pass, *xs: Array) -> Array:
        """Write max(x, 0) over x."""
        self._y = xs[0]
        flat = self._y.reshape(-1, len(self._zeros))
        np.maximum(flat, self._zeros, out=flat)
        return self._y

    def backward(self, run: Pass, dy: Array) -> tuple[Array | None, ...]:
        """Return ``dy`` where the output is positive, else 0, in place."""
        mask = self._mask.reshape(-1, len(self._zeros))
        np.greater(self._y.reshape(mask.shape), self._zeros, out=mask)
        np.multiply(dy, mask.reshape(dy.shape), out=dy)
        return (dy,)


class Affine(Op):
    """A centre, a factor and a bias a channel: batch norm in evaluation, and ``Normalize``."""

    def __init__(self, task: Task, room: Room) -> None:
        super().__init__(task, room)
        self.y = room.result()
        self._dx = room.gradient(0) if task.wanted else None

    def _numbers(self) -> tuple[Array, Array, Array | None]:
        """Return the centre, the factor and the bias, if any, as they meet the values."""
        params, module = self.task.params, self.task.leaf.module
        kind, bias = self.y.dtype.type, None
        if isinstance(module, BatchNorm):
            centre = params["running_mean"]
            factor = kind(1) / np.sqrt(params["running_variance"] + kind(module.epsilon))
            if module.affine:
                factor, bias = factor * params["weight"], spread(params["bias"], self.y)
        elif isinstance(module, Normalize):
            centre = np.asarray(module.mean, kind)
            factor = kind(1) / np.asarray(module.deviation, kind)
        else:
            raise TypeError(f"Affine runs BatchNorm and Normalize, got {module!r}")
        channels = self.y.shape[-1:]
        centre, factor = (np.broadcast_to(one, channels) for one in (centre, factor))
        return spread(centre, self.y), spread(factor, self.y), bias

    def forward(self, run: Pass, *xs: Array) -> Array:
        """Return (x - centre) · factor + bias.

        One multiplication and one addition would be faster, and wrong where the centre is large:
        at 10 000 with a deviation of 0.01, float32 would err by 0.05.
        """
        centre, factor, bias = self._numbers()
        np.subtract(xs[0], centre, out=self.y)
        self.y *= factor
        if bias is not None:
            self.y += bias
        return self.y

    def backward(self, run: Pass, dy: Array) -> tuple[Array | None, ...]:
        """Return dy · factor."""
        np.multiply(dy, self._numbers()[1], out=self._dx)
        return (self._dx,)


class Sum(Op):
    """The sum of several inputs."""

    def __init__(self, task: Task, room: Room) -> None:
        super().__init__(task, room)
        self.y = room.result()
        self._dxs = [
            room.gradient(index) if index in task.wanted else None
            for index in range(len(task.leaf.reads))
        ]

    def forward(self, run: Pass, *xs: Array) -> Array:
        """Return the sum."""
        np.add(xs[0], xs[1], out=self.y)
        for x in xs[2:]:
            self.y += x
        return self.y

    def backward(self, run: Pass, dy: Array) -> tuple[Array | None, ...]:
        """Return a copy of ``dy`` for each, because each may be overwritten."""
        for dx in self._dxs:
            if dx is not None:
                np.copyto(dx, dy)
        return tuple(self._dxs)
