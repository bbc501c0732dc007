"""Layers that change the shape and nothing else."""

from __future__ import annotations

import math

from minidl.module import Context, Module
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
