"""Run a graph: predictions, and the gradients of one step."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.checks import integer
from minidl.engine.border import enter, fit_inputs, scaled
from minidl.engine.inference import evaluate
from minidl.graph import Graph
from minidl.kernels.softmax import softmax
from minidl.losses import Loss
from minidl.module import Context, Run
from minidl.types import Array, Arrays


def predict(graph: Graph, xs: tuple[Any, ...], batch_size: int, probabilities: bool) -> Array:
    """Return the graph's outputs in evaluation, batch by batch."""
    integer("batch_size", batch_size, low=1)
    arrays = fit_inputs(graph, xs)
    parts = []
    for start in range(0, len(arrays[0]), batch_size):
        batch = tuple(scaled(x[start : start + batch_size], graph.dtype) for x in arrays)
        parts.append(evaluate(graph, batch))
    logits = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return softmax(logits) if probabilities else logits


def gradients(
    graph: Graph, xs: tuple[Any, ...], target: Any, loss: Loss, seed: int, step: int
) -> tuple[float, Array, dict[str, Array]]:
    """Return the loss, the outputs and the gradients of a batch; apply the buffers' updates."""
    if not isinstance(loss, Loss):
        raise TypeError(f"loss should be a Loss such as SoftmaxCrossEntropy(), got {loss!r}")
    inputs = enter(graph, xs)
    run = Run(seed=seed, step=step, frozen=frozenset(graph.frozen))
    ctx = Context(train=True, wanted=frozenset(graph.trainable), run=run)
    output, pullback = graph.forward(graph.arrays, *inputs, ctx=ctx)
    target = loss.check(np.asarray(target), output.shape[1:])
    value, dy = loss(output, target)
    found = pullback(dy)[1] if pullback else {}
    for path, update in run.updates.items():
        graph.arrays[path] = update
    return (
        value,
        output,
        {path: _found(path, graph, found) for path in graph.arrays if path in ctx.wanted},
    )


def _found(path: str, graph: Graph, found: Arrays) -> Array:
    """Return the gradient of an array; zeros where the output does not depend on it."""
    return found[path] if path in found else np.zeros_like(graph.arrays[path])
