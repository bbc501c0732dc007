"""Augmentations made of others: one after another, and sometimes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minidl.augment.affine import Affine, identities
from minidl.augment.augmentation import Augmentation, Draw
from minidl.augment.elastic import Elastic
from minidl.augment.sampling import warp
from minidl.augment.values import Fill
from minidl.checks import proportion
from minidl.types import Array


class Compose(Augmentation):
    """Applies augmentations one after another, in the order given.

    Neighbours among ``Shift``, ``Rotate``, ``Zoom`` and ``Shear`` of equal ``fill`` are sampled
    once: the first moves the image first, as it would alone, but their matrices are multiplied, so
    that the image is not blurred several times, and what one moves out another may bring back. An
    ``Elastic`` right after them joins in, and ends the group: it distorts the image they moved.

    Parameters
    ----------
    parts
        The augmentations.

    Raises
    ------
    TypeError
        For parts that are no augmentations.

    Examples
    --------
    >>> import numpy as np
    >>> from minidl.augment import Rotate, Shift
    >>> changes = Compose([Shift(2), Rotate(10)])
    >>> changes(np.zeros((2, 28, 28, 1), np.uint8), seed=1).shape
    (2, 28, 28, 1)
    """

    parts: Sequence[Augmentation]

    def __post_init__(self) -> None:
        if not isinstance(self.parts, tuple):
            raise TypeError(f"parts must be a list of augmentations, got {self.parts!r}")
        for part in self.parts:
            check_augmentation("parts", part)

    def images(self, images: Array, draw: Draw) -> Array:
        """Return images changed by all parts."""
        for group in groups(self.parts):
            draws = [draw.part(index) for index in group]
            images = together([self.parts[index] for index in group], images, draws)
        return images

    def targets(self, targets: Array, draw: Draw) -> Array:
        """Return targets changed by all parts."""
        for index, part in enumerate(self.parts):
            targets = part.targets(targets, draw.part(index))
        return targets


class Sometimes(Augmentation):
    """Applies an augmentation to some of the samples, and leaves the others as they are.

    Parameters
    ----------
    probability
        The share of samples it is applied to, from 0 to 1.
    augmentation
        What is applied.

    Examples
    --------
    >>> import numpy as np
    >>> from minidl.augment import Rotate
    >>> Sometimes(0.5, Rotate(10))(np.zeros((2, 28, 28, 1), np.uint8), seed=1).shape
    (2, 28, 28, 1)
    """

    probability: float
    augmentation: Augmentation

    def __post_init__(self) -> None:
        proportion("probability", self.probability)
        check_augmentation("augmentation", self.augmentation)

    def images(self, images: Array, draw: Draw) -> Array:
        """Return images, some of them changed."""
        return self._some(images, self.augmentation.images(images, draw.part(0)), draw)

    def targets(self, targets: Array, draw: Draw) -> Array:
        """Return targets, changed where the image is."""
        return self._some(targets, self.augmentation.targets(targets, draw.part(0)), draw)

    def _some(self, old: Array, new: Array, draw: Draw) -> Array:
        chosen = draw.uniform() < self.probability
        return np.where(chosen.reshape(-1, *[1] * (old.ndim - 1)), new, old)


def compose(augment: Augmentation | Sequence[Augmentation] | None) -> Augmentation | None:
    """Return one augmentation that applies those given, or None where there are none."""
    if augment is None or isinstance(augment, Augmentation):
        return augment
    whole = Compose(augment)  # a list of one draws the same numbers as that one
    return whole if len(whole.parts) > 1 else next(iter(whole.parts), None)


def check_augmentation(name: str, value: object) -> None:
    """Raise a ``TypeError`` where a value is no augmentation."""
    if not isinstance(value, Augmentation):
        raise TypeError(f"{name} must be augmentations such as Rotate(15), got {value!r}")


def groups(parts: Sequence[Augmentation]) -> list[list[int]]:
    """Return the indices of parts, those together that are applied together."""
    result: list[list[int]] = []
    for index, part in enumerate(parts):
        if index and joins(parts[index - 1], part):
            result[-1].append(index)
        else:
            result.append([index])
    return result


def joins(before: Augmentation, part: Augmentation) -> bool:
    """Return whether a part moves pixels on from where the one before it moved them."""
    if not (isinstance(before, Affine) and isinstance(part, (Affine, Elastic))):
        return False
    return before.fill == part.fill


def together(parts: Sequence[Augmentation], images: Array, draws: Sequence[Draw]) -> Array:
    """Return images changed by a group of parts, one or more."""
    if len(parts) == 1:
        return parts[0].images(images, draws[0])
    matrices, field = identities(len(images)), None
    fill: Fill = 0
    for part, draw in zip(parts, draws):
        if isinstance(part, Affine):
            matrices, fill = product(matrices, part.matrices(draw)), part.fill
        elif isinstance(part, Elastic):
            field = part.field(draw, *images.shape[1:3])
    return warp(images, matrices, field, fill)


def product(one: Array, other: Array) -> Array:
    """Return the matrices (N, 2, 3) that map places by ``other``, then by ``one``."""
    result = one[:, :, :2] @ other
    result[:, :, 2] += one[:, :, 2]
    return result
