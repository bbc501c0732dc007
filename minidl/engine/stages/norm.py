"""Batch norm in training, cut into shards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from minidl.engine.crew import shared
from minidl.engine.cut import batched, shards
from minidl.engine.memory import Memory
from minidl.engine.passes import Pass, Task
from minidl.engine.planned.pointwise import channel_sums, spread
from minidl.layers import BatchNorm
from minidl.types import Array


class Norm:
    """Batch norm by sums of each shard, which all members add in the same order.

    With ``c`` the values less the mean, the output is ``a · c + b`` and the gradient
    ``a · dy + d · c + e``, each letter a number for a channel.
    """

    def __init__(self, task: Task, batch: int, dtype: Any) -> None:
        self.tasks, self.task, self._dtype = [task], task, dtype
        *pixels, channels = task.leaf.shape
        self._pixels, count = int(np.prod(pixels)), len(shards(batch))
        self._sums = shared((5, count, channels), dtype)
        self._gradients = {name: shared((1, channels), dtype) for name in task.trained}
        self.shared_bytes = self._sums.nbytes
        self.shared_bytes += sum(array.nbytes for array in self._gradients.values())
        self.partial = [(task.paths[name], array) for name, array in self._gradients.items()]

    def _room(self, memory: Memory, shard: int, samples: int) -> tuple[Array, Array]:
        """Return the memory of a shard: what is centred, and the output or ``dx``."""
        shape = batched(self.task.leaf.shape, samples)
        key = f"norm {self.task.leaf.path} {shard} {samples}"
        return memory.once(key, lambda: (memory.keep(shape), memory.keep(shape)))

    def lay_out(self, memory: Memory, cut: Sequence[slice]) -> None:
        """Ask for all memory that shards need."""
        memory.owner = self.task.leaf.path
        for shard, rows in enumerate(cut):
            centred, _ = self._room(memory, shard, rows.stop - rows.start)
            memory.scratch("squares", centred.shape)

    def kernels(self, memory: Memory, cut: Sequence[slice]) -> dict[str, str]:
        """Return that sums are taken by shards."""
        return {self.task.leaf.path: "by shards"}

    def forward(self, run: Pass) -> None:
        """Centre by the batch's mean, twice as ``kernels.norm.moments`` does, and scale."""
        number, count = self.task.leaf.reads[0], run.samples * self._pixels
        rooms = {shard: self._room(run.memory, shard, run.size(shard)) for shard in run.mine}
        for shard in run.mine:
            self._sums[0, shard] = _sums(run.values[shard][number])
        run.member.wait()
        mean = self._total(0, run) / count
        for shard, (centred, _) in rooms.items():
            x = run.values[shard][number]
            np.subtract(x, spread(mean, x), out=centred)
            self._sums[1, shard] = _sums(centred)
            self._sums[2, shard] = _sums(
                np.square(centred, out=run.memory.scratch("squares", centred.shape))
            )
        run.member.wait()
        rest = self._total(1, run) / count
        variance = self._total(2, run) / count - np.square(rest)
        self._average(run, mean + rest, variance, count)
        scale = 1 / np.sqrt(variance + variance.dtype.type(self.module.epsilon))
        run.kept[self.task.leaf.path] = rest, scale
        self._scale(run, rooms)

    @property
    def module(self) -> BatchNorm:
        """The batch norm itself."""
        return cast(BatchNorm, self.task.leaf.module)

    def _average(self, run: Pass, mean: Array, variance: Array, count: int) -> None:
        """Propose the running averages, of what is not frozen."""
        for name, value in self.module.averages(
            self.task.latest(run), mean, variance, count
        ).items():
            path = self.task.paths[name]
            if path not in self.task.frozen:
                run.updates[path] = value

    def _factor(self, scale: Array) -> Array:
        """Return what the centred values are multiplied by."""
        factor: Array = scale * self.task.params["weight"] if self.module.affine else scale
        return factor

    def _scale(self, run: Pass, rooms: dict[int, tuple[Array, Array]]) -> None:
        """Write the outputs."""
        rest, scale = run.kept[self.task.leaf.path]
        factor = self._factor(scale)
        offset = -rest * factor
        if self.module.affine:
            offset += self.task.params["bias"]
        for shard, (centred, y) in rooms.items():
            np.multiply(centred, spread(factor, y), out=y)
            y += spread(offset, y)
            run.values[shard][self.task.leaf.writes] = y

    def backward(self, run: Pass) -> None:
        """Take the batch's sums out of the gradient: ``kernels.norm.normalize_gradient``."""
        leaf = self.task.leaf
        owed = {shard: run.owed[shard].pop(leaf.writes, None) for shard in run.mine}
        if not self.task.wanted:
            return
        rooms = {shard: self._room(run.memory, shard, run.size(shard)) for shard in run.mine}
        for shard, dy in owed.items():
            if dy is not None:
                self._sums[3, shard] = _sums(dy)
                self._sums[4, shard] = _sums(
                    np.multiply(dy, rooms[shard][0], out=run.memory.scratch("squares", dy.shape))
                )
        run.member.wait()
        rest, scale = run.kept[self.task.leaf.path]
        dbias, products = self._total(3, run), self._total(4, run)
        dweight = (products - rest * dbias) * scale
        if run.member.index == 0:
            for name, total in self._gradients.items():
                total[0] = dweight if name == "weight" else dbias
        if 0 in self.task.wanted:
            self._send(run, owed, rooms, dweight, dbias)

    def _send(
        self,
        run: Pass,
        owed: dict[int, Array | None],
        rooms: dict[int, tuple[Array, Array]],
        dweight: Array,
        dbias: Array,
    ) -> None:
        """Owe the gradient of the input, in the memory of the output."""
        rest, scale = run.kept[self.task.leaf.path]
        count, factor = run.samples * self._pixels, self._factor(scale)
        slope = -factor * scale * dweight / count
        offset = -factor * dbias / count - slope * rest
        for shard, (centred, dx) in rooms.items():
            dy = owed[shard]
            if dy is not None:
                np.multiply(dy, spread(factor, dy), out=dy)
                np.multiply(centred, spread(slope, dx), out=dx)
                dx += spread(offset, dx)
                dx += dy
                run.owe(shard, self.task.leaf.reads[0], dx)

    def _total(self, row: int, run: Pass) -> Array:
        """Return the sum over the shards of this batch."""
        total: Array = self._sums[row, : len(run.cut)].sum(axis=0)
        return total


def _sums(x: Array) -> Array:
    """Return the sum of each channel."""
    total = np.empty(x.shape[-1], x.dtype)
    channel_sums(x, total)
    return total
