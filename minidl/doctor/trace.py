"""Trace: everything that one step of training computes, kept to be looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minidl.engine import border
from minidl.engine.leaves import Leaf, unfold
from minidl.engine.passes import Task, wanted_tasks
from minidl.graph import Graph
from minidl.losses import Loss
from minidl.module import Context, Run
from minidl.record import Record
from minidl.types import Array, Pullback


class Trace(Record):
    """The loss of a batch; by leaf path the outputs and the gradients at them."""

    loss: float
    output: Array
    leaves: tuple[Leaf, ...]
    values: dict[str, Array]
    gradients: dict[str, Array]


def trace(model: Graph, loss: Loss, x: Array, target: Array, seed: int) -> Trace:
    """Run a batch forward and back as in training; the model is not changed."""
    leaves, output = unfold(model, border.input_shapes(model))
    values: dict[int, Array] = {0: x}
    with np.errstate(all="ignore"):  # what overflows is what is looked for
        pullbacks = _forward(wanted_tasks(model, leaves), values, seed)
        value, dy = loss(values[output], target)
        owed = _back(leaves, pullbacks, {output: dy})
    return Trace(
        value,
        values[output],
        tuple(leaves),
        {leaf.path[:-1]: values[leaf.writes] for leaf in leaves},
        {leaf.path[:-1]: owed[leaf.writes] for leaf in leaves if leaf.writes in owed},
    )


def _forward(
    tasks: Sequence[Task], values: dict[int, Array], seed: int
) -> dict[int, Pullback | None]:
    """Add the value of every leaf; return the pullbacks by what the leaves write."""
    run, pullbacks = Run(seed=seed), {}
    for task in tasks:
        leaf = task.leaf
        ctx = Context(not task.fixed, task.wanted, run, leaf.path, leaf.owner)
        reads = [values[read] for read in leaf.reads]
        y, pullback = leaf.module.forward(task.params, *reads, ctx=ctx)
        values[leaf.writes], pullbacks[leaf.writes] = y, pullback
    return pullbacks


def _back(
    leaves: Sequence[Leaf], pullbacks: dict[int, Pullback | None], owed: dict[int, Array]
) -> dict[int, Array]:
    """Return the gradient at every value that has one."""
    for leaf in reversed(leaves):
        pullback = pullbacks[leaf.writes]
        if pullback is None or leaf.writes not in owed:
            continue
        for read, dx in zip(leaf.reads, pullback(owed[leaf.writes])[0]):
            if dx is not None:
                owed[read] = owed[read] + dx if read in owed else dx
    return owed
