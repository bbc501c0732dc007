"""Layers that join several inputs into one."""

from __future__ import annotations

from functools import reduce

import numpy as np

from minidl.kernels.floats import as_float
from minidl.kernels.sums import sum_to
from minidl.module import Context, Module
from minidl.shapes import ShapeError
from minidl.types import Array, Arrays, Pullback, Shape


class Add(Module):
    """The sum of two or more inputs of one shape.

    >>> import minidl as dl
    >>> dl.Add().output_shape((14, 14, 32), (14, 14, 32))
    (14, 14, 32)
    """

    arity = None
    sample_local = True
    pixel_local = True

    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the common shape; raises ``ShapeError`` where there is none."""
        _check_several("Add", shapes)
        if len(set(shapes)) > 1:
            raise ShapeError(
                f"Add takes inputs of one shape, got {_listed(shapes)}: a 1x1 Conv2d can match"
                " channels, its stride the size"
            )
        return shapes[0]

    def forward(self, params: Arrays, *xs: Array, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return the sum and its pullback."""
        y = as_float(xs[0]) + as_float(xs[1])
        for x in xs[2:]:
            y += x

        def pullback(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
            return tuple(dy if k in ctx.wanted else None for k in range(len(xs))), {}

        return y, pullback if ctx.wanted else None


class Multiply(Module):
    """The product of two or more inputs, one of which may be a gate.

    A gate has size 1 on some axes and is repeated along them: (1, 1, C) is one number for each
    channel, as in squeeze-and-excitation (Hu, Shen and Sun 2018), (H, W, 1) one for each pixel.
    ``Reshape((1, 1, -1))`` makes such a gate of a vector (C,).

    >>> import minidl as dl
    >>> dl.Multiply().output_shape((14, 14, 32), (1, 1, 32))
    (14, 14, 32)
    """

    arity = None
    sample_local = True
    pixel_local = True

    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the common shape; raises ``ShapeError`` where there is none."""
        _check_several("Multiply", shapes)
        common = tuple(max(sizes) for sizes in zip(*shapes))
        for shape in shapes:
            if len(shape) != len(common) or any(
                size not in (1, whole) for size, whole in zip(shape, common)
            ):
                raise ShapeError(
                    "Multiply takes inputs of one shape, or of size 1 where they are repeated, got"
                    f" {_listed(shapes)}: a Reshape((1, 1, -1)) makes a gate of a vector"
                )
        return common

    def forward(self, params: Arrays, *xs: Array, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return the product and its pullback."""
        floats = [as_float(x) for x in xs]

        def gradient(dy: Array, index: int) -> Array:
            others = floats[:index] + floats[index + 1 :]
            return sum_to(reduce(np.multiply, others, dy), xs[index].shape)

        def pullback(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
            return tuple(gradient(dy, k) if k in ctx.wanted else None for k in range(len(xs))), {}

        return reduce(np.multiply, floats), pullback if ctx.wanted else None


class Concatenate(Module):
    """The inputs side by side along the last axis, the channels.

    >>> import minidl as dl
    >>> dl.Concatenate().output_shape((14, 14, 32), (14, 14, 16))
    (14, 14, 48)
    """

    arity = None
    sample_local = True
    pixel_local = True

    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the shape with the channels added up; raises ``ShapeError`` on other sizes."""
        _check_several("Concatenate", shapes)
        if len({shape[:-1] for shape in shapes}) > 1:
            raise ShapeError(
                f"Concatenate takes inputs that differ in channels alone, got {_listed(shapes)}"
            )
        return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))

    def forward(self, params: Arrays, *xs: Array, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return the joined array and its pullback."""
        ends = np.cumsum([x.shape[-1] for x in xs])

        def pullback(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
            parts = np.split(dy, ends[:-1], axis=-1)
            return tuple(part if k in ctx.wanted else None for k, part in enumerate(parts)), {}

        return np.concatenate(xs, axis=-1), pullback if ctx.wanted else None


def _check_several(kind: str, shapes: tuple[Shape, ...]) -> None:
    if len(shapes) < 2:
        raise ShapeError(f"{kind} joins two or more inputs, got {len(shapes)}: name them all")


def _listed(shapes: tuple[Shape, ...]) -> str:
    return " and ".join(map(str, shapes))
