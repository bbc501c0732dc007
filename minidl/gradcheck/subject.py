"""Subject: what is checked, as a function of float64 arrays that can be run and pulled back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from minidl.gradcheck.nudges import rms, spread
from minidl.gradcheck.report import GradientError
from minidl.graph import Graph
from minidl.losses import Loss
from minidl.module import Context, Module, Run
from minidl.types import Array, Arrays, Gradients, Pullback, Shape

Key: TypeAlias = int | str
"""An input by position, or a parameter by name."""


class Subject:
    """A module with everything it reads; ``wanted`` are the arrays whose gradients are checked."""

    def __init__(
        self,
        module: Module,
        xs: Sequence[Array],
        params: Arrays,
        wanted: Iterable[Key],
        *,
        train: bool,
        seed: int,
        frozen: frozenset[str] = frozenset(),
        path: str = "",
    ) -> None:
        self.module, self.train, self.seed = module, train, seed
        self.frozen, self.path = frozen, path
        self.inputs, self.names = range(len(xs)), list(params)
        self.arrays: dict[Key, Array] = dict(enumerate(xs))
        self.arrays.update(params.items())
        self.wanted = [key for key in self.arrays if key in frozenset(wanted)]
        kind = type(module.loss if isinstance(module, Lossy) else module).__name__
        self.name = f"node {path!r} ({kind})" if path else kind

    def forward(
        self, arrays: Mapping[Key, Array], wanted: Iterable[Key] = ()
    ) -> tuple[Array, Pullback | None]:
        """Run the module; every run draws the same random numbers."""
        run = Run(seed=self.seed, frozen=self.frozen)
        path = f"{self.path}." if self.path else ""
        ctx = Context(self.train, frozenset(wanted), run, path)
        xs = [arrays[k] for k in self.inputs]
        params = {name: arrays[name] for name in self.names}
        return self.pair(self.module.forward(params, *xs, ctx=ctx))

    def pair(self, result: tuple[Array, Pullback | None]) -> tuple[Array, Pullback | None]:
        """Return what forward returned; raise where it is no pair."""
        if not (isinstance(result, tuple) and len(result) == 2):
            raise self.wrong(f"forward should return (output, pullback), got {_kind(result)}")
        return result

    def value(self, changes: Mapping[Key, Array]) -> Array:
        """Return the output with some arrays changed."""
        return self.forward({**self.arrays, **changes})[0]

    def gradients(self, dy: Array) -> dict[Key, Array]:
        """Return the gradient of every wanted array, of a fresh run."""
        return self.found(self.pullback()(dy))

    def pullback(self) -> Pullback:
        """Return the pullback of a fresh run."""
        pullback = self.forward(self.arrays, self.wanted)[1]
        if pullback is None:
            raise self.wrong("forward gives no pullback though one is wanted")
        return pullback

    def found(self, result: Gradients) -> dict[Key, Array]:
        """Return the wanted gradients out of a pullback's result; raise where one does not fit."""
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping)):
            raise self.wrong(f"the pullback should return (dxs, dparams), got {_kind(result)}")
        dxs, dparams = result
        if not isinstance(dxs, (tuple, list)) or len(dxs) != len(self.inputs):
            came = len(dxs) if isinstance(dxs, (tuple, list)) else _kind(dxs)
            raise self.wrong(
                f"the pullback should return a tuple of {len(self.inputs)} input gradient(s), got"
                f" {came}"
            )
        for name in dparams:
            if name not in self.names:
                raise self.wrong(
                    f"the pullback returns a gradient of {name!r}, which is no parameter of it:"
                    f" those are {', '.join(self.names) or 'none'}"
                )
        given: dict[Key, Array | None] = dict(enumerate(dxs))
        given.update(dparams.items())
        return {key: self._fitting(key, given.get(key)) for key in self.wanted}

    def _fitting(self, key: Key, gradient: Array | None) -> Array:
        """Return a gradient that fits its array: float64, of its shape."""
        shape = self.arrays[key].shape
        if gradient is None and isinstance(self.module, Graph):
            return np.zeros(shape)  # what the output does not depend on has none
        if gradient is None or np.shape(gradient) != shape:
            got = "none" if gradient is None else f"one of shape {np.shape(gradient)}"
            raise self.wrong(
                f"{named(key)} has shape {shape} and needs a gradient like it, got {got}"
            )
        if np.asarray(gradient).dtype != np.float64:
            raise self.wrong(
                f"the gradient of {named(key)} is {np.asarray(gradient).dtype} where all else is"
                " float64: keep the type of what comes in"
            )
        return gradient

    def moved(self, rng: np.random.Generator, share: float = 0.01) -> Subject:
        """Return the same at a point a small way off, in every wanted array."""
        other = object.__new__(Subject)
        other.__dict__.update(self.__dict__)
        other.arrays = dict(self.arrays)
        for key in self.wanted:
            array = self.arrays[key]
            other.arrays[key] = array + share * (rms(array) or 1.0) * spread(rng, array.shape)
        return other

    def wrong(self, what: str) -> GradientError:
        """Return the error that says what is wrong with this."""
        return GradientError(f"{self.name}: {what}")


class Lossy(Module):
    """A loss against fixed targets, as a module with one number for its output."""

    loss: Loss
    target: Any

    def output_shape(self, shape: Shape) -> Shape:
        """Return that of a number."""
        return ()

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return the loss (1,) of outputs ``x``."""
        value, gradient = self.loss(x, self.target)

        def pullback(dy: Array) -> Gradients:
            return (dy[0] * gradient,), {}

        return np.array([value]), pullback if ctx.wanted else None


def named(key: Key) -> str:
    """Return what messages call an array."""
    return f"input {key}" if isinstance(key, int) else f"parameter {key!r}"


def _kind(value: object) -> str:
    return f"{len(value)} values" if isinstance(value, tuple) else type(value).__name__
