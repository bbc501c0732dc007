"""RMSprop: gradients divided by the root of their mean square."""

from __future__ import annotations

import numpy as np

from minidl.checks import flag, not_negative, share
from minidl.optim.optimizer import Optimizer
from minidl.schedules import Schedule
from minidl.types import Array


class RMSprop(Optimizer):
    """RMSprop: gradients divided by the root of their mean square.

    ``g = grad + weight_decay · w``; ``s = alpha · s + (1 - alpha) · g²``;
    ``d = g / (sqrt(s) + epsilon)``; ``w -= lr · d``, or with momentum ``v = momentum · v + d``;
    ``w -= lr · v`` (Tieleman and Hinton 2012, lecture 6.5, in PyTorch's form). With ``centered``
    the mean's square is taken from ``s`` before the root: the variance (Graves 2013, *Generating
    sequences with recurrent neural networks*, equation 38 on), which rounding cannot bring below 0
    here.

    Parameters
    ----------
    lr, clip_value, clip_norm
        As in ``Optimizer``; Keras's default rate is 1e-3.
    alpha : float
        How much of the average stays, at least 0 and below 1; Keras's ``rho``, there 0.9.
    epsilon : float
        Added to the root. Keras adds 1e-7 under it.
    momentum : float
        How much of the velocity stays, at least 0 and below 1.
    centered : bool
        Whether to divide by the standard deviation.
    weight_decay : float
        Added to the gradient as ``weight_decay · w`` (L2 regularisation).
    """

    lr: float | Schedule = 1e-2
    alpha: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0
    centered: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        share("alpha", self.alpha)
        share("momentum", self.momentum)
        not_negative("epsilon", self.epsilon)
        not_negative("weight_decay", self.weight_decay)
        flag("centered", self.centered)

    @property
    def slots(self) -> tuple[str, ...]:
        """The mean square; the mean where it is centered; the velocity where there is momentum."""
        chosen = {"square": True, "mean": self.centered, "velocity": bool(self.momentum)}
        return tuple(name for name, kept in chosen.items() if kept)

    def update(
        self, array: Array, grad: Array, slots: dict[str, Array], rate: float, step: int
    ) -> None:
        """Take one step of the equations above."""
        if self.weight_decay:
            grad = grad + self.weight_decay * array
        change = grad / (self._root(grad, slots) + self.epsilon)
        if self.momentum:
            velocity = slots["velocity"]
            velocity *= self.momentum
            velocity += change
            change = velocity
        array -= rate * change

    def _root(self, grad: Array, slots: dict[str, Array]) -> Array:
        """Let the averages go on, and return the root of the mean square, or of the variance."""
        square = slots["square"]
        square *= self.alpha
        square += (1 - self.alpha) * np.square(grad)
        if not self.centered:
            return np.sqrt(square)
        mean = slots["mean"]
        mean += (1 - self.alpha) * (grad - mean)
        root: Array = np.sqrt(np.maximum(square - np.square(mean), 0))
        return root
