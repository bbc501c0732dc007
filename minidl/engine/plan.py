"""Plan: what a training step will compute and how much memory it takes, before anything runs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from minidl.checks import integer
from minidl.engine import MOST_WORKERS
from minidl.engine.border import input_shapes
from minidl.engine.cut import shards
from minidl.engine.leaves import unfold
from minidl.engine.memory import Memory
from minidl.engine.passes import Task, wanted_tasks
from minidl.engine.stages import Stage, divide
from minidl.engine.workers import helpful_workers
from minidl.graph import Graph
from minidl.record import Record
from minidl.types import Shape

HEADER = ("layer", "output shape", "parameters", "MFLOP", "MB kept", "kernel")

ENGINE = 4_000_000
"""What the engine's own code takes, in bytes."""

PER_PROCESS = 4_300_000
"""What a worker takes beside its arrays: pages of the interpreter that it writes to."""


class LayerPlan(Record):
    """One layer in a training step: per-sample output shape, and numbers for the whole batch.

    ``flops`` are of the forward pass, ``kept`` the bytes that wait for the way back.
    """

    name: str
    module: str
    shape: Shape
    parameters: int
    flops: int
    kept: int
    kernel: str


class Plan(Record):
    """A training step on ``batch_size`` samples by so many ``workers``, in bytes and FLOPs.

    ``shards`` are the sizes of the pieces that the batch is cut into. Memory is told apart into
    ``arrays`` (parameters and buffers), ``shared`` (their copies, gradients, the optimizer's memory
    and what workers hand to each other), ``kept`` (activations that wait for the way back) and
    ``scratch`` (of one worker); ``peak`` is the sum over all workers.
    """

    batch_size: int
    workers: int
    shards: tuple[int, ...]
    layers: tuple[LayerPlan, ...]
    arrays: int
    shared: int
    kept: int
    scratch: int

    @property
    def flops(self) -> int:
        """The operations of a forward pass of the batch."""
        return sum(layer.flops for layer in self.layers)

    @property
    def peak(self) -> int:
        """The bytes that the step takes at most, over all workers."""
        each = self.scratch + PER_PROCESS
        return ENGINE + self.arrays + self.shared + self.kept + self.workers * each

    def __str__(self) -> str:
        rows = [HEADER, *(_row(layer) for layer in self.layers)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
        lines = [_line(row, widths) for row in rows]
        lines.insert(1, "-" * max(map(len, lines)))
        return "\n".join([*lines, *self._totals()])

    def _totals(self) -> list[str]:
        sizes = ", ".join(f"{count} of {size}" for size, count in Counter(self.shards).items())
        return [
            f"a step of {self.batch_size}: forward {self.flops / 1e6:,.1f} MFLOP; shards: {sizes};"
            f" workers: {self.workers}",
            f"arrays {_mb(self.arrays)}, shared {_mb(self.shared)}, kept {_mb(self.kept)}, scratch"
            f" {_mb(self.scratch)} a worker: peak {_mb(self.peak)} MB",
        ]


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f}"


def _row(layer: LayerPlan) -> tuple[str, ...]:
    numbers = (f"{layer.parameters:,}", f"{layer.flops / 1e6:,.1f}", _mb(layer.kept))
    return (layer.name, str(layer.shape), *numbers, layer.kernel)


def _line(row: tuple[str, ...], widths: Sequence[int]) -> str:
    left = "  ".join(text.ljust(width) for text, width in zip(row[:2], widths))
    right = "  ".join(text.rjust(width) for text, width in zip(row[2:5], widths[2:5]))
    return f"{left}  {right}  {row[5]}".rstrip()


def plan(
    graph: Graph, batch_size: int, workers: int | None = None, remembered: int | None = None
) -> Plan:
    """Return the plan of a training step.

    ``remembered`` is how many bytes the optimizer does: a number of each parameter if not given.
    """
    batch = integer("batch_size", batch_size, low=1)
    count = (
        helpful_workers(graph, batch)
        if workers is None
        else integer("workers", workers, low=1, high=MOST_WORKERS)
    )
    leaves, output = unfold(graph, input_shapes(graph))
    tasks = wanted_tasks(graph, leaves)
    stages = divide(tasks, output, batch, graph.dtype, True)
    memory = Memory(graph.dtype)
    for stage in stages:
        stage.lay_out(memory, shards(batch))
    kernels = {
        path: kernel
        for stage in stages
        for path, kernel in stage.kernels(memory, shards(batch)).items()
    }
    memory.clear()
    arrays = sum(array.nbytes for array in graph.arrays.values())
    return Plan(
        batch,
        count,
        tuple(cut.stop - cut.start for cut in shards(batch)),
        tuple(_layer(task, batch, memory, kernels) for task in tasks),
        arrays,
        arrays + _shared(graph, stages, batch, remembered),
        memory.kept_bytes,
        memory.scratch_bytes,
    )


def _shared(graph: Graph, stages: Sequence[Stage], batch: int, remembered: int | None) -> int:
    """Return the bytes that workers share, the copies of the arrays aside."""
    if remembered is None:
        remembered = sum(graph.arrays[path].nbytes for path in graph.trainable)
    shapes = [*input_shapes(graph), graph.output_shape(*input_shapes(graph))]
    border = sum(math.prod(shape) for shape in shapes) * batch * graph.dtype.itemsize
    return remembered + border + sum(stage.shared_bytes for stage in stages)


def _layer(task: Task, batch: int, memory: Memory, kernels: dict[str, str]) -> LayerPlan:
    leaf = task.leaf
    own = sum(
        task.params[name].size
        for name, spec in task.specs.items()
        if spec.trainable and leaf.owner == leaf.path
    )
    return LayerPlan(
        leaf.path[:-1],
        type(leaf.module).__name__,
        leaf.shape,
        own,
        leaf.module.flops(*leaf.shapes) * batch,
        memory.kept_by.get(leaf.path, 0),
        kernels.get(leaf.path, ""),
    )
