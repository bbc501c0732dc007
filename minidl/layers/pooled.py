"""What every pooling module shares: one forward, for images and for sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeAlias

from minidl.kernels.floats import as_float
from minidl.module import Context, Module
from minidl.shapes import image_shape
from minidl.types import Array, Arrays, Pullback, Shape

Gradient: TypeAlias = Callable[[Array], Array]


class Pooling(Module):
    """A module that makes one number of several pixels of a channel, and has no parameters."""

    sample_local = True
    axes: ClassVar[int] = 2
    """2 for images (H, W, C), 1 for sequences (L, C)."""

    def pooled(self, images: Array, shape: Shape) -> tuple[Array, Gradient]:
        """Return ``y`` and what makes ``dx`` of ``dy``; ``shape`` is a sample's own.

        ``images`` (N, H, W, C) are floats; a sequence is an image of one row.
        """
        raise NotImplementedError

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` and its pullback."""
        shape = x.shape[1:]
        images = as_float(x).reshape(len(x), *image_shape(shape, self.axes))
        y, gradient = self.pooled(images, shape)
        outer = y.shape if self.axes == 2 or y.ndim == 2 else (len(y), *y.shape[2:])

        def pullback(dy: Array) -> tuple[tuple[Array], dict[str, Array]]:
            return (gradient(dy.reshape(y.shape)).reshape(x.shape),), {}

        return y.reshape(outer), pullback if ctx.wanted else None
