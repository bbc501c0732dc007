"""Any module, by its own forward and pullback."""

from __future__ import annotations

import math

import numpy as np

from minidl.engine.passes import Pass, Task, inward, outward, pulled
from minidl.engine.planned.op import Op, Room
from minidl.types import Array, Pullback


class ByModule(Op):
    """A module as it is written: ``forward`` on (n, H, W, C), and its pullback.

    A module that is ``pixel_local`` takes images as they lie here, (H, W, n, C).
    """

    def __init__(self, task: Task, room: Room) -> None:
        super().__init__(task, room)
        self._turns = not task.leaf.module.pixel_local
        self._dxs = [
            room.gradient(index) if index in task.wanted else None
            for index in range(len(task.leaf.reads))
        ]
        self._pullback: Pullback | None = None
        self._held: list[Array] = []
        if task.wanted:  # the output, and at least the inputs: the module's own, so only counted
            numbers = sum(math.prod(shape) for shape in (task.leaf.shape, *task.leaf.shapes))
            room.memory.note(numbers * room.samples * room.memory.dtype.itemsize)

    def forward(self, run: Pass, *xs: Array) -> Array:
        """Return the output."""
        ctx = self.task.context(run, self.room.first, {})
        turned = [self._outward(x) for x in xs]
        module, params = self.task.leaf.module, self.task.latest(run)
        y, self._pullback = module.forward(params, *turned, ctx=ctx)
        y = self._inward(y)
        y = y.copy() if any(np.may_share_memory(y, x) for x in xs) else y
        self._held = [*xs, y, *params.values()] if self._pullback else []
        return y

    def backward(self, run: Pass, dy: Array) -> tuple[Array | None, ...]:
        """Write the gradients of the parameters and return those of the inputs."""
        dxs, dparams = pulled(self._pullback, self._outward(dy), len(self._dxs))
        for name in self.task.trained:
            self.room.partial(name)[...] = dparams.get(name, 0)
        owned: list[Array | None] = []
        for kept, dx in zip(self._dxs, dxs):
            # dy too: another gradient may get its memory while dx is still needed
            taken = [dy, *(one for one in owned if one is not None)]
            owned.append(None if kept is None else self._owned(dx, kept, taken))
        self._pullback, self._held = None, []
        return tuple(owned)

    def _owned(self, dx: Array | None, kept: Array, taken: list[Array]) -> Array:
        """Return a gradient to be overwritten: dx itself, or a copy where others may read it."""
        if dx is None:
            kept.fill(0)
            return kept
        dx = inward(dx) if self._turns else dx
        whole = dx.flags.c_contiguous and dx.flags.writeable and dx.dtype == kept.dtype
        if whole and not any(np.may_share_memory(dx, other) for other in self._held + taken):
            return dx
        copy(dx, kept)
        return kept

    def _outward(self, x: Array) -> Array:
        """Return images as the module takes them."""
        return contiguous(outward(x)) if self._turns else x

    def _inward(self, y: Array) -> Array:
        """Return the module's output as images lie here."""
        return contiguous(inward(y) if self._turns else y)


def contiguous(x: Array) -> Array:
    """Return an array in one piece: itself, or a copy."""
    if x.flags.c_contiguous:
        return x
    out = np.empty(x.shape, x.dtype)
    copy(x, out)
    return out


def copy(x: Array, out: Array) -> None:
    """Copy ``x``, pixel by pixel where channels lie together: twice as fast as number by number."""
    pixel = x.shape[-1] * x.itemsize
    whole = x.ndim == 4 and x.dtype == out.dtype and x.strides[-1] == x.itemsize and pixel
    if not (whole and out.flags.c_contiguous):
        out[...] = x
        return
    np.copyto(out.view(f"V{pixel}"), x.view(f"V{pixel}"))
