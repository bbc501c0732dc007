"""How parameters start: functions of a shape, its fans and a generator, written as records.

A deviation is a standard deviation. Biases take ``Constant``; ``Orthogonal`` is for weights alone.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from minidl.checks import finite, positive
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

    def __post_init__(self) -> None:
        finite("value", self.value)

    def __call__(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """Return an array filled with the value."""
        return np.full(shape, self.value, np.float64)


class Uniform(Initializer):
    """Uniform from ``low`` to ``high``."""

    low: float
    high: float

    def __post_init__(self) -> None:
        finite("low", self.low)
        finite("high", self.high)
        positive("high - low", self.high - self.low)

    def __call__(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """Return values in [low, high)."""
        return rng.uniform(self.low, self.high, shape)


class Normal(Initializer):
    """Normal of a ``deviation`` about ``mean``."""

    deviation: float
    mean: float = 0.0

    def __post_init__(self) -> None:
        positive("deviation", self.deviation)
        finite("mean", self.mean)

    def __call__(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """Return normal values."""
        return rng.normal(self.mean, self.deviation, shape)


class TruncatedNormal(Normal):
    """Normal, without the values further than ``bound`` deviations from ``mean``.

    ``deviation`` is that before the tails are cut, as in Keras and PyTorch; at the bound of 2 the
    values' own is 0.8796 of it. Keras also cuts at 2; PyTorch's ``a`` and ``b`` are values, not
    numbers of deviations.
    """

    deviation: float = 0.02
    bound: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("bound", self.bound)

    def __call__(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """Return values by the inverse of the distribution, between its values at the bounds."""
        from scipy.special import ndtr, ndtri

        tail = ndtr(-self.bound)
        drawn = ndtri(rng.uniform(tail, 1 - tail, shape))
        values: Array = self.mean + self.deviation * np.clip(drawn, -self.bound, self.bound)
        return values


class Orthogonal(Initializer):
    """A random orthogonal matrix times ``gain`` (Saxe et al. 2014, *Exact solutions ...*).

    A weight (..., outputs) is seen as the matrix (inputs, outputs), (kh·kw·C, F) for a convolution,
    whose columns are orthonormal, or its rows where there are fewer of them. Keras sees it so too;
    PyTorch's matrix is the transposed one.
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        positive("gain", self.gain)

    def __call__(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """Return such a matrix; raises ``ValueError`` where the shape has fewer than two axes."""
        if len(shape) < 2:
            raise ValueError(f"Orthogonal needs a weight of two axes or more, got shape {shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = rng.standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(tall)
        q *= np.where(np.diag(r) < 0, -self.gain, self.gain)  # else not uniform: Mezzadri 2007
        return (q if rows >= columns else q.T).reshape(shape)


class _Scaled(Initializer):
    """Values of mean 0 and a standard deviation that keeps signals the same size.

    ``gain`` multiplies the deviation. The normal ones are plain, as in PyTorch; Keras cuts their
    tails at two deviations and widens them to the same variance.
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


class _LeCun(_Scaled):
    def _variance(self, fans: tuple[int, int]) -> float:
        return 1.0 / max(1, fans[0])


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


class LeCunUniform(_LeCun):
    """Uniform with variance 1 / fan_in (LeCun et al. 1998, *Efficient BackProp*, section 4.6).

    PyTorch's own layers start with a third of this variance: ``LeCunUniform(1 / math.sqrt(3))``.
    """

    _uniform = True


class LeCunNormal(_LeCun):
    """Normal with variance 1 / fan_in, for SELU (Klambauer et al. 2017)."""

    _uniform = False
