"""Where NaN or infinity comes from: a batch is run again, node by node."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from minidl.engine import border
from minidl.graph import Graph
from minidl.losses import Loss
from minidl.module import Context, Module, Run
from minidl.taps import tapped
from minidl.types import Array, Arrays, Pullback

Look = Callable[[str, Array], None]


def first_not_finite(
    model: Graph, x: Array, target: Array, loss: Loss, *, seed: int = 0, step: int = 0
) -> str | None:
    """Return where a training step on a batch first meets NaN or infinity, or None.

    It looks at the model's arrays, the output of each node in order, the loss, and then at the
    gradients from the last node back. The model stays as it is.

    Parameters
    ----------
    model, loss
        What is trained.
    x, target : array
        A batch, as the model and the loss read them.
    seed, step : int
        Decide what dropout drops, as in ``Graph.gradients``.

    Examples
    --------
    >>> import minidl as dl
    >>> model = dl.Sequential([dl.Dense(2), dl.ReLU(), dl.Dense(2)], input_shape=(3,))
    >>> model.arrays["dense1.weight"] = np.full((3, 2), 1e30)
    >>> x, labels = np.full((1, 3), 1e30, "float32"), np.array([1])
    >>> first_not_finite(model, x, labels, dl.SoftmaxCrossEntropy())
    "the output of node 'dense1' (Dense) holds infinity"
    """
    found = [first_bad_array(model.arrays)]

    def look(place: str, values: Array) -> None:
        bad = what_is_bad(values)
        found.append(f"{place} holds {bad}" if bad else None)

    if found == [None]:
        run = Run(seed, step, frozen=frozenset(model.frozen))
        with np.errstate(all="ignore"):
            _run_again(model, x, target, loss, run, look)
    return next(filter(None, found), None)


def _run_again(model: Graph, x: Array, target: Array, loss: Loss, run: Run, look: Look) -> None:
    """Show what a training step meets, in its order."""
    twin = tapped(model, lambda module, path: _Shown(module, path, look))
    ctx = Context(train=True, wanted=frozenset(model.trainable), run=run)
    output, pullback = twin.forward(model.arrays, *border.enter(model, (x,)), ctx=ctx)
    value, dy = loss(output, target)
    look("the loss", np.asarray(value))
    look("the gradient of the loss", dy)
    if pullback is not None:
        pullback(dy)


class _Shown(Module):
    """A module that shows what it and its pullback put out."""

    module: Module
    path: str
    look: Look

    def forward(self, params: Arrays, *xs: Array, ctx: Context) -> tuple[Array, Pullback | None]:
        """Run the module."""
        y, pullback = self.module.forward(params, *xs, ctx=ctx)
        node = f"node {self.path!r} ({type(self.module).__name__})"
        self.look(f"the output of {node}", y)
        if pullback is None:
            return y, None

        def pull(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
            dxs, dparams = pullback(dy)
            for name, gradient in dparams.items():
                self.look(f"the gradient of '{self.path}.{name}'", gradient)
            for dx in dxs:
                if dx is not None:
                    self.look(f"the gradient that {node} sends back", dx)
            return dxs, dparams

        return y, pull


def diagnosis(
    model: Graph, x: Array, target: Array, loss: Loss, *, seed: int, step: int, rate: float
) -> str:
    """Return what to say of a training step whose loss is not finite: where, and what helps."""
    for name, values in (("input", x), ("target", target)):
        bad = what_is_bad(values)
        if bad is not None:
            return f"the {name} of this batch holds {bad}: look for it in the data"
    found = first_not_finite(model, x, target, loss, seed=seed, step=step)
    where = f"{found} first; " if found and "loss" not in found else ""
    return f"{where}a learning rate lower than {rate:.3g} would help, or smaller inputs"


def first_bad_array(arrays: Mapping[str, Array]) -> str | None:
    """Return which array first holds NaN or infinity, in words; None where none does.

    >>> first_bad_array({"dense1.weight": np.ones(2), "dense1.bias": np.array([1.0, np.nan])})
    "'dense1.bias' holds NaN"
    """
    for path, array in arrays.items():
        bad = what_is_bad(array)
        if bad is not None:
            return f"{path!r} holds {bad}"
    return None


def what_is_bad(values: Array | float) -> str | None:
    """Return "NaN" or "infinity" where some of the values are; None where all are finite.

    >>> what_is_bad(np.array([1.0, -np.inf]))
    'infinity'
    """
    if np.isfinite(values).all():
        return None
    return "NaN" if np.isnan(values).any() else "infinity"
