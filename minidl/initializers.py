"""How parameters start: functions of a shape, its fans and a generator, written as records."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from minidl.checks import positive
from minidl.record import Record
from minidl.types import Array, Shape


class Initializer(Record):
    """Draws the first values of a parameter."""

    def __call__(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """Return float64 values of ``shape``; ``fans`` are (inputs, outputs) of one unit."""
        raise NotImplementedError(f"{type(self).__name__} should define __call__")


def check_initializer(name: str, value: object) -> None:
    """Raise ``TypeError`` unless ``value`` is an initializer."""
    if not isinstance(value, Initializer):
        raise TypeError(f"{name} should be an Initializer such as HeNormal(), got {value!r}")


class Constant(Initializer):
    """The same value everywhere.

    >>> Constant(0.5)((2,), (1, 1), np.random.default_rng(0))
    array([0.5, 0.5])
    """

    value: float = 0.0

    def __call__(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """Return an array filled with the value."""
        return np.full(shape, self.value, np.float64)


class _Scaled(Initializer):
    """Values of mean 0 and a standard deviation that keeps signals the same size.

    ``gain`` multiplies the deviation.
    """

    gain: float = 1.0
    _uniform: ClassVar[bool]

    def __post_init__(self) -> None:
        positive("gain", self.gain)

    def _variance(self, fans: tuple[int, int]) -> float:
        raise NotImplementedError

    def __call__(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """Return values of standard deviation ``gain · sqrt(variance)``."""
        deviation = self.gain * math.sqrt(self._variance(fans))
        if self._uniform:
            limit = math.sqrt(3.0) * deviation
            return rng.uniform(-limit, limit, shape)
        return rng.normal(0.0, deviation, shape)


class _Glorot(_Scaled):
    def _variance(self, fans: tuple[int, int]) -> float:
        return 2.0 / max(1, sum(fans))


class _He(_Scaled):
    def _variance(self, fans: tuple[int, int]) -> float:
        return 2.0 / max(1, fans[0])


class GlorotUniform(_Glorot):
    """Uniform with variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010, equation 16)."""

    _uniform = True


class GlorotNormal(_Glorot):
    """Normal with variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010, equation 12)."""

    _uniform = False


class HeUniform(_He):
    """Uniform with variance 2 / fan_in, for ReLU (He et al. 2015, equation 10)."""

    _uniform = True


class HeNormal(_He):
    """Normal with variance 2 / fan_in, for ReLU (He et al. 2015, equation 10)."""

    _uniform = False
