"""Any module, by its own forward and pullback."""

from __future__ import annotations

import math

import numpy as np

from minidl.engine.passes import Pass, Task, inward, outward, pulled
from minidl.engine.planned.op import Op, Room
from minidl.types import Array, Pullback


class ByModule(Op):
    """A module as it is written: ``forward`` on (n, H, W, C), and its pullback."""

    def __init__(self, task: Task, room: Room) -> None:
        super().__init__(task, room)
        self._dxs = [
            room.gradient(index) if index in task.wanted else None
            for index in range(len(task.leaf.reads))
        ]
        self._pullback: Pullback | None = None
        if task.wanted:  # the output, and at least the inputs: the module's own, so only counted
            numbers = sum(math.prod(shape) for shape in (task.leaf.shape, *task.leaf.shapes))
            room.memory.note(numbers * room.samples * room.memory.dtype.itemsize)

    def forward(self, run: Pass, *xs: Array) -> Array:
        """Return the output."""
        ctx = self.task.context(run, self.room.first, {})
        turned = [np.ascontiguousarray(outward(x)) for x in xs]
        module, params = self.task.leaf.module, self.task.latest(run)
        y, self._pullback = module.forward(params, *turned, ctx=ctx)
        y = np.ascontiguousarray(inward(y))
        return y.copy() if any(np.may_share_memory(y, x) for x in xs) else y

    def backward(self, run: Pass, dy: Array) -> tuple[Array | None, ...]:
        """Write the gradients of the parameters and return those of the inputs."""
        dxs, dparams = pulled(self._pullback, np.ascontiguousarray(outward(dy)), len(self._dxs))
        self._pullback = None
        for name in self.task.trained:
            self.room.partial(name)[...] = dparams.get(name, 0)
        for kept, dx in zip(self._dxs, dxs):
            if kept is not None:
                kept[...] = 0 if dx is None else inward(dx)
        return tuple(self._dxs)
