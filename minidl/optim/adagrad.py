"""Adagrad: gradients divided by the root of the sum of their squares."""

from __future__ import annotations

import numpy as np

from minidl.checks import not_negative
from minidl.optim.optimizer import Optimizer
from minidl.schedules import Schedule
from minidl.types import Array


class Adagrad(Optimizer):
    """Adagrad: gradients divided by the root of the sum of their squares.

    ``g = grad + weight_decay · w``; ``s = s + g²``; ``w -= r · g / (sqrt(s) + epsilon)`` with
    ``r = lr / (1 + (t - 1) · lr_decay)`` (Duchi et al. 2011, *Adaptive subgradient methods*, in
    PyTorch's form).

    Parameters
    ----------
    lr, clip_value, clip_norm
        As in ``Optimizer``; Keras's default rate is 1e-3.
    epsilon : float
        Added to the root. Keras adds 1e-7 under it.
    initial : float
        What the sum starts as: PyTorch's and Keras's ``initial_accumulator_value``, there 0.1 in
        Keras.
    lr_decay : float
        How fast the rate falls, beside any schedule.
    weight_decay : float
        Added to the gradient as ``weight_decay · w`` (L2 regularisation).
    """

    lr: float | Schedule = 1e-2
    epsilon: float = 1e-10
    initial: float = 0.0
    lr_decay: float = 0.0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("epsilon", "initial", "lr_decay", "weight_decay"):
            not_negative(name, getattr(self, name))

    @property
    def slots(self) -> tuple[str, ...]:
        """The sum of squares."""
        return ("sum",)

    def first(self, slot: str) -> float:
        """Return ``initial``."""
        return self.initial

    def update(
        self, array: Array, grad: Array, slots: dict[str, Array], rate: float, step: int
    ) -> None:
        """Take one step of the equations above."""
        if self.weight_decay:
            grad = grad + self.weight_decay * array
        total = slots["sum"]
        total += np.square(grad)
        root = np.sqrt(total)
        root += self.epsilon
        array -= rate / (1 + (step - 1) * self.lr_decay) * grad / root
