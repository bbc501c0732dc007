"""Changes of values where they are: brightness, contrast and noise."""

from __future__ import annotations

from minidl.augment.augmentation import Augmentation, Draw
from minidl.augment.values import as_floats, full_range, like
from minidl.checks import not_negative, share
from minidl.types import Array


class Brightness(Augmentation):
    """Makes images brighter or darker: adds one number to all of an image's values.

    Parameters
    ----------
    amount
        The most, as a share of the full range (255 for uint8, 1 for floats), at least 0; each image
        gets a uniform number from minus to plus this.

    Examples
    --------
    >>> import numpy as np
    >>> Brightness(0.2)(np.full((2, 1, 1, 1), 100, np.uint8), seed=1).shape
    (2, 1, 1, 1)
    """

    amount: float

    def __post_init__(self) -> None:
        not_negative("amount", self.amount)

    def images(self, images: Array, draw: Draw) -> Array:
        """Return brighter and darker images."""
        values = as_floats(images)
        most = self.amount * full_range(images)
        values += draw.between(-most, most)[:, None, None, None]
        return like(values, images)


class Contrast(Augmentation):
    """Makes images stronger or paler: scales how far values are from their image's mean.

    Parameters
    ----------
    amount
        At least 0 and below 1; each image gets a uniform factor from 1 - amount to 1 + amount.

    Examples
    --------
    >>> import numpy as np
    >>> Contrast(0.3)(np.full((1, 2, 2, 1), 100, np.uint8), seed=1).ravel()
    array([100, 100, 100, 100], dtype=uint8)
    """

    amount: float

    def __post_init__(self) -> None:
        share("amount", self.amount)

    def images(self, images: Array, draw: Draw) -> Array:
        """Return stronger and paler images."""
        values = as_floats(images)
        means = values.mean(axis=(1, 2, 3), keepdims=True)
        values -= means
        values *= draw.between(1 - self.amount, 1 + self.amount)[:, None, None, None]
        values += means
        return like(values, images)


class Noise(Augmentation):
    """Adds normal noise, another number to each value.

    Parameters
    ----------
    deviation
        The noise's standard deviation, as a share of the full range, at least 0.

    Examples
    --------
    >>> import numpy as np
    >>> Noise(0.1)(np.zeros((2, 4, 4, 1), np.float32), seed=1).dtype
    dtype('float32')
    """

    deviation: float

    def __post_init__(self) -> None:
        not_negative("deviation", self.deviation)

    def images(self, images: Array, draw: Draw) -> Array:
        """Return noisy images."""
        values = as_floats(images)
        noise = draw.normal(*images.shape[1:])
        noise *= self.deviation * full_range(images)
        values += noise
        return like(values, images)
