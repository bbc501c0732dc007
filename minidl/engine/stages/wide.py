"""Large dense layers, cut by columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.engine.crew import shared
from minidl.engine.cut import tiles
from minidl.engine.exchange import Exchange
from minidl.engine.memory import Memory
from minidl.engine.passes import Pass, Task
from minidl.types import Array

PARTS = 8
"""Into how many tiles the columns of a product are cut."""


class Wide:
    """A large dense layer on the whole batch: each member computes some columns.

    Cut by samples, every shard would make a gradient as large as the weights.
    """

    def __init__(self, task: Task, batch: int, dtype: Any) -> None:
        self.tasks, self.task = [task], task
        (inputs,), (units,) = task.leaf.shapes[0], task.leaf.shape
        self._x, self._dx = (Exchange(batch, (inputs,), dtype) for _ in range(2))
        self._y, self._dy = (Exchange(batch, (units,), dtype) for _ in range(2))
        self._columns, self._rows = _parts(units), _parts(inputs)
        self._gradients = {
            name: shared((1, *task.params[name].shape), dtype) for name in task.trained
        }
        exchanges = (self._x, self._dx, self._y, self._dy)
        self.shared_bytes = sum(one.rows.nbytes for one in exchanges)
        self.shared_bytes += sum(array.nbytes for array in self._gradients.values())
        self.partial = [(task.paths[name], array) for name, array in self._gradients.items()]

    def lay_out(self, memory: Memory, cut: Sequence[slice]) -> None:
        """Ask for nothing: all its memory is shared."""

    def kernels(self, memory: Memory, cut: Sequence[slice]) -> dict[str, str]:
        """Return how the product is cut."""
        return {self.task.leaf.path: f"columns x{len(self._columns)}"}

    def forward(self, run: Pass) -> None:
        """Gather the rows; then each member computes its columns of ``y``."""
        leaf, params, n = self.task.leaf, self.task.params, run.samples
        self._x.put_values(run, leaf.reads[0])
        run.member.wait()
        for index in run.member.share(len(self._columns)):
            tile = self._columns[index]
            y = self._y.rows[:n, tile]
            np.matmul(self._x.rows[:n], params["weight"][:, tile], out=y)
            if "bias" in params:
                y += params["bias"][tile]
        run.member.wait()
        for shard in run.mine:
            run.values[shard][leaf.writes] = self._y.shard(run, shard)

    def backward(self, run: Pass) -> None:
        """Gather ``dy``; then each member computes its part of ``dweight`` and ``dx``."""
        leaf, wanted, n = self.task.leaf, self.task.wanted, run.samples
        if not wanted:
            return
        self._dy.put_owed(run, leaf.writes)
        run.member.wait()
        dy = self._dy.rows[:n]
        for index in run.member.share(len(self._rows)):
            self._tile(self._rows[index], dy)
        if run.member.index == 0 and "bias" in wanted:
            np.add.reduce(dy, axis=0, out=self._gradients["bias"][0])
        if 0 in wanted:
            run.member.wait()
            for shard in run.mine:
                run.owe(shard, leaf.reads[0], self._dx.shard(run, shard))

    def _tile(self, tile: slice, dy: Array) -> None:
        """Compute ``dweight`` and ``dx`` of some inputs."""
        n = len(dy)
        if "weight" in self.task.wanted:
            dweight = self._gradients["weight"][0, tile]
            np.matmul(self._x.rows[:n, tile].T, dy, out=dweight)
        if 0 in self.task.wanted:
            weight = self.task.params["weight"]
            np.matmul(dy, weight[tile].T, out=self._dx.rows[:n, tile])


def _parts(length: int) -> list[slice]:
    """Cut columns into tiles of whole vectors, a few for each member."""
    return tiles(length, max(16, -(-length // PARTS // 16) * 16))
