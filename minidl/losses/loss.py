"""Loss: the contract, what "mean" and "sum" mean in a batch, and how batches add up."""

from __future__ import annotations

import re

import numpy as np

from minidl.checks import not_negative
from minidl.metrics import Metric
from minidl.record import Record
from minidl.types import Array, Shape


class Loss(Record):
    """What is wrong with the outputs of a batch, as one number, and its gradient.

    A loss of your own defines ``check`` and ``__call__``. Where its value is a sum over the batch
    it sets ``reduction = "sum"``; where it is a mean over something else than samples it defines
    ``weight``. PyTorch's third reduction, "none", has no single value to train on.
    """

    reduction = "mean"
    """"mean" or "sum": what the value is over the batch."""

    def __post_init__(self) -> None:
        if self.reduction not in ("mean", "sum"):
            raise ValueError(f'reduction must be "mean" or "sum", got {self.reduction!r}')

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What training reports beside the loss, unless told otherwise."""
        return ()

    def check(self, target: Array, output_shape: Shape) -> Array:
        """Return ``target`` as the loss wants it; raise ``ValueError`` where it does not fit.

        ``output_shape`` is that of one sample. Called once for a data set, before training.
        """
        raise NotImplementedError(f"{type(self).__name__} should define check")

    def __call__(self, output: Array, target: Array) -> tuple[float, Array]:
        """Return the mean or sum over the batch, and its gradient, of the shape of ``output``."""
        raise NotImplementedError(f"{type(self).__name__} should define __call__")

    def weight(self, output: Array, target: Array) -> float:
        """Return what a batch's mean was divided by, up to a constant: its samples by default."""
        return float(len(output))

    def count(self, value: float, output: Array, target: Array) -> Array:
        """Return (value · weight, weight) of a batch of this ``value``; those of all are added."""
        weight = 1.0 if self.reduction == "sum" else self.weight(output, target)
        return np.array([value * weight, weight])

    def result(self, counts: Array) -> float:
        """Return the loss of all the batches whose counts were added, as if they were one."""
        return float(counts[0] if self.reduction == "sum" else counts[0] / (counts[1] or 1.0))

    def reduced(self, total: float, gradient: Array, weight: float) -> tuple[float, Array]:
        """Return the sum over a batch and its gradient, divided by ``weight`` for a mean.

        The gradient is scaled in place. A mean of nothing is 0, and so is its gradient.
        """
        if self.reduction == "sum":
            return total, gradient
        if not weight:
            gradient.fill(0)
            return 0.0, gradient
        gradient *= 1 / weight
        return total / weight, gradient


class MeanLoss(Metric):
    """A loss as a metric, to be reported beside the one that is trained.

    Over batches of any size it comes to the loss of the whole data set; of a loss whose reduction
    is "sum" it is the sum. ``label`` is its name in the history; by default the loss's own.

    >>> from minidl.losses import MeanAbsoluteError
    >>> metric = MeanLoss(MeanAbsoluteError())
    >>> metric.name, metric.result(metric.count(np.ones((2, 1)), np.zeros((2, 1))))
    ('mean_absolute_error', 1.0)
    """

    loss: Loss
    label: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.loss, Loss):
            raise TypeError(f"loss should be a Loss such as MeanSquaredError(), got {self.loss!r}")
        if not (self.label is None or isinstance(self.label, str)):
            raise TypeError(f"label should be text, got {self.label!r}")

    @property
    def name(self) -> str:
        """Return the label, or the loss's name as in "mean_absolute_error"."""
        return self.label or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self.loss).__name__).lower()

    def count(self, output: Array, target: Array) -> Array:
        """Return (value · weight, weight)."""
        return self.loss.count(self.loss(output, target)[0], output, target)

    def result(self, counts: Array) -> float:
        """Return the loss of all batches together."""
        return self.loss.result(counts)


def floats(output: Array) -> Array:
    """Return outputs as they are, and integers, whose arithmetic would wrap, as float64."""
    if output.dtype.kind in "biu":
        return output.astype(np.float64)
    if output.dtype.kind != "f":
        raise TypeError(f"outputs should be numbers, got dtype {output.dtype}")
    return output


def check_targets(target: Array) -> None:
    """Raise unless targets are real numbers, one sample of them or more."""
    if target.dtype.kind not in "biuf":
        raise TypeError(f"targets should be numbers, got dtype {target.dtype}")
    if not (target.ndim and len(target)):
        raise ValueError("there are no targets: give one for each input")


def check_weights(name: str, weights: object) -> None:
    """Raise unless weights are a tuple of numbers of at least 0."""
    if not (isinstance(weights, tuple) and weights):
        raise TypeError(f"{name} should be a tuple of numbers, one a class, got {weights!r}")
    for weight in weights:
        not_negative(f"each of {name}", weight)


def spread(name: str, weights: tuple[float, ...], output: Array) -> Array:
    """Return weights as an array of the output's dtype; there must be one for each last index."""
    check_count(name, weights, output.shape)
    return np.array(weights, output.dtype)


def check_count(name: str, weights: tuple[float, ...], output_shape: Shape) -> None:
    """Raise unless there is a weight for each place on the output's last axis."""
    if output_shape[-1:] != (len(weights),):
        raise ValueError(
            f"{name} should be one for each output of the model, {output_shape[-1:]}, got"
            f" {len(weights)}"
        )
