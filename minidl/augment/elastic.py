"""Elastic distortion: each pixel is moved a little, its neighbours alike."""

from __future__ import annotations

import math

import numpy as np

from minidl.augment.affine import identities
from minidl.augment.augmentation import Augmentation, Draw
from minidl.augment.sampling import warp
from minidl.augment.values import Fill, check_fill
from minidl.checks import not_negative, positive
from minidl.types import Array


class Elastic(Augmentation):
    """Distorts images by smooth random fields, as if they were printed on rubber.

    Each pixel gets a uniform displacement from -1 to 1 in both directions; a Gaussian smooths the
    fields, and ``alpha`` scales them (Simard, Steinkraus and Platt 2003, *Best practices for
    convolutional neural networks applied to visual document analysis*, section 2). Pixels then move
    by about ``alpha / (6 sigma)`` (one deviation), near the borders as in the middle. The paper's
    values for digits are 34 and 4.

    Parameters
    ----------
    alpha
        The strength, at least 0.
    sigma
        The Gaussian's deviation in pixels, above 0.
    fill
        What comes in from outside: a share of the full range, or "edge" for the nearest pixel.

    Examples
    --------
    >>> import numpy as np
    >>> Elastic(34, 4)(np.zeros((2, 28, 28, 1), np.uint8), seed=1).shape
    (2, 28, 28, 1)
    """

    alpha: float = 34
    sigma: float = 4
    fill: Fill = 0

    def __post_init__(self) -> None:
        not_negative("alpha", self.alpha)
        positive("sigma", self.sigma)
        check_fill(self.fill)

    def images(self, images: Array, draw: Draw) -> Array:
        """Return images drawn anew, with linear interpolation."""
        field = self.field(draw, *images.shape[1:3])
        return warp(images, identities(draw.count), field, self.fill)

    def field(self, draw: Draw, height: int, width: int) -> Array:
        """Return how far from each pixel its value comes, (N, 2, H, W) in pixels."""
        rough = draw.between(-self.alpha, self.alpha, 2, height, width)
        # One product a sample: the bits of a larger one would depend on the number of samples.
        return smoothing(height, self.sigma) @ rough @ smoothing(width, self.sigma).T


def smoothing(size: int, sigma: float) -> Array:
    """Return the matrix (size, size) that smooths ``size`` numbers by a Gaussian.

    Rows that the border cuts are scaled up, so that noise comes out equally strong everywhere.
    """
    reach = math.ceil(4 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    steps = np.arange(size) - np.arange(size)[:, None]
    matrix = np.where(abs(steps) <= reach, kernel[np.clip(steps, -reach, reach) + reach], 0)
    matrix *= np.sqrt((kernel**2).sum() / (matrix**2).sum(axis=1, keepdims=True))
    return matrix.astype(np.float32)
