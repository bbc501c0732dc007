"""Inference: a graph in evaluation, planned for one worker and kept from one call to the next."""

from __future__ import annotations

import numpy as np

from minidl.engine.crew import Member
from minidl.engine.cut import shards
from minidl.engine.leaves import unfold
from minidl.engine.memory import Memory
from minidl.engine.passes import Pass, Task, inward, outward
from minidl.engine.stages.local import Local
from minidl.engine.threads import BlasThreads
from minidl.graph import Graph
from minidl.layers import BatchNorm
from minidl.module import Context
from minidl.types import Array

SIZES = 4
"""For how many sizes of shards a plan keeps what it prepared."""


class Inference:
    """The leaves of a graph as one stage, for batches of any size."""

    def __init__(self, graph: Graph) -> None:
        shapes = [] if graph.shapes is None else [graph.shapes[name] for name in graph.inputs]
        leaves, self._output = unfold(graph, shapes)
        self._arrays = dict(graph.arrays)
        tasks = [Task(leaf, graph.arrays, frozenset(), frozenset()) for leaf in leaves]
        self._stage = Local(tasks, 1, frozenset({self._output}), frozenset(), False)
        self._dtype = graph.dtype
        self._images = any(len(task.leaf.shapes[0]) == 3 for task in tasks)
        self.by_sample = bool(tasks) and all(
            task.leaf.module.sample_local or type(task.leaf.module) is BatchNorm for task in tasks
        )
        self._memories: dict[int, Memory] = {}
        self._blas = BlasThreads()

    def fits(self, graph: Graph) -> bool:
        """Say whether the graph still has the arrays that this was planned for."""
        arrays = graph.arrays
        return len(arrays) == len(self._arrays) and all(
            arrays[path] is array for path, array in self._arrays.items()
        )

    def __call__(self, xs: tuple[Array, ...]) -> Array:
        """Return the output for inputs (N, ...)."""
        # Many small products are ten times slower where BLAS divides each among its threads.
        with self._blas.held_to_one():
            parts = [self._shard(tuple(x[rows] for x in xs)) for rows in self._cut(len(xs[0]))]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _cut(self, samples: int) -> list[slice]:
        """Cut a batch where there are images, which would not stay in the cache together."""
        return shards(samples) if self._images else [slice(0, samples)]

    def _shard(self, xs: tuple[Array, ...]) -> Array:
        samples = len(xs[0])
        alone = Member(0, 1, lambda: None)
        run = Pass(alone, self._memory(samples), [slice(0, samples)], False)
        run.values[0] = {number: inward(x) for number, x in enumerate(xs)}
        self._stage.forward(run)
        return np.array(outward(run.values[0][self._output]), order="C")

    def _memory(self, samples: int) -> Memory:
        """Return the memory for shards of a size; the size used first gives way to a new one."""
        if samples not in self._memories:
            while len(self._memories) >= SIZES:
                self._memories.pop(next(iter(self._memories))).clear()
            self._memories[samples] = Memory(self._dtype)
        return self._memories[samples]


def evaluate(graph: Graph, xs: tuple[Array, ...]) -> Array:
    """Return the output of a graph in evaluation, for inputs (N, ...) of its own type.

    The plan is taken from the graph while it runs, so that two threads never share one.
    """
    try:
        plan = graph.plans.pop()
    except IndexError:
        plan = Inference(graph)
    if not plan.fits(graph):
        plan = Inference(graph)
    if plan.by_sample:
        y = plan(xs)
    else:
        y, _ = graph.forward(graph.arrays, *xs, ctx=Context())
    graph.plans.append(plan)
    return y
