"""Nudges: random numbers and unit vectors to move arrays by."""

from __future__ import annotations

import numpy as np

from minidl.randomness import digest
from minidl.types import Array, Shape


def generator(*words: object) -> np.random.Generator:
    """Return a generator of its own for each purpose."""
    return np.random.Generator(np.random.Philox(key=digest("gradcheck", *words)))


def unit(shape: Shape, element: int) -> Array:
    """Return zeros with a one at a position."""
    return only(np.ones(shape), np.array([element]))


def only(array: Array, elements: Array) -> Array:
    """Return an array with zeros at all but some positions."""
    part = np.zeros(array.shape)
    part.flat[elements] = array.flat[elements]
    return part


def rms(array: Array) -> float:
    """Return the root of the mean square."""
    return float(np.sqrt(np.mean(np.square(array)))) if array.size else 0.0


def spread(rng: np.random.Generator, shape: Shape) -> Array:
    """Return random numbers of either sign and of 0.5 to 1.5, so that none is overlooked."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape)
