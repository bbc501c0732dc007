"""Gradient check: a pullback against what small nudges say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.checks import flag, integer
from minidl.gradcheck.check import Settings
from minidl.gradcheck.nodes import check
from minidl.gradcheck.nudges import generator
from minidl.gradcheck.report import GradientError, GradientReport, Kink
from minidl.gradcheck.subject import Lossy, Subject
from minidl.losses import Loss
from minidl.module import Module
from minidl.shapes import ShapeError
from minidl.types import Array, Shape

__all__ = ["GradientError", "GradientReport", "Kink", "gradcheck"]


def gradcheck(
    module: Module | Loss,
    input_shapes: Shape | Sequence[Shape] | None = None,
    *,
    inputs: Any = None,
    target: Any = None,
    batch_size: int = 3,
    train: bool = True,
    elementwise: bool = False,
    directions: int = 3,
    step: float = 1e-6,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> GradientReport:
    """Check every gradient of a module, a graph or a loss in float64, and report.

    With random weights r, the scalar ``sum(r · y)`` is differentiated along random directions of
    each input and parameter in turn, by the pullback and by the central difference
    ``(f(+step) - f(-step)) / (2 step)``. A direction that disagrees is looked into element by
    element; in a graph, each node is then checked by itself, to find the one at fault.

    Where the slopes to the left and right differ however small the step (ReLU at 0, ties in a max
    pool), there is no derivative. There the pullback should have one of the slopes, or one between
    them: it is reported as a kink. A kink a little off the point is stepped around by smaller
    steps, down to a ten-thousandth of ``step``.

    Parameters
    ----------
    module : Module or Loss
        Parameters are drawn; ``Graph.check_gradients`` checks a model with its own.
    input_shapes : tuple of int, or sequence of them
        The shape of one sample of the input, or of each input, which is then drawn.
    inputs : array, or tuple of them, optional
        The inputs (N, ...) instead; integers are converted to float64.
    target : array, optional
        What a loss compares its input with, one for each sample.
    batch_size : int
        How many samples are drawn.
    train : bool
        Whether it runs as in training. Random numbers repeat, so that dropout can be checked.
    elementwise : bool
        Whether each element is nudged by itself, which takes two runs an element.
    directions : int
        How many random directions each array is nudged in otherwise.
    step : float
        The first step, relative to an array's size where that is above 1.
    tolerance : float
        The largest error allowed, relative to the derivatives, to the gradient's root mean square
        times the nudge's length, and to 1e-3 of ``sum(abs(r · y))``, whichever is largest.
    seed : int
        Decides all that is drawn.

    Raises
    ------
    GradientError
        Naming the node, the input or parameter, the index, and both derivatives; or what else a
        pullback should not do.

    Examples
    --------
    >>> import minidl as dl
    >>> dl.gradcheck(dl.Dense(3), (5,)).error < 1e-6
    True
    >>> print(dl.gradcheck(dl.ReLU(), inputs=np.array([[-1.0, 0.0, 1.0]])))
    ReLU: ... derivatives agree, largest relative error ...
    1 on a kink, where the pullback has one of the slopes or one between them:
      input 0 at (0, 1): 0 to the left, 1 to the right, 0 by the pullback (of output (0, 1))
    """
    settings = Settings(elementwise, directions, step, tolerance, seed)
    rng = generator("inputs", settings.seed)
    if isinstance(module, Loss) == (target is None):
        raise ValueError("a loss needs a target, and nothing else takes one")
    samples = integer("batch_size", batch_size, low=1) if target is None else len(target)
    xs = _inputs(input_shapes, inputs, samples, rng)
    if isinstance(module, Loss):
        module = Lossy(module, module.check(np.asarray(target), xs[0].shape[1:]))
    params: dict[str, Array] = {}
    wanted: list[int | str] = list(range(len(xs)))
    for name, spec in module.parameters(*(x.shape[1:] for x in xs)).items():
        params[name] = np.array(spec.initializer(spec.shape, spec.fans, rng), np.float64)
        if spec.trainable:
            params[name] += 0.1 * rng.standard_normal(spec.shape)  # away from zeros and ones
            wanted.append(name)
    train = flag("train", train)
    return check(Subject(module, xs, params, wanted, train=train, seed=settings.seed), settings)


def _inputs(shapes: Any, inputs: Any, samples: int, rng: np.random.Generator) -> list[Array]:
    """Return the inputs that were given, or drawn ones."""
    if (shapes is None) == (inputs is None):
        raise ValueError("give either input_shapes, to draw inputs of, or inputs")
    if inputs is None:
        shapes = [shapes] if _is_shape(shapes) else shapes
        return [rng.standard_normal((samples, *shape)) for shape in shapes]
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    return [_input(k, np.asarray(x)) for k, x in enumerate(given)]


def _input(k: int, x: Array) -> Array:
    """Return a given input in float64."""
    if x.dtype.kind not in "fiub":
        raise TypeError(f"input {k} should be an array of real numbers, got {x.dtype}")
    if not (x.ndim and x.size):
        raise ShapeError(f"input {k} should hold samples (N, ...), got shape {x.shape}")
    return x.astype(np.float64)


def _is_shape(shapes: Shape | Sequence[Shape]) -> bool:
    return all(isinstance(size, (int, np.integer)) for size in shapes)
