"""Whole pixels, moved or covered: flip, crop and cutout."""

from __future__ import annotations

import numpy as np

from minidl.augment.augmentation import Augmentation, Draw
from minidl.augment.values import Fill, check_fill, level_of, padded
from minidl.checks import finite, flag, integer, proportion
from minidl.types import Array


class Flip(Augmentation):
    """Mirrors images, left to right.

    Parameters
    ----------
    probability
        The share of images that is mirrored, from 0 to 1.
    vertical
        Mirror top to bottom instead.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.array([[[[1], [2]]]], np.uint8)
    >>> Flip(probability=1)(images).ravel()
    array([2, 1], dtype=uint8)
    """

    probability: float = 0.5
    vertical: bool = False

    def __post_init__(self) -> None:
        proportion("probability", self.probability)
        flag("vertical", self.vertical)

    def images(self, images: Array, draw: Draw) -> Array:
        """Return images, some of them mirrored."""
        chosen = draw.uniform() < self.probability
        result = images.copy()
        result[chosen] = np.flip(images[chosen], axis=1 if self.vertical else 2)
        return result


class Crop(Augmentation):
    """Pads images, and cuts a piece of the old size from a random place.

    It is a shift by whole pixels, each from -padding to padding, and blurs nothing (used for CIFAR
    since Lee et al. 2015, *Deeply-supervised nets*, section 3).

    Parameters
    ----------
    padding
        So many pixels on each side, at least 0.
    fill
        What they hold: a share of the full range, or "edge" for the nearest pixel.

    Examples
    --------
    >>> import numpy as np
    >>> Crop(4)(np.zeros((2, 32, 32, 3), np.uint8), seed=1).shape
    (2, 32, 32, 3)
    """

    padding: int
    fill: Fill = 0

    def __post_init__(self) -> None:
        integer("padding", self.padding, low=0)
        check_fill(self.fill)

    def images(self, images: Array, draw: Draw) -> Array:
        """Return a piece of each padded image."""
        places = 2 * self.padding + 1
        top, left = np.minimum((draw.uniform(2) * places).astype(int), places - 1).T
        large = padded(images, self.padding, self.padding, self.fill)
        pieces = np.lib.stride_tricks.sliding_window_view(large, images.shape[1:], axis=(1, 2, 3))
        result: Array = pieces[np.arange(len(images)), top, left, 0]  # (N, H, W, C)
        return result


class Cutout(Augmentation):
    """Covers a square of each image (DeVries and Taylor 2017, *Improved regularization ...*).

    Its middle is any pixel, so a part of it may lie outside (section 3.2).

    Parameters
    ----------
    size
        The square's side in pixels, at least 0.
    fill
        What covers it: a share of the full range.

    Examples
    --------
    >>> import numpy as np
    >>> int(Cutout(1, fill=1)(np.zeros((1, 1, 3, 1), np.uint8), seed=2).sum())
    255
    """

    size: int
    fill: float = 0

    def __post_init__(self) -> None:
        integer("size", self.size, low=0)
        finite("fill", self.fill)

    def images(self, images: Array, draw: Draw) -> Array:
        """Return images, each with a square covered."""
        sides = np.array(images.shape[1:3])
        middles = np.minimum((draw.uniform(2) * sides).astype(int), sides - 1)
        first = middles - self.size // 2  # (N, 2)
        down, right = (
            (np.arange(side) >= at[:, None]) & (np.arange(side) < at[:, None] + self.size)
            for side, at in zip(sides, first.T)
        )
        result = images.copy()
        result[down[:, :, None] & right[:, None, :]] = level_of(self.fill, images)
        return result
