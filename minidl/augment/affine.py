"""Warps that keep straight lines straight: shift, rotate, zoom and shear."""

from __future__ import annotations

import numpy as np

from minidl.augment.augmentation import Augmentation, Draw
from minidl.augment.sampling import warp
from minidl.augment.values import Fill, check_fill
from minidl.checks import not_negative, positive, share
from minidl.types import Array


class Affine(Augmentation):
    """Moves pixels by a matrix; neighbours in a ``Compose`` are multiplied and sampled once."""

    @property
    def fill(self) -> Fill:
        """What lies outside a picture."""
        return 0

    def matrices(self, draw: Draw) -> Array:
        """Return (N, 2, 3): where each pixel of the result comes from.

        A linear map and a shift of (vertical, horizontal) places, in pixels from the middle.
        """
        raise NotImplementedError(f"{type(self).__name__} should override matrices")

    def images(self, images: Array, draw: Draw) -> Array:
        """Return images drawn anew, with linear interpolation."""
        return warp(images, self.matrices(draw), None, self.fill)


class Shift(Affine):
    """Moves images up or down and sideways, by fractions of a pixel too.

    Parameters
    ----------
    pixels
        The most, in pixels of at least 0: a number, or a pair (vertical, horizontal). Each image
        moves by a uniform number from minus to plus this, one for each direction.
    fill
        What comes in from outside: a share of the full range (0 is black, 1 is white), or "edge"
        for the nearest pixel.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.full((1, 2, 2, 1), 100, np.uint8)
    >>> Shift(0.5)(images, seed=1).shape
    (1, 2, 2, 1)
    """

    pixels: float | tuple[float, float]
    fill: Fill = 0

    def __post_init__(self) -> None:
        check_fill(self.fill)
        self._most()

    def matrices(self, draw: Draw) -> Array:
        """Return the identity with a shift each, (N, 2, 3)."""
        result = identities(draw.count)
        result[:, :, 2] -= draw.between(-1, 1, 2) * np.array(self._most())
        return result

    def _most(self) -> tuple[float, float]:
        if not isinstance(self.pixels, tuple):
            return (not_negative("pixels", self.pixels),) * 2
        vertical, horizontal = pair("pixels", self.pixels, "(vertical, horizontal)")
        return not_negative("pixels", vertical), not_negative("pixels", horizontal)


class Rotate(Affine):
    """Turns images about their middle.

    Parameters
    ----------
    degrees
        The most, at least 0; each image turns by a uniform angle from minus to plus this, where
        plus is counter-clockwise.
    fill
        What comes in from outside: a share of the full range, or "edge" for the nearest pixel.

    Examples
    --------
    >>> import numpy as np
    >>> Rotate(15)(np.zeros((2, 28, 28, 1), np.uint8), seed=1).shape
    (2, 28, 28, 1)
    """

    degrees: float
    fill: Fill = 0

    def __post_init__(self) -> None:
        check_fill(self.fill)
        not_negative("degrees", self.degrees)

    def matrices(self, draw: Draw) -> Array:
        """Return a rotation each, (N, 2, 3)."""
        angles = np.radians(draw.between(-1, 1).astype(float) * self.degrees)
        result = identities(draw.count)
        result[:, 0, 0] = result[:, 1, 1] = np.cos(angles)
        result[:, 0, 1] = np.sin(angles)
        result[:, 1, 0] = -np.sin(angles)
        return result


class Zoom(Affine):
    """Makes images larger or smaller about their middle; their size in pixels stays.

    Parameters
    ----------
    factors
        A share below 1, for uniform factors from 1 - share to 1 + share; or a pair (low, high) of
        factors above 0. A factor above 1 makes larger.
    fill
        What comes in from outside: a share of the full range, or "edge" for the nearest pixel.

    Examples
    --------
    >>> Zoom(0.1) == Zoom(0.1, fill=0), Zoom((0.9, 1.1))
    (True, Zoom(factors=(0.9, 1.1), fill=0))
    """

    factors: float | tuple[float, float]
    fill: Fill = 0

    def __post_init__(self) -> None:
        check_fill(self.fill)
        self._range()

    def matrices(self, draw: Draw) -> Array:
        """Return a scaling each, (N, 2, 3)."""
        low, high = self._range()
        result = identities(draw.count)
        result /= (low + draw.uniform().astype(float) * (high - low))[:, None, None]
        return result

    def _range(self) -> tuple[float, float]:
        if not isinstance(self.factors, tuple):
            most = share("factors", self.factors)
            return 1 - most, 1 + most
        low, high = (
            positive("factors", one) for one in pair("factors", self.factors, "(low, high)")
        )
        if low > high:
            raise ValueError(f"factors must be (low, high), got {self.factors}: swap them")
        return low, high


class Shear(Affine):
    """Slants images: rows slide sideways, the more the further they are from the middle.

    Parameters
    ----------
    degrees
        The most, at least 0 and below 90; each image's upright lines lean by a uniform angle from
        minus to plus this.
    fill
        What comes in from outside: a share of the full range, or "edge" for the nearest pixel.

    Examples
    --------
    >>> import numpy as np
    >>> Shear(10)(np.zeros((2, 28, 28, 1), np.uint8), seed=1).shape
    (2, 28, 28, 1)
    """

    degrees: float
    fill: Fill = 0

    def __post_init__(self) -> None:
        check_fill(self.fill)
        if not_negative("degrees", self.degrees) >= 90:
            raise ValueError(f"degrees must be below 90, got {self.degrees!r}")

    def matrices(self, draw: Draw) -> Array:
        """Return a shear each, (N, 2, 3)."""
        result = identities(draw.count)
        result[:, 1, 0] = np.tan(np.radians(draw.between(-1, 1).astype(float) * self.degrees))
        return result


def identities(count: int) -> Array:
    """Return so many matrices (2, 3) that leave pixels where they are."""
    return np.tile(np.eye(2, 3), (count, 1, 1))


def pair(name: str, values: tuple[float, ...], meaning: str) -> tuple[float, float]:
    """Return two values, or raise a ``ValueError`` that says what they mean."""
    if len(values) != 2:
        raise ValueError(f"{name} must be a number or a pair {meaning}, got {values}")
    return values[0], values[1]
