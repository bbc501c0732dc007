"""Adam and AdamW: momentum, and a rate for each element from its gradients' mean square."""

from __future__ import annotations

import math

import numpy as np

from minidl.checks import flag, not_negative, share
from minidl.optim.optimizer import Optimizer
from minidl.schedules import Schedule
from minidl.types import Array


class Adam(Optimizer):
    """Adam: momentum, and a rate for each element from its gradients' mean square.

    ``m = beta1 · m + (1 - beta1) · g``; ``v = beta2 · v + (1 - beta2) · g²``;
    ``w -= lr · m' / (sqrt(v') + epsilon)`` with ``m' = m / (1 - beta1^t)`` and
    ``v' = v / (1 - beta2^t)`` (Kingma and Ba 2015, *Adam*, algorithm 1).

    Parameters
    ----------
    lr, clip_value, clip_norm
        As in ``Optimizer``.
    betas : pair of float
        How much of the two averages stays, each at least 0 and below 1.
    epsilon : float
        Added to the root of ``v'`` as in PyTorch and the paper. Keras has 1e-7, and adds it to the
        root of ``v``.
    weight_decay : float
        Added to the gradient as ``weight_decay · w`` (L2 regularisation, not AdamW's decay).
    amsgrad : bool
        Whether to divide by the largest ``v`` so far (Reddi et al. 2018, *On the convergence of
        Adam and beyond*), whose correction for the start is today's, as in PyTorch.
    """

    lr: float | Schedule = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    amsgrad: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.betas, tuple) or len(self.betas) != 2:
            raise ValueError(f"betas should be a pair of numbers, got {self.betas!r}")
        for beta in self.betas:
            share("each of betas", beta)
        not_negative("epsilon", self.epsilon)
        not_negative("weight_decay", self.weight_decay)
        flag("amsgrad", self.amsgrad)

    @property
    def slots(self) -> tuple[str, ...]:
        """The two averages, and with ``amsgrad`` the largest of the second."""
        return ("mean", "square", "largest") if self.amsgrad else ("mean", "square")

    def update(
        self, array: Array, grad: Array, slots: dict[str, Array], rate: float, step: int
    ) -> None:
        """Take one step of the equations above."""
        if self.weight_decay:
            grad = grad + self.weight_decay * array
        self._move(array, grad, slots, rate, step)

    def _move(
        self, array: Array, grad: Array, slots: dict[str, Array], rate: float, step: int
    ) -> None:
        """Take the step without any decay."""
        mean, square = slots["mean"], slots["square"]
        for slot, beta, new in zip((mean, square), self.betas, (grad, np.square(grad))):
            slot *= beta
            slot += (1 - beta) * new
        if self.amsgrad:
            square = np.maximum(slots["largest"], square, out=slots["largest"])
        root = np.sqrt(square)
        root *= 1 / math.sqrt(1 - self.betas[1] ** step)
        root += self.epsilon
        array -= rate / (1 - self.betas[0] ** step) * mean / root


class AdamW(Adam):
    """Adam with weight decay that is no part of the gradient: ``w -= lr · weight_decay · w`` first.

    So the averages know nothing of it (Loshchilov and Hutter 2019, *Decoupled weight decay
    regularization*, algorithm 2, where the decay is multiplied by the schedule alone, not by
    ``lr``; here by both, as in PyTorch and Keras). Parameters as in ``Adam``, but for the default
    decay of 0.01, which is PyTorch's; Keras has 0.004.
    """

    weight_decay: float = 0.01

    def update(
        self, array: Array, grad: Array, slots: dict[str, Array], rate: float, step: int
    ) -> None:
        """Shrink the weights, then take Adam's step."""
        array *= 1 - rate * self.weight_decay
        self._move(array, grad, slots, rate, step)
