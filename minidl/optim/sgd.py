"""SGD: stochastic gradient descent with momentum."""

from __future__ import annotations

from minidl.checks import flag, not_negative, share
from minidl.optim.optimizer import Optimizer
from minidl.types import Array


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

    ``g = grad + weight_decay · w``; ``v = momentum · v + (1 - dampening) · g``; ``w -= lr · v``, or
    with ``nesterov`` ``w -= lr · (g + momentum · v)`` (Sutskever et al. 2013, in PyTorch's form:
    the rate multiplies the velocity when it is used; Keras and the paper store ``lr · v``, which
    differs once the rate changes).

    Parameters
    ----------
    lr, clip_value, clip_norm
        As in ``Optimizer``.
    momentum : float
        How much of the velocity stays, at least 0 and below 1.
    dampening : float
        How much of a gradient the velocity leaves out, at least 0 and below 1. The first gradient
        of an array counts in full, as in PyTorch; without momentum it means nothing.
    nesterov : bool
        Whether to look ahead along the velocity; with momentum and without dampening.
    weight_decay : float
        Added to the gradient as ``weight_decay · w`` (L2 regularisation).
    """

    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        share("momentum", self.momentum)
        share("dampening", self.dampening)
        flag("nesterov", self.nesterov)
        not_negative("weight_decay", self.weight_decay)
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")
        if self.nesterov and self.dampening:
            raise ValueError(f"nesterov needs a dampening of 0, got {self.dampening!r}")

    @property
    def slots(self) -> tuple[str, ...]:
        """The velocity, where there is momentum."""
        return ("velocity",) if self.momentum else ()

    def update(
        self, array: Array, grad: Array, slots: dict[str, Array], rate: float, step: int
    ) -> None:
        """Take one step of the equations above."""
        if self.weight_decay:
            grad = grad + self.weight_decay * array
        if not self.momentum:
            array -= rate * grad
            return
        velocity = slots["velocity"]
        velocity *= self.momentum
        velocity += (1 - self.dampening) * grad if self.dampening and step > 1 else grad
        array -= rate * (grad + self.momentum * velocity if self.nesterov else velocity)
