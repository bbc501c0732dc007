"""Mixup: each sample is mixed with another of its batch."""

from __future__ import annotations

import numpy as np

from minidl.augment.augmentation import Augmentation, Draw
from minidl.augment.values import as_floats, like
from minidl.checks import positive
from minidl.types import Array


class Mixup(Augmentation):
    """Mixes each image and its target with the next in the batch, the last with the first.

    With a share ``s`` of its own, drawn from Beta(alpha, alpha) for each sample, an image becomes
    ``s * image + (1 - s) * other``, and its target likewise (Zhang et al. 2018, *mixup: Beyond
    empirical risk minimization*, section 2). Batches are shuffled, so the next sample is any
    sample; but which one, unlike all other numbers here, depends on how an epoch is cut into
    batches. A sample alone in its batch stays as it is.

    Parameters
    ----------
    alpha
        Above 0; small numbers mix little, 1 mixes by uniform shares.

    Raises
    ------
    TypeError
        By ``batch``, for targets that are no floats: labels cannot be mixed, ``train.one_hot()``
        can.

    Examples
    --------
    >>> import numpy as np
    >>> images, targets = np.zeros((2, 1, 1, 1), np.uint8), np.eye(2)
    >>> _, mixed = Mixup(0.2).batch(images, targets, Draw(seed=1, epoch=0, first=0, count=2))
    >>> mixed.sum(axis=1)
    array([1., 1.])
    """

    alpha: float

    def __post_init__(self) -> None:
        positive("alpha", self.alpha)

    def images(self, images: Array, draw: Draw) -> Array:
        """Return mixed images."""
        return like(self._mixed(as_floats(images), draw), images)

    def targets(self, targets: Array, draw: Draw) -> Array:
        """Return targets mixed by the same shares, floats of their dtype."""
        if not np.issubdtype(targets.dtype, np.floating):
            raise TypeError(
                f"mixup needs float targets, got {targets.dtype} labels: pass train.one_hot()"
            )
        return like(self._mixed(as_floats(targets), draw), targets)

    def _mixed(self, values: Array, draw: Draw) -> Array:
        from scipy.special import betaincinv

        shares = betaincinv(self.alpha, self.alpha, draw.uniform().astype(np.float64))
        others = np.roll(values, -1, axis=0)
        values -= others
        values *= shares.astype(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
        values += others
        return values
