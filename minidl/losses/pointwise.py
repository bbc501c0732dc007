"""Losses that compare each value of the output with the same value of the target."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from minidl.checks import positive
from minidl.losses.loss import Loss, check_count, check_targets, check_weights, floats, spread
from minidl.metrics import BinaryAccuracy, Metric
from minidl.types import Array, Shape


class _Pointwise(Loss):
    """A loss of each value by itself; the mean is over every value of the batch.

    The target has the shape of the output, or is (N,) for an output (N, 1).
    """

    _targets: ClassVar[str] = "finite"

    def check(self, target: Array, output_shape: Shape) -> Array:
        """Return the targets; raises ``ValueError`` unless they fit in shape and in value."""
        check_targets(target)
        if target.ndim == 1 and output_shape == (1,):
            target = target[:, None]  # (N, 1)
        if target.shape[1:] != output_shape:
            raise ValueError(
                f"targets should have the model's output shape {output_shape} a sample, got"
                f" {target.shape[1:]}"
            )
        fits = self._fits(target)
        if not fits.all():
            place = tuple(np.argwhere(~fits)[0])
            raise ValueError(
                f"targets should be {self._targets}, got {target[place]} in row {place[0]}"
            )
        return target

    def __call__(self, output: Array, target: Array) -> tuple[float, Array]:
        """Return the loss of outputs against targets of the same shape."""
        if target.shape != output.shape:
            raise ValueError(
                f"targets should have the output's shape {output.shape}, got {target.shape}"
            )
        output = floats(output)
        values, slopes = self._values(output, target.astype(output.dtype, copy=False))
        return self.reduced(float(values.sum(dtype=np.float64)), slopes, values.size)

    def _fits(self, target: Array) -> Array:
        """Return which targets are allowed."""
        return np.isfinite(target)

    def _values(self, output: Array, target: Array) -> tuple[Array, Array]:
        """Return the loss of each value, and its derivative in an array of its own."""
        raise NotImplementedError


class MeanSquaredError(_Pointwise):
    """``(output - target)²``.

    Targets are taken as they are: an autoencoder of ``uint8`` images, which a model scales to
    [0, 1], gets ``images / 255`` as its target.

    >>> MeanSquaredError()(np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]]))
    (2.0, array([[0., 2.]]))
    """

    reduction: str = "mean"

    def _values(self, output: Array, target: Array) -> tuple[Array, Array]:
        difference = output - target
        return np.square(difference), 2 * difference


class MeanAbsoluteError(_Pointwise):
    """``|output - target|``; its gradient is taken as 0 where the two are equal.

    >>> MeanAbsoluteError()(np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]]))
    (1.0, array([[0. , 0.5]]))
    """

    reduction: str = "mean"

    def _values(self, output: Array, target: Array) -> tuple[Array, Array]:
        difference = output - target
        return np.abs(difference), np.sign(difference)


class Huber(_Pointwise):
    """``d² / 2`` up to ``d = |output - target| = delta``, and ``delta (d - delta/2)`` beyond it.

    Huber 1964, *Robust estimation of a location parameter*. It is PyTorch's HuberLoss and Keras's
    Huber; PyTorch's SmoothL1Loss(beta) is ``Huber(beta)`` divided by beta.

    >>> Huber(1.0)(np.array([[0.5, 3.0]]), np.array([[0.0, 0.0]]))
    (1.3125, array([[0.25, 0.5 ]]))
    """

    delta: float = 1.0
    reduction: str = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("delta", self.delta)

    def _values(self, output: Array, target: Array) -> tuple[Array, Array]:
        difference = output - target
        slopes = np.clip(difference, -self.delta, self.delta)
        difference -= slopes / 2
        return slopes * difference, slopes


class BinaryCrossEntropyWithLogits(_Pointwise):
    """``-t log p - (1 - t) log(1 - p)`` with ``p = sigmoid(logit)``: no sigmoid goes before it.

    For one yes or no, logits (N, 1), or for several labels that do not exclude each other,
    (N, labels). Targets ``t`` are from 0 to 1. It is computed from ``exp(-|logit|)``, which cannot
    overflow, as ``(1 - t) softplus(logit) + t softplus(-logit)``.

    Parameters
    ----------
    positive_weight : float or tuple of float
        What multiplies the part of ``t``, above 1 for more recall; one number, or one for each
        label (PyTorch's pos_weight). As in PyTorch, the mean still divides by the number of values.
    reduction : "mean" or "sum"
        What the value is over the batch.

    Examples
    --------
    >>> value, gradient = BinaryCrossEntropyWithLogits()(np.zeros((2, 1)), np.array([[0], [1]]))
    >>> round(value, 4), gradient.ravel()
    (0.6931, array([ 0.25, -0.25]))
    """

    positive_weight: float | tuple[float, ...] = 1.0
    reduction: str = "mean"

    _targets = "between 0 and 1"

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.positive_weight, tuple):
            check_weights("positive_weight", self.positive_weight)
        else:
            positive("positive_weight", self.positive_weight)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Return the accuracy of ``logit > 0``."""
        return (BinaryAccuracy(),)

    def check(self, target: Array, output_shape: Shape) -> Array:
        """Return the targets; raises ``ValueError`` unless they and the weights fit."""
        if isinstance(self.positive_weight, tuple):
            check_count("positive_weight", self.positive_weight, output_shape)
        return super().check(target, output_shape)

    def _fits(self, target: Array) -> Array:
        fits: Array = (target >= 0) & (target <= 1)
        return fits

    def _values(self, output: Array, target: Array) -> tuple[Array, Array]:
        weight = self.positive_weight
        if isinstance(weight, tuple):
            yes = target * spread("positive_weight", weight, output)
        else:
            yes = target * weight
        no = 1 - target
        small = np.exp(-np.abs(output))
        rest, whole = np.log1p(small), 1 + small
        values = no * (np.maximum(output, 0) + rest) + yes * (np.maximum(-output, 0) + rest)
        # sigmoid(z) = min(1, exp(z)) / (1 + exp(-|z|)), so that neither side is 1 - the other
        slopes = no * np.maximum(small, output >= 0) - yes * np.maximum(small, output <= 0)
        slopes /= whole
        return values, slopes
