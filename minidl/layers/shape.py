"""Layers that change the shape and nothing else."""

from __future__ import annotations

import math

from minidl.checks import integer
from minidl.module import Context, Module
from minidl.shapes import ShapeError
from minidl.types import Array, Arrays, Pullback, Shape


class Flatten(Module):
    """Each sample as one vector: (N, H, W, C) to (N, H·W·C), channels varying fastest.

    >>> import minidl as dl
    >>> dl.Flatten().output_shape((5, 5, 16))
    (400,)
    """

    sample_local = True

    def output_shape(self, shape: Shape) -> Shape:
        """Return the number of values as a shape of one axis."""
        return (math.prod(shape),)

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` (N, values) and its pullback."""

        def pullback(dy: Array) -> tuple[tuple[Array], dict[str, Array]]:
            return (dy.reshape(x.shape),), {}

        return x.reshape(len(x), -1), pullback if ctx.wanted else None


class Reshape(Module):
    """Each sample in another shape, its numbers in the same order: channels varying fastest.

    In PyTorch, whose channels come first, the same shape takes other numbers together.

    Parameters
    ----------
    shape : tuple of int
        Of one sample; one of them may be -1, which is then what fits.

    Examples
    --------
    >>> import minidl as dl
    >>> dl.Reshape((1, 1, -1)).output_shape((32,))
    (1, 1, 32)
    """

    shape: Shape

    sample_local = True

    def __post_init__(self) -> None:
        if not isinstance(self.shape, tuple) or not self.shape or self.shape.count(-1) > 1:
            raise ValueError(
                "shape must be a tuple of one or more integers, at most one of them -1, got"
                f" {self.shape!r}"
            )
        for size in self.shape:
            if size != -1:
                integer("each size of shape", size, low=1)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the new shape; raises ``ShapeError`` where it has another number of values."""
        values = math.prod(shape)
        known = math.prod(size for size in self.shape if size != -1)
        full = tuple(values // known if size == -1 else size for size in self.shape)
        if math.prod(full) != values:
            raise ShapeError(
                f"the {values} values of {shape} do not fit in Reshape({self.shape}): give sizes"
                f" whose product is {values}"
            )
        return full

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` (N, ...) and its pullback."""

        def pullback(dy: Array) -> tuple[tuple[Array], dict[str, Array]]:
            return (dy.reshape(x.shape),), {}

        y = x.reshape(len(x), *self.output_shape(x.shape[1:]))
        return y, pullback if ctx.wanted else None
