"""Gradient check: a pullback against what small nudges say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minidl.module import Context, Module, Run
from minidl.types import Array, Pullback, Shape


class GradientError(ValueError):
    """A pullback that disagrees with finite differences."""


def gradcheck(
    module: Module,
    input_shapes: Shape | Sequence[Shape],
    *,
    batch_size: int = 3,
    train: bool = True,
    directions: int = 3,
    step: float = 1e-6,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> float:
    """Check every gradient of a module in float64 and return the largest relative error.

    With random numbers r, the scalar ``sum(r · y)`` is differentiated along random directions, for
    each input and parameter in turn, by its pullback and by ``(f(+step) - f(-step)) / (2 step)``.

    Parameters
    ----------
    module : Module
        A module or a graph.
    input_shapes : tuple of int, or sequence of them
        The shape of one sample of the input, or of each input.
    train : bool
        Whether it runs as in training.
    directions : int
        How many directions each array is nudged in.
    tolerance : float
        The largest error allowed, relative to the derivatives and to the gradient's size.

    Raises
    ------
    GradientError
        Naming the input or parameter, and both derivatives.

    Examples
    --------
    >>> import minidl as dl
    >>> dl.gradcheck(dl.Dense(3), (5,)) < 1e-6
    True
    """
    shapes = [input_shapes] if _is_shape(input_shapes) else list(input_shapes)
    check = _Check(module, shapes, batch_size, train, seed)  # type: ignore[arg-type]
    worst = 0.0
    for key, array in check.nudged.items():
        for _ in range(directions):
            direction = check.rng.standard_normal(array.shape)
            analytic = float((check.gradients[key] * direction).sum())
            numeric = check.slope(array, direction, step)
            scale = max(abs(analytic), abs(numeric), check.scale(key))
            error = abs(analytic - numeric) / scale
            if not error <= tolerance:
                raise GradientError(
                    f"{type(module).__name__}: the gradient of {_named(key)} along a random"
                    f" direction is {analytic:.9g}, and nudging gives {numeric:.9g}: check its part"
                    " of the pullback"
                )
            worst = max(worst, error)
    return worst


class _Check:
    """One module with random inputs and parameters, and the gradients its pullback finds."""

    def __init__(
        self, module: Module, shapes: list[Shape], batch_size: int, train: bool, seed: int
    ) -> None:
        self.module, self.train, self.seed = module, train, seed
        self.rng = np.random.Generator(np.random.Philox(seed))
        self.xs = [self.rng.standard_normal((batch_size, *shape)) for shape in shapes]
        self.params: dict[str, Array] = {}
        self.nudged: dict[int | str, Array] = dict(enumerate(self.xs))
        for name, spec in module.parameters(*shapes).items():
            array = np.array(spec.initializer(spec.shape, spec.fans, self.rng), np.float64)
            self.params[name] = array
            if spec.trainable:
                array += 0.1 * self.rng.standard_normal(array.shape)  # away from zeros and ones
                self.nudged[name] = array
        if self._forward(frozenset())[1] is not None:
            raise GradientError(
                f"{type(module).__name__} returns a pullback where nothing is wanted: return"
                " ``pullback if ctx.wanted else None``"
            )
        y, pullback = self._forward(frozenset(self.nudged))
        self.weights = self.rng.standard_normal(y.shape)
        self.floor = max(1e-3 * float(np.abs(self.weights * y).sum()), 1e-30)
        if pullback is None:
            raise GradientError(f"{type(module).__name__} gave no pullback though one was wanted")
        dxs, dparams = pullback(self.weights)
        self.gradients = self._checked(dict(enumerate(dxs)), dparams)

    def _forward(self, wanted: frozenset[int | str]) -> tuple[Array, Pullback | None]:
        ctx = Context(self.train, wanted, Run(seed=self.seed))
        return self.module.forward(self.params, *self.xs, ctx=ctx)

    def _checked(
        self, dxs: dict[int, Array | None], dparams: dict[str, Array]
    ) -> dict[int | str, Array]:
        """Return the gradients of all that was nudged, each of its array's shape."""
        gradients: dict[int | str, Array] = {}
        for key, array in self.nudged.items():
            gradient = dxs.get(key) if isinstance(key, int) else dparams.get(key)
            if gradient is None or gradient.shape != array.shape:
                came = "none" if gradient is None else f"one of shape {gradient.shape}"
                raise GradientError(
                    f"{type(self.module).__name__}: {_named(key)} has shape {array.shape} and needs"
                    f" a gradient like it, got {came}"
                )
            gradients[key] = gradient
        return gradients

    def scale(self, key: int | str) -> float:
        """Return what an error is measured by: the gradient's norm, or what rounding leaves."""
        return max(float(np.linalg.norm(self.gradients[key])), self.floor)

    def slope(self, array: Array, direction: Array, step: float) -> float:
        """Return the scalar's derivative along a direction, by central difference."""
        start = array.copy()
        values = []
        for sign in (1, -1):
            array[...] = start + sign * step * direction
            values.append(float((self._forward(frozenset())[0] * self.weights).sum()))
        array[...] = start
        return (values[0] - values[1]) / (2 * step)


def _is_shape(shapes: Shape | Sequence[Shape]) -> bool:
    return all(isinstance(size, (int, np.integer)) for size in shapes)


def _named(key: int | str) -> str:
    return f"input {key}" if isinstance(key, int) else f"parameter {key!r}"
