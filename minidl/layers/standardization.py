"""Normalisation by fixed numbers."""

from __future__ import annotations

import numpy as np

from minidl.checks import finite, positive
from minidl.kernels.floats import as_float
from minidl.module import Context, Module
from minidl.shapes import ShapeError
from minidl.types import Array, Arrays, Pullback, Shape


class Normalize(Module):
    """``(x - mean) / deviation`` with fixed numbers: the standardisation of a data set.

    As a layer of the graph it is saved and exported with the model. Each number is for all
    channels, or a tuple of one for each.

    >>> import minidl as dl
    >>> dl.Normalize(mean=0.1307, deviation=0.3081).output_shape((28, 28, 1))
    (28, 28, 1)
    """

    mean: float | tuple[float, ...] = 0.0
    deviation: float | tuple[float, ...] = 1.0

    sample_local = True
    pixel_local = True

    def __post_init__(self) -> None:
        for name, value in self.fields().items():
            if isinstance(value, np.ndarray):
                self.__dict__[name] = tuple(value.ravel().tolist())  # so that a file can hold it
        for name, check in (("mean", finite), ("deviation", positive)):
            value = self.__dict__[name]
            if value == ():
                raise ValueError(f"{name} should have a number for each channel, got none")
            for one in value if isinstance(value, tuple) else (value,):
                check(name, one)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the same shape; raises ``ShapeError`` on another number of channels."""
        for numbers in (self.mean, self.deviation):
            if np.size(numbers) not in (1, shape[-1]):
                raise ShapeError(
                    f"Normalize has {np.size(numbers)} numbers for the {shape[-1]} channels of"
                    f" {shape}: give one, or one for each"
                )
        return shape

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` of the shape of ``x``, and its pullback."""
        x = as_float(x)
        scale = 1 / np.asarray(self.deviation, x.dtype)

        def pullback(dy: Array) -> tuple[tuple[Array], dict[str, Array]]:
            return (dy * scale,), {}

        return (x - np.asarray(self.mean, x.dtype)) * scale, pullback if ctx.wanted else None
