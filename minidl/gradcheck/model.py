"""The gradient check of a model with arrays of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.checks import flag, integer
from minidl.engine.border import fit_inputs, input_shapes, scaled
from minidl.gradcheck.check import Settings
from minidl.gradcheck.nodes import check
from minidl.gradcheck.nudges import generator
from minidl.gradcheck.report import GradientReport
from minidl.gradcheck.subject import Lossy, Subject
from minidl.graph import Graph
from minidl.losses import Loss
from minidl.types import Array
from minidl.wiring import Node

LAST = "the loss"  # no node of a user has a space in its name


def check_gradients(
    graph: Graph,
    x: Any,
    y: Any,
    loss: Loss | None,
    batch_size: int,
    train: bool,
    settings: Settings,
) -> GradientReport:
    """Check a graph with float64 copies of its arrays; ``Graph.check_gradients`` says more."""
    if (y is None) != (loss is None):
        raise ValueError("give both targets y and a loss, or neither")
    shapes = input_shapes(graph)
    samples = integer("batch_size", batch_size, low=1) if y is None else len(y)
    rng = generator("inputs", settings.seed)
    if x is None:
        xs = [rng.standard_normal((samples, *shape)) for shape in shapes]
    else:
        given = fit_inputs(graph, x if isinstance(x, tuple) else (x,))
        xs = [np.array(scaled(array, np.dtype(np.float64))) for array in given]
    return check(
        Subject(
            graph if loss is None else with_loss(graph, loss, np.asarray(y)),
            xs,
            {path: array.astype(np.float64) for path, array in graph.arrays.items()},
            [*range(len(xs)), *graph.trainable],
            train=flag("train", train),
            seed=settings.seed,
            frozen=frozenset(graph.frozen),
        ),
        settings,
    )


def with_loss(graph: Graph, loss: Loss, y: Array) -> Graph:
    """Return the architecture of a graph with a loss for its last node."""
    target = loss.check(y, graph.output_shape(*input_shapes(graph)))
    longer = graph.architecture()
    longer.nodes[LAST] = Node(LAST, Lossy(loss, target), (graph.output,))
    return longer
