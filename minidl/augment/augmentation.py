"""Augmentation: what changes training images at random, each time anew."""

from __future__ import annotations

import numpy as np

from minidl.checks import integer
from minidl.randomness import digest, normal, uniform
from minidl.record import Record
from minidl.shapes import ShapeError
from minidl.types import Array, Shape

MOST = 2**64 - 1


class Draw:
    """Random numbers for the samples of one batch.

    They are functions of the seed, the epoch, the place of the augmentation among others, which
    draw it is, and the number of the sample in the epoch; not of how the epoch is cut into batches.

    Parameters
    ----------
    seed, epoch
        Integers from 0 to 2**64 - 1.
    first
        The number, in the epoch's order, of the batch's first sample.
    count
        How many samples the batch has.
    """

    __slots__ = ("_draws", "_first", "_place", "count")

    def __init__(
        self, seed: int, epoch: int, first: int, count: int, place: tuple[int, ...] = ()
    ) -> None:
        integer("seed", seed, low=0, high=MOST)
        integer("epoch", epoch, low=0, high=MOST)
        self._place = (seed, epoch, *place)
        self._first, self.count, self._draws = first, count, 0

    def part(self, index: int) -> Draw:
        """Return the numbers of the augmentation at an index of this one's parts."""
        seed, epoch, *place = self._place
        return Draw(seed, epoch, self._first, self.count, (*place, index))

    def again(self) -> Draw:
        """Return the same numbers, from the first on."""
        seed, epoch, *place = self._place
        return Draw(seed, epoch, self._first, self.count, tuple(place))

    def uniform(self, *shape: int) -> Array:
        """Return uniform float32 numbers in [0, 1), (count, ...)."""
        return self._uniform((self.count, *shape))

    def between(self, low: float, high: float, *shape: int) -> Array:
        """Return uniform float32 numbers from ``low`` to ``high``, (count, ...)."""
        numbers = self.uniform(*shape)
        numbers *= high - low
        numbers += low
        return numbers

    def normal(self, *shape: int) -> Array:
        """Return normal float32 numbers of mean 0 and deviation 1, (count, ...)."""
        return normal(self._uniform, (self.count, *shape))

    def _uniform(self, shape: Shape) -> Array:
        key = digest("augment", *self._place, self._draws)
        self._draws += 1
        return uniform(key, self._first, shape)


class Augmentation(Record):
    """Changes the images of a batch at random: each sample by numbers of its own.

    A subclass of your own declares its amounts as annotations, overrides ``images``, and
    ``targets`` where they change too. Numbers come from ``draw`` alone, so that a run can be
    repeated and resumed.

    Examples
    --------
    >>> import numpy as np
    >>> class Invert(Augmentation):
    ...     def images(self, images, draw):
    ...         chosen = draw.uniform() < 0.5
    ...         return np.where(chosen[:, None, None, None], 255 - images, images)
    >>> Invert()(np.zeros((6, 1, 1, 1), np.uint8), seed=1).ravel()
    array([...], dtype=uint8)
    """

    def __call__(self, images: Array, *, seed: int = 0, epoch: int = 0) -> Array:
        """Return changed images, (N, H, W, C) of the dtype that came; to look at them, say.

        Raises
        ------
        ShapeError, TypeError
            For images of another shape or dtype than ``batch`` takes.
        """
        check_images(images)
        return self.images(images, Draw(seed, epoch, 0, len(images)))

    def batch(self, images: Array, targets: Array, draw: Draw) -> tuple[Array, Array]:
        """Return changed images and their targets, and leave those that came as they are.

        Parameters
        ----------
        images
            (N, H, W, C) of uint8, 0 to 255, or of floats, whose full range is 1; uint8 is rounded
            and stays within its range, floats are not held to theirs.
        targets
            (N, ...).
        draw
            The random numbers of these N samples.

        Raises
        ------
        ShapeError
            For images of another shape.
        TypeError
            For images of another dtype.
        """
        check_images(images)
        return self.images(images, draw), self.targets(targets, draw.again())

    def images(self, images: Array, draw: Draw) -> Array:
        """Return changed copies of images, (N, H, W, C) of the same dtype."""
        raise NotImplementedError(f"{type(self).__name__} should override images")

    def targets(self, targets: Array, _draw: Draw) -> Array:
        """Return the targets of the changed images; the numbers are those that ``images`` had."""
        return targets


def check_images(images: Array) -> None:
    """Raise where images are not (N, H, W, C) of uint8 or floats."""
    if not isinstance(images, np.ndarray):
        raise TypeError(f"images must be an array, got {type(images).__name__}: np.stack(images)")
    if images.ndim != 4:
        one = images.shape[-1:] in ((1,), (3,))
        remedy = "one image is image[None]" if one else "of one channel, pass images[..., None]"
        raise ShapeError(f"images must be (N, H, W, C), got shape {images.shape}: {remedy}")
    if images.dtype != np.uint8 and not np.issubdtype(images.dtype, np.floating):
        raise TypeError(f"images must be uint8 (0 to 255) or floats, got {images.dtype}")
