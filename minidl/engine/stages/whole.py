"""Modules that need the whole batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minidl.engine.crew import shared
from minidl.engine.exchange import Exchange
from minidl.engine.memory import Memory
from minidl.engine.passes import Pass, Task, locate, pulled
from minidl.types import Pullback


class Whole:
    """A leaf that claims nothing about samples: one member runs it on the whole batch."""

    def __init__(self, task: Task, batch: int, dtype: Any) -> None:
        self.tasks, self.task = [task], task
        leaf = task.leaf
        self._xs = [Exchange(batch, shape, dtype) for shape in leaf.shapes]
        self._dxs = [Exchange(batch, shape, dtype) for shape in leaf.shapes]
        self._y, self._dy = (Exchange(batch, leaf.shape, dtype) for _ in range(2))
        self._gradients = {
            name: shared((1, *task.params[name].shape), dtype) for name in task.trained
        }
        exchanges = (*self._xs, *self._dxs, self._y, self._dy)
        self.shared_bytes = sum(one.rows.nbytes for one in exchanges)
        self.shared_bytes += sum(array.nbytes for array in self._gradients.values())
        self.partial = [(task.paths[name], array) for name, array in self._gradients.items()]
        self._pullback: Pullback | None = None

    def lay_out(self, memory: Memory, cut: Sequence[slice]) -> None:
        """Ask for nothing: the module finds memory for itself."""

    def kernels(self, memory: Memory, cut: Sequence[slice]) -> dict[str, str]:
        """Return that it is not cut."""
        return {self.task.leaf.path: "whole batch"}

    def forward(self, run: Pass) -> None:
        """Gather the inputs, run the module, hand its output out."""
        leaf = self.task.leaf
        for exchange, read in zip(self._xs, leaf.reads):
            exchange.put_values(run, read)
        run.member.wait()
        if run.tells:
            try:
                self._forward(run)
            except Exception as error:
                locate(error, leaf.path)
                raise
        run.member.wait()
        for shard in run.mine:
            run.values[shard][leaf.writes] = self._y.shard(run, shard)

    def _forward(self, run: Pass) -> None:
        ctx = self.task.context(run, 0, run.updates)
        xs = [exchange.rows[: run.samples] for exchange in self._xs]
        params = self.task.latest(run)
        y, self._pullback = self.task.leaf.module.forward(params, *xs, ctx=ctx)
        self._y.rows[: run.samples] = y

    def backward(self, run: Pass) -> None:
        """Gather ``dy``, run the pullback, hand the gradients of the inputs out."""
        leaf = self.task.leaf
        if not self.task.wanted:
            return
        self._dy.put_owed(run, leaf.writes)
        run.member.wait()
        if run.tells:
            try:
                self._backward(run)
            except Exception as error:
                locate(error, leaf.path)
                raise
        run.member.wait()
        for index, read in enumerate(leaf.reads):
            if index in self.task.wanted:
                for shard in run.mine:
                    run.owe(shard, read, self._dxs[index].shard(run, shard))

    def _backward(self, run: Pass) -> None:
        dxs, dparams = pulled(self._pullback, self._dy.rows[: run.samples], len(self._dxs))
        self._pullback = None
        for exchange, dx in zip(self._dxs, dxs):
            exchange.rows[: run.samples] = 0 if dx is None else dx
        for name, gradient in self._gradients.items():
            gradient[0] = dparams.get(name, 0)
