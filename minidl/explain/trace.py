"""What every node of a model puts out, and the gradient that comes back to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minidl.engine.border import enter
from minidl.engine.threads import blas_threads
from minidl.graph import Graph
from minidl.module import Context, Module
from minidl.taps import tapped
from minidl.types import Array, Arrays, Gradients, Pullback


def activations(model: Graph, x: Any) -> dict[str, Array]:
    """Return what every node puts out for a batch, by path, in the order in which they run.

    The nodes of a nested graph have paths such as "residual1.conv2". The model runs in evaluation.

    Parameters
    ----------
    model : Graph
        With shapes; it reads one input.
    x : array
        Samples (N, ...), as for ``predict``.

    Raises
    ------
    ShapeError
        Where the samples are not what the model reads.

    Examples
    --------
    >>> import minidl as dl
    >>> found = activations(dl.models.lenet(), np.zeros((2, 28, 28, 1), "float32"))
    >>> found["conv2"].shape
    (2, 10, 10, 16)
    """
    values: dict[str, Array] = {}
    with blas_threads(1):
        _run(model, x, values, {}, frozenset())
    return values


class Slopes:
    """How one number for each sample, picked from a model's outputs, depends on everything before.

    Parameters
    ----------
    model : Graph
        With shapes; it reads one input and runs in evaluation.
    x : array
        Samples (N, ...), as for ``predict``.
    pick : callable
        From outputs (N, ...) to a gradient of that shape: 1 at the numbers picked, 0 elsewhere.

    Attributes
    ----------
    values : dict of str to array
        What every node puts out, by path.
    nodes : dict of str to array
        The gradient with respect to it, for the nodes that the input reaches and that reach the
        numbers picked.
    input : array
        The gradient with respect to the input, (N, ...); of ``uint8`` with respect to x / 255.
    """

    def __init__(self, model: Graph, x: Any, pick: Callable[[Array], Array]) -> None:
        self.values: dict[str, Array] = {}
        self.nodes: dict[str, Array] = {}
        with blas_threads(1):
            inputs, y, pullback = _run(model, x, self.values, self.nodes, frozenset({0}))
            dxs = pullback(pick(y))[0] if pullback else (None,)
        self.input = np.zeros_like(inputs) if dxs[0] is None else dxs[0]


def _run(
    model: Graph,
    x: Any,
    values: dict[str, Array],
    gradients: dict[str, Array],
    wanted: frozenset[int | str],
) -> tuple[Array, Array, Pullback | None]:
    """Run a model in evaluation; return its inputs and outputs, and how to go back."""
    (inputs,) = enter(model, (x,))
    twin = tapped(model, lambda module, path: _Tap(module, path, values, gradients))
    return inputs, *twin.forward(model.arrays, inputs, ctx=Context(wanted=wanted))


class _Tap(Module):
    """A module whose output is written down, and later the gradient that comes back to it."""

    module: Module
    path: str
    values: dict[str, Array]
    gradients: dict[str, Array]

    def forward(self, params: Arrays, *xs: Array, ctx: Context) -> tuple[Array, Pullback | None]:
        """Run the module."""
        y, pullback = self.module.forward(params, *xs, ctx=ctx)
        self.values[self.path] = y
        return y, pullback and self._noting(pullback)

    def _noting(self, pullback: Pullback) -> Pullback:
        def noting(dy: Array) -> Gradients:
            self.gradients[self.path] = dy
            return pullback(dy)

        return noting
