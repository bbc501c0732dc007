"""Optimizers: change arrays in place from their gradients.

An optimizer knows arrays by path and nothing of graphs. Its hyper-parameters are frozen; what it
remembers of each array, its slots, lives in ``state``.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from minidl.checks import flag, not_negative, positive, share
from minidl.record import Record
from minidl.schedules import Schedule, as_schedule
from minidl.types import Array, Arrays


class OptimizerState:
    """What an optimizer remembers: how many steps it took, and each array's slots by path.

    ``total`` is the number of steps that its schedule is stretched over, from step ``start`` on;
    ``Trainer.fit`` sets both.
    """

    def __init__(self) -> None:
        self.steps = self.start = 0
        self.total: int | None = None
        self.slots: dict[str, dict[str, Array]] = {}


class Optimizer(Record):
    """Hyper-parameters, and how one array changes from its gradient."""

    lr: float | Schedule

    slots: ClassVar[tuple[str, ...]] = ()
    """The names of what is remembered of each array; each slot starts as zeros of its shape."""

    elementwise: ClassVar[bool] = True
    """Whether each element changes by itself, so that an array may be updated in pieces."""

    def __post_init__(self) -> None:
        if not isinstance(self.lr, Schedule):
            positive("lr", self.lr)
        self.__dict__["_state"] = OptimizerState()

    @property
    def state(self) -> OptimizerState:
        """What is remembered, which ``step`` advances."""
        state: OptimizerState = self.__dict__["_state"]
        return state

    def rate(self) -> float:
        """Return the learning rate of the next step.

        Raises ``ValueError`` where a schedule does not know over how many steps to stretch.
        """
        if isinstance(self.lr, Schedule) and self.state.total is None:
            raise ValueError(
                f"{self.lr} needs to know the number of steps: set optimizer.state.total (fit does"
                " so itself)"
            )
        return as_schedule(self.lr).value(
            self.state.steps - self.state.start, self.state.total or 0
        )

    def step(self, arrays: Arrays, grads: Arrays) -> None:
        """Change every array that has a gradient, in place; others stay."""
        rate = self.rate()
        self.state.steps += 1
        for path, grad in grads.items():
            array = arrays[path]
            if grad.shape != array.shape:
                raise ValueError(f"{path} has shape {array.shape}, got a gradient of {grad.shape}")
            kept = self.state.slots.setdefault(path, {})
            for name in self.slots:
                if name not in kept:
                    kept[name] = np.zeros_like(array)
            self.update(array, grad, kept, rate, self.state.steps)

    def update(
        self, array: Array, grad: Array, slots: dict[str, Array], rate: float, step: int
    ) -> None:
        """Change ``array`` and its ``slots`` in place, not ``grad``; ``step`` counts from 1."""
        raise NotImplementedError(f"{type(self).__name__} should define update")


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

    ``g = grad + weight_decay · w``; ``v = momentum · v + g``; ``w -= lr · v``, or with ``nesterov``
    ``w -= lr · (g + momentum · v)`` (Sutskever et al. 2013, in PyTorch's form: the rate multiplies
    the velocity when it is used, not when it is stored).

    Parameters
    ----------
    lr : float or Schedule
        The learning rate.
    momentum : float
        How much of the velocity stays, at least 0 and below 1.
    nesterov : bool
        Whether to look ahead along the velocity.
    weight_decay : float
        Added to the gradient as ``weight_decay · w`` (L2 regularisation).
    """

    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    slots = ("velocity",)

    def __post_init__(self) -> None:
        super().__post_init__()
        share("momentum", self.momentum)
        not_negative("weight_decay", self.weight_decay)
        flag("nesterov", self.nesterov)
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")

    def update(
        self, array: Array, grad: Array, slots: dict[str, Array], rate: float, step: int
    ) -> None:
        """Take one step of the equations above."""
        if self.weight_decay:
            grad = grad + self.weight_decay * array
        velocity = slots["velocity"]
        velocity *= self.momentum
        velocity += grad
        array -= rate * (grad + self.momentum * velocity if self.nesterov else velocity)


class Adam(Optimizer):
    """Adam: momentum, and a rate for each element from its gradients' mean square.

    ``m = beta1 · m + (1 - beta1) · g``; ``v = beta2 · v + (1 - beta2) · g²``;
    ``w -= lr · m' / (sqrt(v') + epsilon)`` with ``m' = m / (1 - beta1^t)`` and
    ``v' = v / (1 - beta2^t)`` (Kingma and Ba 2015, *Adam*, algorithm 1).

    Parameters
    ----------
    lr : float or Schedule
        The learning rate.
    betas : pair of float
        How much of the two averages stays, each at least 0 and below 1.
    epsilon : float
        Added to the root, outside it as in PyTorch.
    weight_decay : float
        Added to the gradient as ``weight_decay · w`` (L2 regularisation, not AdamW's decay).
    """

    lr: float | Schedule = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    slots = ("mean", "square")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.betas) != 2:
            raise ValueError(f"betas should be a pair of numbers, got {self.betas!r}")
        for beta in self.betas:
            share("each of betas", beta)
        not_negative("epsilon", self.epsilon)
        not_negative("weight_decay", self.weight_decay)

    def update(
        self, array: Array, grad: Array, slots: dict[str, Array], rate: float, step: int
    ) -> None:
        """Take one step of the equations above."""
        if self.weight_decay:
            grad = grad + self.weight_decay * array
        mean, square = slots["mean"], slots["square"]
        for slot, beta, new in zip((mean, square), self.betas, (grad, np.square(grad))):
            slot *= beta
            slot += (1 - beta) * new
        root = np.sqrt(square)
        root *= 1 / math.sqrt(1 - self.betas[1] ** step)
        root += self.epsilon
        array -= rate / (1 - self.betas[0] ** step) * mean / root
